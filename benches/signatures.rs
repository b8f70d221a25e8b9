//! What a signature costs by who holds the key: here, in a PKCS#11 token (`BENCH_PKCS11_MODULE`, `_TOKEN`, `_PIN`), in Transit
//! (`BENCH_VAULT_ADDRESS`, `BENCH_VAULT_TOKEN`); those that are not named are left out. `cargo bench --bench signatures`.
//! Each is measured with one signature under way and with sixteen, verification included, for three seconds.
#![expect(clippy::unwrap_used, reason = "a bench that cannot prepare its input has nothing to measure")]
#![expect(clippy::as_conversions, reason = "figures for people")]
#![expect(clippy::disallowed_methods, reason = "a bench is told by variables whom to measure")]

use keywright::{
    base::{id::KeyId, moment::Span, secret::Secret},
    jose::{Alg, Drafted, SigningKey, Typ},
    remote::{
        Signers,
        signers::{Holder, Pkcs11Access, SignerPolicy, TransitAccess},
        vault::{Access, Login},
    },
};
use serde_json::{Value, json};
use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

const FOR: Duration = Duration::from_secs(3);

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "sub": "usr_01h455vb4pex5vsknk084sn02q", "aud": "https://api.example",
        "exp": 1_800_000_300, "iat": 1_800_000_000, "jti": "0123456789abcdef", "client_id": "web", "scope": "read write",
    })
}

async fn one(key: &SigningKey, signers: &Signers) {
    match key.token(Typ::AccessToken, &claims()).unwrap() {
        Drafted::Signed(token) => drop(std::hint::black_box(token)),
        Drafted::Unsigned(draft) => {
            let signature = signers.sign(key.outside().unwrap(), key.alg(), draft.input()).await.unwrap();
            std::hint::black_box(key.complete(draft, &signature).unwrap());
        }
    }
}

async fn measure(who: &str, key: SigningKey, signers: Signers) -> Signers {
    let (key, signers) = (Arc::new(key), Arc::new(signers));
    for under_way in [1, 16] {
        let began = Instant::now();
        let work = (0..under_way).map(|_| {
            let (key, signers) = (Arc::clone(&key), Arc::clone(&signers));
            tokio::spawn(async move {
                let mut took = Vec::new();
                while began.elapsed() < FOR {
                    let at = Instant::now();
                    one(&key, &signers).await;
                    took.push(at.elapsed());
                    tokio::task::yield_now().await;
                }
                took
            })
        });
        let mut took = Vec::new();
        for task in work.collect::<Vec<_>>() {
            took.extend(task.await.unwrap());
        }
        let rate = took.len() as f64 / began.elapsed().as_secs_f64();
        took.sort_unstable();
        let at = |hundredths: usize| took.get(took.len() * hundredths / 100).copied().unwrap_or_default();
        println!(
            "{who:8} {:6} {under_way:3} under way {rate:9.0}/s  p50 {:?}  p99 {:?}",
            key.alg().name(),
            at(50),
            at(99)
        );
    }
    Arc::into_inner(signers).unwrap()
}

fn policy(alg: Alg, holder: Holder) -> Option<SignerPolicy> {
    let var = |name: &str| env::var(name).ok();
    let mut policy =
        SignerPolicy { makers: [(alg, holder)].into(), deadline: Span::seconds(30), pkcs11: None, transit: None };
    match holder {
        Holder::Pkcs11 => {
            let module = var("BENCH_PKCS11_MODULE")?.into();
            let pin = Secret::new(var("BENCH_PKCS11_PIN")?);
            policy.pkcs11 = Some(Pkcs11Access { module, token: var("BENCH_PKCS11_TOKEN")?, pin });
        }
        Holder::Transit => {
            let login = Login::Token(Secret::new(var("BENCH_VAULT_TOKEN")?));
            let vault = Access { address: var("BENCH_VAULT_ADDRESS")?, namespace: None, login };
            policy.transit = Some(TransitAccess { vault, mount: "transit".to_owned() });
        }
    }
    Some(policy)
}

async fn all() {
    let kid = || KeyId::parse("bench").unwrap();
    for alg in Alg::ALL {
        let private = SigningKey::generate(alg).unwrap();
        measure("here", SigningKey::from_private(kid(), alg, &private).unwrap(), Signers::none()).await;
        for (who, holder) in [("pkcs11", Holder::Pkcs11), ("transit", Holder::Transit)] {
            let Some(policy) = policy(alg, holder) else { continue };
            let signers = Signers::start(&policy).unwrap();
            let place = signers.place(alg, &format!("{:032x}", std::process::id())).unwrap();
            let made = signers.make(alg, 2048, place).await.unwrap();
            let key = SigningKey::elsewhere(kid(), alg, &made.public, made.at.clone()).unwrap();
            let signers = measure(who, key, signers).await;
            signers.destroy(&made.at).await.unwrap();
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(all());
}
