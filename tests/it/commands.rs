//! The program itself, run as an operator runs it, on SQLite and on Postgres.

use crate::world::{
    busy::{LONG, within},
    database::{self, Backdoor},
    ports::free_port,
};
use keywright::{
    base::{entropy::OsEntropy, moment::SystemClock},
    store::Store,
};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
};

/// An installation: a directory of data, a database, a port.
pub struct Installation {
    pub folder: tempfile::TempDir,
    pub database: String,
    pub port: u16,
    /// Variables that its commands are given besides, by their names; the last of a name counts.
    pub variables: RefCell<Vec<(String, String)>>,
}

impl Installation {
    /// Gives its commands a variable from now on.
    pub fn set(&self, name: &str, value: impl Into<String>) {
        self.variables.borrow_mut().push((name.to_owned(), value.into()));
    }

    /// Takes a variable away again.
    pub fn unset(&self, name: &str) {
        self.variables.borrow_mut().retain(|(other, _)| other != name);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keywright"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("KEYWRIGHT_SERVER_DATA_DIR", self.folder.path().join("data"))
            .env("KEYWRIGHT_DATABASE_URL", &self.database)
            .env("KEYWRIGHT_SERVER_ISSUER", self.at(""))
            .env("KEYWRIGHT_SERVER_LISTEN", format!("127.0.0.1:{}", self.port))
            // The machine may be busy with other tests; one that waits is better than one that fails.
            .env("KEYWRIGHT_DATABASE_POOL_WAIT", "30s")
            .env("KEYWRIGHT_DATABASE_STATEMENT_TIMEOUT", "1m")
            .envs(self.variables.borrow().iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Its store, to write into what the program would only write in time.
    pub fn store(&self) -> Store {
        Store::open(&database::settings(self.database.clone()), Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap()
    }

    pub fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with(&[], arguments, input)
    }

    /// Runs with these variables.
    pub fn run_with(&self, more: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).envs(more.iter().copied()).spawn().unwrap();
        // A command that reads nothing may have ended before.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command that succeeds answers, as JSON.
    pub fn json(&self, arguments: &[&str], input: &str) -> Value {
        let done = self.run(&[arguments, &["-o", "json"]].concat(), input);
        assert!(done.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// What a command that fails says, and its exit code.
    pub fn failure(&self, arguments: &[&str], input: &str) -> (i32, String) {
        let done = self.run(arguments, input);
        assert!(done.stdout.is_empty(), "{arguments:?}");
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    }

    /// The kinds of what was recorded, the newest first.
    pub fn kinds(&self) -> Vec<String> {
        let done = self.run(&["audit", "list", "-o", "json"], "");
        let lines = String::from_utf8(done.stdout).unwrap();
        let kind =
            |line: &str| serde_json::from_str::<Value>(line).unwrap().get("kind").unwrap().as_str().unwrap().to_owned();
        lines.lines().map(kind).collect()
    }

    pub fn serve(&self) -> Serving {
        self.serve_at(None)
    }

    /// Serves, and logs at this level, or at that of its file.
    fn serve_at(&self, level: Option<&str>) -> Serving {
        self.serve_with(&level.map(|level| ("KEYWRIGHT_LOG_LEVEL", level)).into_iter().collect::<Vec<_>>())
    }

    /// Serves with these variables.
    pub fn serve_with(&self, more: &[(&str, &str)]) -> Serving {
        let mut serving = self.begin(more);
        self.is_ready(&mut serving);
        serving
    }

    /// Begins to serve, and does not wait until it does.
    pub fn begin(&self, more: &[(&str, &str)]) -> Serving {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.envs(more.iter().copied());
        Serving(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Waits until it serves.
    pub fn is_ready(&self, serving: &mut Serving) {
        let ready = within(LONG, || ureq::get(self.at("/readyz")).call().is_ok() || serving.has_ended());
        assert!(ready && !serving.has_ended(), "{}", self.log());
    }

    /// Waits until the running server has the key for RS256, which it makes when nobody waits for it, a while after its
    /// start: then it makes none by itself any more, however slow the machine is.
    pub fn has_all_keys(&self) {
        let set = || ureq::get(self.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap();
        assert!(within(LONG, || set().contains("RS256")), "{}", self.log());
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The status of a request for a token.
    pub fn ask_for_token(&self, client: &Value) -> u16 {
        let text = |member: &str| client.get(member).and_then(Value::as_str).unwrap().to_owned();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", text("client_id")),
            ("client_secret", text("client_secret")),
        ];
        match ureq::post(self.at("/token")).send_form(form) {
            Ok(answer) => answer.status().as_u16(),
            Err(ureq::Error::StatusCode(status)) => status,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server that ends with the test.
pub struct Serving(Child);

impl Serving {
    /// A server that was started otherwise.
    pub const fn of(process: Child) -> Self {
        Self(process)
    }
    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
    fn tell(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
    /// Tells it to read its settings again.
    pub fn reload(&self) {
        self.tell(rustix::process::Signal::HUP);
    }
    /// Tells it to end, and says how it did.
    pub fn told_to_end(mut self) -> ExitStatus {
        self.tell(rustix::process::Signal::TERM);
        self.0.wait().unwrap()
    }
    pub fn end(self) {
        assert!(self.told_to_end().success());
    }
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the test on every database there is.
pub fn each(test: impl Fn(&Installation)) {
    for database in database::empty() {
        let port = free_port();
        let url = database.settings.url.expose().clone();
        let variables = RefCell::default();
        test(&Installation { folder: tempfile::tempdir().unwrap(), database: url, port, variables });
    }
}

#[test]
fn an_installation_is_made_and_managed_from_the_command_line() {
    each(|it| {
        assert!(!it.json(&["migrate"], "")["applied"].as_array().unwrap().is_empty());
        assert!(it.json(&["migrate"], "")["applied"].as_array().unwrap().is_empty());
        let ada = it.json(&["user", "add", "ada", "--name", "Ada", "--password-stdin"], "violin cello harp drum\n");
        let (code, told) = it.failure(&["user", "add", "ADA", "--password-stdin"], "violin cello harp drum\n");
        assert_eq!((code, told.contains("is taken")), (1, true), "{told}");
        let (code, told) = it.failure(&["user", "set-password", "ada"], "password\n");
        assert_eq!((code, told.contains("at least 12 characters")), (1, true), "{told}");
        assert_eq!(it.json(&["user", "show", "ada"], "")["id"], ada["id"]);
        assert_eq!(it.json(&["user", "disable", "ada"], "")["state"], "disabled");
        assert_eq!(it.json(&["user", "list"], "")["users"].as_array().unwrap().len(), 1);
        let metadata = json!({"client_name": "web", "redirect_uris": ["https://app.example/cb"]}).to_string();
        let web = it.json(&["client", "add", "--metadata", "-"], &metadata);
        assert!(web["client_secret"].as_str().unwrap().starts_with("kw_cs_"));
        assert_eq!(web["id_token_signed_response_alg"], "ES256");
        let id = web["client_id"].as_str().unwrap();
        let shown = it.json(&["client", "show", id], "");
        assert_eq!(shown["secrets"].as_array().unwrap().len(), 1);
        assert!(!shown.to_string().contains(web["client_secret"].as_str().unwrap()));
        let (code, told) = it.failure(&["client", "add", "--redirect-uri", "http://app.example/cb"], "");
        assert_eq!((code, told.contains("must be https")), (1, true), "{told}");
        assert_eq!(it.json(&["keys", "rotate"], "")["steps"].as_array().unwrap().len(), 2);
        assert_eq!(it.json(&["keys", "rotate"], "")["steps"].as_array().unwrap().len(), 0);
        assert_eq!(it.json(&["keys", "list"], "")["keys"].as_array().unwrap().len(), 4);
        let kinds = it.kinds();
        for kind in ["user.added", "user.disabled", "client.added", "key.created"] {
            assert!(kinds.iter().any(|k| k == kind), "{kind}");
        }
        assert_eq!(it.failure(&["audit", "list", "--kind", "nothing."], "").0, 2);
    });
}

#[test]
fn keys_that_clients_encrypt_for_are_listed_exported_replaced_and_revoked_like_the_others() {
    each(|it| {
        it.set("KEYWRIGHT_KEYS_ENCRYPTION_ALGORITHMS", "ECDH-ES");
        let of = |arguments: &[&str]| -> Vec<Value> {
            let told = it.json(arguments, "");
            let all = told["keys"].as_array().unwrap();
            all.iter().filter(|key| key["use"] == "enc").cloned().collect()
        };
        let listed = of(&["keys", "list"]);
        let seen: Vec<_> = ["alg", "state", "held"].iter().map(|name| listed[0][*name].clone()).collect();
        assert_eq!((listed.len(), seen), (1, vec![json!("ECDH-ES"), json!("active"), json!("here")]));
        assert_eq!(listed[0]["next"]["step"], "publish_successor");
        let kid = listed[0]["kid"].as_str().unwrap();
        let exported = of(&["keys", "export", "--public"]);
        assert_eq!((exported.len(), &exported[0]["kid"]), (1, &listed[0]["kid"]));
        let pem = String::from_utf8(it.run(&["keys", "export", "--public", kid, "--form", "pem"], "").stdout).unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
        assert_eq!(it.json(&["keys", "rotate"], "")["steps"].as_array().unwrap().len(), 3);
        let waiting = of(&["keys", "list"]);
        let next = |n: usize| (waiting[n]["state"].clone(), waiting[n]["next"]["step"].clone());
        assert_eq!(next(0), (json!("active"), json!("retire")));
        assert_eq!(next(1), (json!("pending"), json!("publish")));
        assert_eq!(of(&["keys", "export", "--public"]), exported, "the one that waits is told to nobody");
        let words =
            String::from_utf8(it.run(&["keys", "revoke", kid, "--reason", "seen in a log"], "").stdout).unwrap();
        let successor = waiting[1]["kid"].as_str().unwrap();
        assert!(words.contains(&format!("{successor} is published for ECDH-ES now")), "{words}");
        assert!(words.contains("it decrypted 0 tokens in its life"), "{words}");
        assert_eq!(of(&["keys", "export", "--public"])[0]["kid"], successor);
    });
}

#[test]
fn a_key_that_does_not_fit_the_database_is_refused_and_nothing_is_changed() {
    each(|it| {
        it.json(&["user", "add", "ada", "--without-password"], "");
        let kek = it.folder.path().join("data/kek");
        assert_eq!(fs::read_to_string(&kek).unwrap().trim().len(), 64);
        let kept = it.folder.path().join("kept");
        fs::rename(&kek, &kept).unwrap();
        let (code, told) = it.failure(&["user", "list"], "");
        assert_eq!((code, told.contains("is missing")), (1, true), "{told}");
        assert!(!kek.exists());
        fs::write(&kek, "11".repeat(32)).unwrap();
        fs::set_permissions(&kek, fs::Permissions::from_mode(0o644)).unwrap();
        let (code, told) = it.failure(&["user", "list"], "");
        assert_eq!((code, told.contains("chmod 600")), (1, true), "{told}");
        fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
        let (code, told) = it.failure(&["user", "list"], "");
        assert_eq!((code, told.contains("another key-encryption key")), (1, true), "{told}");
        fs::rename(&kept, &kek).unwrap();
        assert_eq!(it.json(&["user", "list"], "")["users"][0]["username"], "ada");
    });
}

#[test]
fn a_signing_key_that_is_damaged_stops_the_server_and_can_be_ended_by_command() {
    each(|it| {
        let keys = || it.json(&["keys", "list"], "")["keys"].as_array().unwrap().clone();
        let kid = keys()[0]["kid"].as_str().unwrap().to_owned();
        let damage =
            format!("UPDATE signing_keys SET sealed = substr(sealed, 1, length(sealed) - 1) WHERE kid = '{kid}'");
        Backdoor::at(&it.database).execute(&damage);
        let (code, told) = it.failure(&["serve"], "");
        let way_back = format!("`keywright keys revoke {kid} --reason TEXT`");
        assert_eq!((code, told.contains(&way_back)), (1, true), "{told}");
        // Everything else can be managed, and is warned about.
        let done = it.run(&["user", "list"], "");
        let warned = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && warned.contains("was left out") && warned.contains(&kid), "{warned}");
        it.json(&["keys", "revoke", &kid, "--reason", "its row is damaged"], "");
        assert!(keys().iter().any(|key| key["alg"] == "ES256" && key["state"] == "active"), "{:?}", keys());
        let done = it.run(&["user", "list"], "");
        assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
        it.serve().end();
    });
}

fn write(folder: &Path, clients: &Value) {
    fs::write(folder.join("clients.json"), json!({ "clients": clients }).to_string()).unwrap();
}

#[test]
fn an_api_key_is_made_rotated_and_ended_from_the_command_line() {
    each(|it| {
        it.json(&["plan", "add", "--template", "free"], "");
        let policy = json!({"v": 1, "ip": {"deny": ["203.0.113.66"]}}).to_string();
        let api = ["api", "add", "--name", "docs", "--audience", "https://docs.example", "--plan", "free"];
        let api = it.json(&[&api[..], &["--scope", "docs.read", "--policy", "-"]].concat(), &policy);
        assert_eq!((&api["settings"]["scopes"], &api["policy"]["v"]), (&json!("docs.read"), &json!(1)));
        let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
        let owner = format!("client:{}", client["client_id"].as_str().unwrap());
        let make = ["api-key", "create", "--api", "docs", "--owner", &owner, "--name", "job", "--scope", "docs.read"];
        let (code, told) = it.failure(&make, "");
        assert_eq!((code, told.contains("anywhere")), (1, true), "{told}");
        let made = it.json(&[&make[..], &["--ip", "203.0.113.0/24"]].concat(), "");
        let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        assert!(text.starts_with("kw_live_"));
        let rotated = it.json(&["api-key", "rotate", id, "--overlap", "1h"], "");
        assert_ne!(rotated["key"], made["key"]);
        assert_eq!(it.json(&["api-key", "revoke", id, "--reason", "over"], "")["state"], "revoked");
        let shown = it.run(&["api-key", "show", id], "");
        assert!(!String::from_utf8(shown.stdout).unwrap().contains(text), "its text is shown once");
        let listed = it.json(&["api-key", "list", "--owner", &owner, "--state", "active"], "");
        assert_eq!((listed["keys"].as_array().unwrap().len(), &listed["keys"][0]["id"]), (1, &rotated["id"]));
        assert_eq!(it.json(&["api", "disable", "docs"], "")["name"], "docs");
        assert_eq!(it.failure(&["api-key", "show", "key_none"], "").0, 1);
        let told = String::from_utf8(it.run(&["audit", "list", "--api-key", id], "").stdout).unwrap();
        let kinds = ["api_key.revoked", "api_key.rotated", "api_key.created"];
        assert_eq!(kinds.map(|kind| told.matches(kind).count()), [1, 1, 1], "{told}");
    });
}

#[test]
fn r028_r040_a_server_that_logs_all_it_does_writes_no_key_and_can_leave_no_core() {
    each(|it| {
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
        let owner = format!("client:{}", client["client_id"].as_str().unwrap());
        let make = |more: &[&str]| {
            let made = it.json(
                &[&["api-key", "create", "--api", "docs", "--owner", &owner, "--name", "job"], more].concat(),
                "",
            );
            made["key"].as_str().unwrap().to_owned()
        };
        let (key, asks) = (make(&["--anywhere", "--scope", "docs.read"]), make(&["--kind", "verifier"]));
        let serving = it.serve_at(Some("trace"));
        let limits = fs::read_to_string(format!("/proc/{}/limits", serving.0.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        let ask =
            ureq::post(it.at("/v1/keys/verify")).header("X-API-Key", &asks).header("Content-Type", "application/json");
        let told = ask.send(json!({"key": key}).to_string()).unwrap().body_mut().read_to_string().unwrap();
        assert!(told.contains("\"ok\""), "{told}");
        for target in [format!("/v1/keys?api_key={key}"), format!("/v1/keys/{key}"), format!("/nowhere/{key}")] {
            assert!(ureq::get(it.at(&target)).header("Authorization", format!("Bearer {key}")).call().is_err());
        }
        serving.end();
        let log = fs::read_to_string(it.folder.path().join("log")).unwrap();
        assert!(log.lines().count() > 20, "{log}");
        for secret in [&key[8..], &asks[8..]] {
            assert!(!log.contains(secret), "{}", log.lines().find(|line| line.contains(secret)).unwrap());
        }
    });
}

#[test]
fn a_file_of_clients_is_planned_applied_and_applied_again_without_a_change() {
    each(|it| {
        let folder = it.folder.path();
        let secret = it.json(&["client", "make-secret"], "")["client_secret"].as_str().unwrap().to_owned();
        fs::write(folder.join("secret"), &secret).unwrap();
        let shop = json!({
            "client_id": "shop", "redirect_uris": ["https://shop.example/cb"], "client_secret_file": "secret",
        });
        write(folder, &json!([shop]));
        let apply = |more: &[&str]| it.json(&[&["client", "apply", "clients.json"], more].concat(), "");
        assert_eq!(apply(&["--dry-run"])["clients"]["shop"]["do"], "add");
        assert!(it.json(&["client", "list"], "")["clients"].as_array().unwrap().is_empty());
        assert_eq!(apply(&[])["clients"]["shop"]["do"], "add");
        assert_eq!(apply(&[])["clients"]["shop"]["do"], "same");
        write(folder, &json!([]));
        assert_eq!(apply(&[])["clients"]["shop"]["do"], "disable");
        assert_eq!(it.json(&["client", "show", "shop"], "")["state"], "disabled");
    });
}

#[test]
fn a_running_server_hears_of_what_a_command_does() {
    each(|it| {
        let service = ["client", "add", "--grant", "client_credentials", "--scope", "read"];
        let client = it.json(&service, "");
        let serving = it.serve();
        assert_eq!(it.ask_for_token(&client), 200);
        let id = client["client_id"].as_str().unwrap();
        it.json(&["client", "disable", id], "");
        assert!(within(LONG, || it.ask_for_token(&client) == 401));
        it.json(&["client", "enable", id], "");
        assert!(within(LONG, || it.ask_for_token(&client) == 200));
        it.has_all_keys();
        let before = ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap();
        it.json(&["keys", "rotate"], "");
        let changed = || ureq::get(it.at("/jwks")).call().unwrap().body_mut().read_to_string().unwrap() != before;
        assert!(within(LONG, changed));
        serving.end();
        let kinds = it.kinds();
        assert!(kinds.iter().any(|kind| kind == "token.issued"), "{kinds:?}");
        assert!(kinds.iter().any(|kind| kind == "client.refused"), "{kinds:?}");
    });
}

#[test]
fn a_server_that_was_killed_leaves_a_gap_that_the_next_one_records() {
    each(|it| {
        it.json(&["migrate"], "");
        it.serve().end();
        it.serve().kill();
        assert!(!it.kinds().iter().any(|kind| kind == "audit.gap"));
        let serving = it.serve();
        assert!(within(LONG, || it.kinds().iter().any(|kind| kind == "audit.gap")));
        serving.end();
    });
}
