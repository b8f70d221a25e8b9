//! The engine Transit of Vault or OpenBao: each of our keys is a key there, of one version. What waits already is signed in
//! one call. Of tokens it gets the hash alone, but for Ed25519, which signs the text.

use super::{Asked, Hold, SignerFailed, WantedKey};
use crate::{
    base::digest::{base64, from_base64url, sha256, sha384},
    jose::{
        Alg, Outside,
        outside::{elliptic, from_pem},
    },
    remote::vault::{Access, Ask, Vault, VaultFailed},
};
use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many signatures are asked for in one call at most.
const AT_ONCE: usize = 32;
/// How long anything but a signature may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is signed in anew because something was refused: what no token may do, no next one may either, and each
/// leaves a lease behind in Vault.
const ANEW: Duration = Duration::from_secs(5);

/// The engine.
pub(super) struct Transit {
    /// How Vault is reached. It may be told another way while work goes on.
    access: Arc<ArcSwap<Access>>,
    /// Where the engine is mounted.
    mount: String,
    /// How long a signature may take.
    deadline: Duration,
    signing: Door,
    rest: Door,
}

/// The way in.
#[derive(Default)]
struct Door(Mutex<Way>);

#[derive(Default)]
struct Way {
    /// Vault, with how it was reached.
    open: Option<(Arc<Access>, Arc<Vault>)>,
    /// When it was last given up because something was refused.
    anew: Option<Instant>,
}

impl Door {
    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up this token, unless that was tried just now; true where it may be tried with another.
    fn give_up(&self, refused: &Arc<Vault>) -> bool {
        let mut way = self.way();
        if way.open.as_ref().is_none_or(|(_, vault)| !Arc::ptr_eq(vault, refused)) {
            // Somebody else was faster.
            return true;
        }
        let may = way.anew.is_none_or(|at| at.elapsed() >= ANEW);
        if may {
            *way = Way { open: None, anew: Some(Instant::now()) };
        }
        may
    }
}

impl Transit {
    pub(super) fn new(access: Arc<ArcSwap<Access>>, mount: String, deadline: Duration) -> Self {
        Self { access, mount, deadline, signing: Door::default(), rest: Door::default() }
    }

    fn opened(&self, door: &Door, patience: Duration) -> Result<Arc<Vault>, VaultFailed> {
        let mut way = door.way();
        let access = self.access.load_full();
        if let Some((by, vault)) = &way.open
            && Arc::ptr_eq(by, &access)
        {
            return Ok(Arc::clone(vault));
        }
        let vault = Arc::new(Vault::open_patient(&access, patience)?);
        way.open = Some((access, Arc::clone(&vault)));
        Ok(vault)
    }

    /// One call. A token that has expired is refused like one that may not: then it is signed in anew, once.
    fn call(&self, ask: Ask<'_>, path: &str) -> Result<Value, VaultFailed> {
        let (door, patience) = match (ask, path.contains("/sign/")) {
            (Ask::Post(_), true) => (&self.signing, self.deadline),
            (Ask::Get | Ask::Post(_) | Ask::Delete, _) => (&self.rest, PATIENCE),
        };
        let vault = self.opened(door, patience)?;
        match vault.call(ask, path) {
            Err(VaultFailed::Refused(403)) if door.give_up(&vault) => self.opened(door, patience)?.call(ask, path),
            done => done,
        }
    }

    fn keys(&self, name: &str) -> String {
        format!("{}/keys/{name}", self.mount)
    }

    /// Signs all of these, which are for one key.
    fn sign_all(
        &self,
        at: &Outside,
        alg: Alg,
        asked: &[Asked],
    ) -> Result<Vec<Result<Vec<u8>, SignerFailed>>, SignerFailed> {
        let Outside::Transit { mount, name, version } = at else { return Err(SignerFailed::Unset(at.to_string())) };
        if *mount != self.mount {
            return Err(SignerFailed::Unset(at.to_string()));
        }
        let inputs: Vec<Value> = asked.iter().map(|one| json!({ "input": handed_over(alg, &one.input) })).collect();
        let mut body = way(alg);
        body.insert("key_version".to_owned(), json!(version));
        body.insert("batch_input".to_owned(), Value::Array(inputs));
        let answer = match self.call(Ask::Post(&Value::Object(body)), &format!("{mount}/sign/{name}")) {
            // That is said of a key that is not there, and of much else.
            Err(VaultFailed::Refused(400)) => {
                self.check(Some(at))?;
                return Err(failed(VaultFailed::Refused(400)));
            }
            answer => answer.map_err(failed)?,
        };
        let results = answer.pointer("/data/batch_results").and_then(Value::as_array);
        let results = results.filter(|results| results.len() == asked.len()).ok_or_else(garbage)?;
        Ok(results.iter().map(|one| signature(one.get("signature"))).collect())
    }
}

/// What is handed over of a text that is to be signed.
fn handed_over(alg: Alg, input: &[u8]) -> String {
    match alg {
        Alg::Es256 | Alg::Rs256 | Alg::Ps256 => base64(&sha256(input)),
        Alg::Es384 => base64(&sha384(input)),
        Alg::EdDsa => base64(input),
    }
}

/// How it is signed (RFC 7518 §3.3 to §3.5).
fn way(alg: Alg) -> Map<String, Value> {
    let way = match alg {
        Alg::Es256 => json!({ "prehashed": true, "hash_algorithm": "sha2-256", "marshaling_algorithm": "jws" }),
        Alg::Es384 => json!({ "prehashed": true, "hash_algorithm": "sha2-384", "marshaling_algorithm": "jws" }),
        Alg::Rs256 => json!({ "prehashed": true, "hash_algorithm": "sha2-256", "signature_algorithm": "pkcs1v15" }),
        Alg::Ps256 => json!({
            "prehashed": true, "hash_algorithm": "sha2-256", "signature_algorithm": "pss", "salt_length": "hash",
        }),
        Alg::EdDsa => json!({}),
    };
    way.as_object().cloned().unwrap_or_default()
}

/// The type of a key for this algorithm.
const fn kind(alg: Alg, rsa_bits: u32) -> &'static str {
    match alg {
        Alg::Es256 => "ecdsa-p256",
        Alg::Es384 => "ecdsa-p384",
        Alg::EdDsa => "ed25519",
        Alg::Rs256 | Alg::Ps256 => match rsa_bits {
            0..=2048 => "rsa-2048",
            2049..=3072 => "rsa-3072",
            _ => "rsa-4096",
        },
    }
}

/// A signature as it is written there: `vault:v1:` and base64, or base64url where it is marshalled for tokens.
fn signature(text: Option<&Value>) -> Result<Vec<u8>, SignerFailed> {
    let text = text
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("vault:v"))
        .and_then(|text| text.split_once(':'));
    let text = text.map(|(_, text)| text.replace('+', "-").replace('/', "_"));
    text.and_then(|text| from_base64url(text.trim_end_matches('='))).ok_or_else(garbage)
}

fn garbage() -> SignerFailed {
    SignerFailed::Garbage("the answer is not one of Transit".to_owned())
}

fn failed(failed: VaultFailed) -> SignerFailed {
    match failed {
        VaultFailed::Refused(404) => SignerFailed::NoKey,
        // What may be done with keys is another matter than what may be read.
        VaultFailed::Refused(403) => SignerFailed::Refused(
            "Vault refuses it (status 403): does the policy allow what the guide lists, and is the token good?"
                .to_owned(),
        ),
        refused @ (VaultFailed::SignIn(_) | VaultFailed::NoAccount(_)) => SignerFailed::Refused(refused.to_string()),
        VaultFailed::Garbage | VaultFailed::NoField => garbage(),
        other @ (VaultFailed::Away(_) | VaultFailed::Refused(_) | VaultFailed::BadPath) => {
            SignerFailed::Away(other.to_string())
        }
    }
}

/// The public half of version 1.
fn public(alg: Alg, key: &Value) -> Result<Value, SignerFailed> {
    let text = key.pointer("/data/keys/1/public_key").and_then(Value::as_str).ok_or_else(garbage)?;
    let public = match alg {
        // Bare, where the others stand in PEM.
        Alg::EdDsa => elliptic(alg, &BASE64_STANDARD.decode(text).map_err(|_| garbage())?),
        Alg::Es256 | Alg::Es384 | Alg::Rs256 | Alg::Ps256 => from_pem(alg, text),
    };
    public.map_err(|_| garbage())
}

impl Hold for Transit {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn sign(&self, asked: Vec<Asked>) {
        let mut keys: BTreeMap<(Arc<Outside>, Alg), Vec<Asked>> = BTreeMap::new();
        for one in asked {
            keys.entry((Arc::clone(&one.at), one.alg)).or_default().push(one);
        }
        for ((at, alg), asked) in keys {
            match self.sign_all(&at, alg, &asked) {
                Ok(signed) => asked.into_iter().zip(signed).for_each(|(one, signed)| one.answer(signed)),
                Err(failed) => asked.into_iter().for_each(|one| one.answer(Err(failed.clone()))),
            }
        }
    }

    fn make(&self, wanted: &WantedKey) -> Result<Value, SignerFailed> {
        let name = match &wanted.at {
            Outside::Transit { mount, name, .. } if *mount == self.mount => name,
            other @ (Outside::Transit { .. } | Outside::Pkcs11 { .. }) => {
                return Err(SignerFailed::Unset(other.to_string()));
            }
        };
        let kind = kind(wanted.alg, wanted.rsa_bits);
        let body = json!({ "type": kind, "exportable": false, "allow_plaintext_backup": false });
        self.call(Ask::Post(&body), &self.keys(name)).map_err(failed)?;
        let key = self.call(Ask::Get, &self.keys(name)).map_err(failed)?;
        public(wanted.alg, &key)
    }

    fn destroy(&self, at: &Outside) -> Result<(), SignerFailed> {
        let Outside::Transit { name, .. } = at else { return Err(SignerFailed::Unset(at.to_string())) };
        match self.check(Some(at)) {
            Ok(()) => {}
            Err(SignerFailed::NoKey) => return Ok(()),
            Err(failed) => return Err(failed),
        }
        let allow = json!({ "deletion_allowed": true });
        self.call(Ask::Post(&allow), &format!("{}/config", self.keys(name))).map_err(failed)?;
        self.call(Ask::Delete, &self.keys(name)).map(drop).map_err(failed)
    }

    fn check(&self, at: Option<&Outside>) -> Result<(), SignerFailed> {
        match at {
            None => self.call(Ask::Get, "auth/token/lookup-self").map(drop).map_err(failed),
            Some(Outside::Transit { mount, name, version }) if *mount == self.mount => {
                let key = self.call(Ask::Get, &self.keys(name)).map_err(failed)?;
                key.pointer(&format!("/data/keys/{version}")).map(drop).ok_or(SignerFailed::NoKey)
            }
            Some(other) => Err(SignerFailed::Unset(other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::secret::Secret, remote::vault::Login};
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
        sync::atomic::{AtomicUsize, Ordering},
    };

    fn transit(vault: Access) -> Transit {
        Transit::new(Arc::new(ArcSwap::from_pointee(vault)), "transit".to_owned(), Duration::from_secs(20))
    }

    #[test]
    fn a_signature_is_read_in_both_alphabets_and_garbage_is_none() {
        assert_eq!(signature(Some(&json!("vault:v1:-_8"))).unwrap(), [0xfb, 0xff]);
        assert_eq!(signature(Some(&json!("vault:v12:+/8="))).unwrap(), [0xfb, 0xff]);
        for bad in [json!("vault:v1"), json!("-_8"), json!(7), json!("vault:v1:**")] {
            assert!(signature(Some(&bad)).is_err(), "{bad}");
        }
        assert!(signature(None).is_err());
    }

    #[test]
    fn an_rsa_key_is_never_smaller_than_was_wanted_up_to_the_largest_there_is() {
        let kinds = [2048, 2049, 3072, 3073, 4096, 8192].map(|bits| kind(Alg::Rs256, bits));
        assert_eq!(kinds, ["rsa-2048", "rsa-3072", "rsa-3072", "rsa-4096", "rsa-4096", "rsa-4096"]);
    }

    /// A Vault that lets everybody sign in and refuses everything else; counts how often somebody signed in.
    fn strict() -> (String, Arc<AtomicUsize>) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, counted) = (format!("http://{}", socket.local_addr().unwrap()), Arc::<AtomicUsize>::default());
        let logins = Arc::clone(&counted);
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let (mut first, mut length) = (String::new(), 0);
                lines.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    lines.read_line(&mut line).unwrap();
                    let Some((name, value)) = line.split_once(':') else { break };
                    if name.eq_ignore_ascii_case("content-length") {
                        length = value.trim().parse().unwrap();
                    }
                }
                lines.read_exact(&mut vec![0; length]).unwrap();
                let (status, body) = if first.contains("/login") {
                    logins.fetch_add(1, Ordering::SeqCst);
                    (200, r#"{"auth": {"client_token": "hvs.a"}}"#)
                } else {
                    (403, r#"{"errors": ["permission denied"]}"#)
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).unwrap();
            }
        });
        (address, counted)
    }

    #[test]
    fn a_vault_that_refuses_everything_is_not_signed_in_to_for_each_signature() {
        let (address, logins) = strict();
        let login = Login::AppRole { role_id: "r".to_owned(), secret_id: Secret::new("s".to_owned()) };
        let transit = transit(Access { address, namespace: None, login });
        let began = Instant::now();
        for _ in 0..50 {
            let refused = transit.call(Ask::Post(&json!({})), "transit/sign/keywright-a");
            assert_eq!(refused, Err(VaultFailed::Refused(403)));
        }
        let most = 2 + usize::try_from(began.elapsed().as_secs()).unwrap();
        let logins = logins.load(Ordering::SeqCst);
        assert!((2..=most).contains(&logins), "{logins}, and {most} at most");
    }
}
