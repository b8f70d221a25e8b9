//! A peer that speaks as HashiCorp Vault and OpenBao do, in a process of its own: the key-value engine in
//! both versions, Transit, tokens, AppRole, service accounts of Kubernetes, the statuses and bodies of refusals as their
//! API documents them. It stands in for them because neither can be had from the registries that tests may ask.
//!
//! The process is this test program again, told by a variable to be the peer.

use super::{jwt::base64_standard, transit};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const FOLDER: &str = "TEST_VAULT_PEER";

pub const TOKEN: &str = "hvs.CAESIJ-keywright-test-token";
pub const ROLE: &str = "7c1d6d0a-6a05-0c3d-8d13-a0e1d3b9a8ab";
pub const ROLE_SECRET: &str = "0b3c9a0e-7d55-4f7b-9f0b-1f2f3a4b5c6d";
pub const ACCOUNT: &str = "eyJhbGciOiJSUzI1NiJ9.of-a-service-account.AAAA";
pub const ROLE_TOKEN: &str = "hvs.CAESIJ-keywright-approle-token";

/// A running peer; it ends with the test.
pub struct VaultPeer {
    child: Child,
    folder: tempfile::TempDir,
    pub address: String,
}

impl VaultPeer {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut peer = Self { child: spawn(folder.path()), folder, address: String::new() };
        peer.address = peer.listening();
        peer
    }

    fn listening(&self) -> String {
        let at = self.folder.path().join("listening");
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            match fs::read_to_string(&at) {
                Ok(text) if text.ends_with('\n') => return format!("http://{}", text.trim()),
                _ if Instant::now() > until => panic!("the peer does not listen"),
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Keeps a secret of one field in version 2 of the engine.
    pub fn keep(&self, name: &str, field: &str, value: &str) {
        fs::write(self.folder.path().join(format!("secret.{name}")), json!({ field: value }).to_string()).unwrap();
    }

    /// From now on it answers as one that is sealed.
    pub fn seal(&self) {
        fs::write(self.folder.path().join("sealed"), "").unwrap();
    }

    /// From now on Transit does this: `slow`, `garbage`, `wrong` signatures, `forbidden`, `down`, `stalls` once it has made a
    /// key, or `dawdles` before it tells of one; or nothing of it.
    pub fn misbehave(&self, how: &str) {
        fs::write(self.folder.path().join("misbehaves"), how).unwrap();
    }

    /// Whether somebody has waited for it because it `stalls` or `dawdles`.
    pub fn kept_waiting(&self, how: &str) -> bool {
        self.folder.path().join(how).exists()
    }

    /// The tokens that roles have signed in for are good no longer.
    pub fn expire(&self) {
        let at = self.folder.path().join("epoch");
        let epoch = fs::read_to_string(&at).unwrap_or_default();
        fs::write(at, format!("{epoch}x")).unwrap();
    }

    /// The names of the keys in Transit.
    pub fn keys(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter_map(|name| name.to_str()?.strip_prefix("transit.").map(str::to_owned)).collect()
    }

    /// Deletes all keys in Transit.
    pub fn delete_keys(&self) {
        for name in self.keys() {
            fs::remove_file(self.folder.path().join(format!("transit.{name}"))).unwrap();
        }
    }

    /// A ciphertext that Transit decrypts to this, with the key `wrapping`.
    pub fn wrap(&self, plaintext: &[u8]) -> String {
        fs::write(self.folder.path().join("wrapped"), base64_standard(plaintext)).unwrap();
        "vault:v1:UmFuZG9tIGNpcGhlcnRleHQ=".to_owned()
    }

    /// It is gone.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for VaultPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "world::vault::a_peer_of_vault_serves_where_it_is_told_to", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The peer itself; as a test of its own it does nothing.
#[test]
fn a_peer_of_vault_serves_where_it_is_told_to() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(folder.join("listening"), format!("{}\n", socket.local_addr().unwrap())).unwrap();
    for stream in socket.incoming() {
        let folder = folder.clone();
        thread::spawn(move || serve(&stream.unwrap(), &folder));
    }
}

pub struct Asked {
    pub method: String,
    pub path: String,
    token: String,
    pub body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-vault-token" => value.trim().clone_into(&mut token),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Asked { method, path, token, body })
}

fn serve(mut stream: &TcpStream, folder: &Path) {
    let Some(asked) = read(stream) else { return };
    let (status, body) = answer(&asked, folder);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

pub fn refused(status: u16, errors: &[&str]) -> (u16, String) {
    (status, json!({ "errors": errors }).to_string())
}

fn answer(asked: &Asked, folder: &Path) -> (u16, String) {
    if folder.join("sealed").exists() {
        return refused(503, &["Vault is sealed"]);
    }
    let role_token = format!("{ROLE_TOKEN}{}", fs::read_to_string(folder.join("epoch")).unwrap_or_default());
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let login = match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/v1/auth/approle/login") if body["role_id"] == ROLE && body["secret_id"] == ROLE_SECRET => true,
        ("POST", "/v1/auth/approle/login") => return refused(400, &["invalid role or secret ID"]),
        ("POST", "/v1/auth/kubernetes/login") if body["role"] != "keywright" => {
            return refused(400, &["invalid role name"]);
        }
        ("POST", "/v1/auth/kubernetes/login") if body["jwt"] != ACCOUNT => return refused(403, &["permission denied"]),
        ("POST", "/v1/auth/kubernetes/login") => true,
        _ => false,
    };
    if login {
        let auth =
            json!({ "client_token": role_token, "accessor": "a", "policies": ["default"], "lease_duration": 3600 });
        return (200, json!({ "request_id": "1", "lease_id": "", "data": null, "auth": auth }).to_string());
    }
    if ![TOKEN, &role_token].contains(&asked.token.as_str()) {
        return refused(403, &["permission denied"]);
    }
    let kept = |name: &str| -> Option<Value> {
        let text = fs::read_to_string(folder.join(format!("secret.{name}"))).ok()?;
        serde_json::from_str(&text).ok()
    };
    let path = asked.path.strip_prefix("/v1/").unwrap_or_default();
    match (asked.method.as_str(), path.split_once('/')) {
        ("GET", Some(("slow", _))) => {
            thread::sleep(Duration::from_secs(30));
            refused(404, &[])
        }
        ("GET", Some(("auth", "token/lookup-self"))) => (200, json!({ "data": { "ttl": 3600 } }).to_string()),
        (_, Some(("transit", rest))) => transit::answer(asked, rest, folder),
        ("GET", Some(("garbage", _))) => (200, "<html>not Vault</html>".to_owned()),
        // Version 2 of the engine, and version 1.
        ("GET", Some(("secret", rest))) => match rest.strip_prefix("data/").and_then(kept) {
            Some(data) => {
                let metadata = json!({ "created_time": "2026-11-24T00:00:00Z", "destroyed": false, "version": 1 });
                (200, json!({ "request_id": "1", "data": { "data": data, "metadata": metadata } }).to_string())
            }
            None => refused(404, &[]),
        },
        ("GET", Some(("kv", name))) => match kept(name) {
            Some(data) => (200, json!({ "request_id": "1", "lease_duration": 2_764_800, "data": data }).to_string()),
            None => refused(404, &[]),
        },
        _ => refused(403, &["permission denied"]),
    }
}
