//! A rehearsal of the rotation of signing keys: a throw-away issuer in this process, with a database
//! of its own, lives through rotations and a leak under the settings in force, while verifiers that
//! keep the key set as libraries do check what it signs.
//!
//! Its clock is set on by hand, so that months of it take a second; everything else is what a server
//! does.

mod verifiers;

pub use verifiers::Verifier;

use super::{
    folder::Folder,
    open::{self, Edges},
};
use crate::{
    account::Cost,
    audit::Actor,
    base::{
        base62,
        digest::hex,
        entropy::{OsEntropy, bytes},
        fault::{Fault, Stop},
        id::KeyId,
        moment::{Clock, ManualClock, Moment, Span, SystemClock},
    },
    config::Config,
    flow::{revoke_key, rotate_keys, world::World},
    jose::{Alg, Audience, Profile, Typ, verify},
    keyring::{Rotation, State},
};
use serde_json::json;
use std::{path::Path, sync::Arc, time::Instant};

/// Into so many steps the lead is divided: at each, somebody signs and everybody verifies.
const STEPS: i64 = 20;

/// One rotation as it went, by the clock of the rehearsal.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The key that took over.
    pub kid: KeyId,
    /// When it was published.
    pub published_at: Moment,
    /// When it signed first.
    pub signs_at: Moment,
    /// When the last token of the key before had expired.
    pub last_token_until: Moment,
    /// When the key before left the set.
    pub removed_at: Moment,
}

/// What a leak cost.
#[derive(Clone, Debug)]
pub struct Leak {
    /// The key that was revoked.
    pub kid: KeyId,
    /// What signs since.
    pub successor: Option<KeyId>,
    /// How long the work took, really.
    pub took: std::time::Duration,
    /// For how long verifiers refused what the successor signed, each by its own cache.
    pub refused_for: Vec<(&'static str, Span)>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The algorithm.
    pub alg: Alg,
    /// The rotations.
    pub rotations: Vec<Rehearsed>,
    /// The leak at the end.
    pub leak: Leak,
    /// The verifiers, with their counts from before the leak.
    pub verifiers: Vec<Verifier>,
    /// Promises that were broken, in words; none where all is well.
    pub broken: Vec<String>,
}

/// Runs it under these settings of keys and tokens, with a folder of its own in `place`.
///
/// # Errors
/// A fault of the throw-away database.
pub async fn run(settings: &Config, rotations: u32, place: &Path) -> Result<Report, Fault> {
    let name = base62::encode(u128::from_be_bytes(bytes::<16>(&OsEntropy)?), base62::U128_WIDTH);
    let folder = Folder::make(place.join(format!("keywright-drill-{name}")))?;
    let path = folder.path().display().to_string();
    // A key above all keys that ends with this process: none is written, and nobody is told to keep it.
    let kek = hex(&bytes::<32>(&OsEntropy)?);
    let none = [("KEYWRIGHT_SERVER_DATA_DIR".to_owned(), path), ("KEYWRIGHT_KEK".to_owned(), kek)];
    let mut config =
        Config::load(None, none.into_iter()).map_err(|e| Fault::new("the settings of a rehearsal", e.to_string()))?;
    config.keys = settings.keys.clone();
    // Nothing is made in a token of yours: the keys of a rehearsal are here.
    config.keys.pkcs11.clear();
    config.keys.transit.clear();
    (config.keys.pkcs11_module, config.keys.pkcs11_token, config.keys.pkcs11_pin) = (None, None, None);
    config.tokens = settings.tokens.clone();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let cost = Cost::new(64, 1, 1).ok_or_else(|| Fault::bare("no cost of hashing"))?;
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let world = open::open(&config, &Edges { clock: time, dice: Arc::new(OsEntropy), hash_cost: cost }).await?;
    let mut stage = Stage::new(Arc::clone(&world), clock);
    let report = stage.play(rotations).await;
    world.store.close();
    report
}

/// A token that is out.
struct Token {
    text: String,
    kid: KeyId,
    expires: Moment,
}

struct Stage {
    world: Arc<World>,
    clock: Arc<ManualClock>,
    alg: Alg,
    life: Span,
    verifiers: Vec<Verifier>,
    tokens: Vec<Token>,
    broken: Vec<String>,
}

impl Stage {
    fn new(world: Arc<World>, clock: Arc<ManualClock>) -> Self {
        let policy = world.policy.load();
        let (alg, keys) = (policy.tokens.access_token_alg, policy.keys.clone());
        let verifiers = verifiers::all(keys.jwks_max_age, keys.library_cache);
        let life = crate::flow::world::LONGEST_TOKEN;
        drop(policy);
        Self { world, clock, alg, life, verifiers, tokens: Vec::new(), broken: Vec::new() }
    }

    async fn play(&mut self, rotations: u32) -> Result<Report, Fault> {
        // So that every verifier has a copy from before.
        self.scene().await?;
        let mut rehearsed = Vec::new();
        for _ in 0..rotations {
            rehearsed.push(self.rotation().await?);
        }
        let verifiers = self.verifiers.clone();
        let leak = self.leak().await?;
        let broken = std::mem::take(&mut self.broken);
        Ok(Report { alg: self.alg, rotations: rehearsed, leak, verifiers, broken })
    }

    /// Time goes on by a step, the server does what it does every minute, and a token is signed and
    /// verified by everybody, beside those that are still out.
    async fn step(&mut self, span: Span) -> Result<(), Fault> {
        self.clock.advance(span);
        rotate_keys::run(&self.world, Rotation::OnSchedule, Actor::System).await?;
        self.scene().await
    }

    async fn scene(&mut self) -> Result<(), Fault> {
        let now = self.world.now();
        let keyring = self.world.keyring.load_full();
        let signer = keyring.signer(self.alg).ok_or_else(|| Fault::bare("nothing signs"))?;
        let issuer = self.world.policy.load().tokens.issuer.clone();
        let expires = Moment::from_unix((now + self.life).unix());
        let claims = json!({
            "iss": issuer.as_str(), "sub": "drill", "aud": "drill", "exp": expires.unix(), "iat": now.unix(),
            "jti": "drill", "client_id": "drill",
        });
        let text = signer.sign(Typ::AccessToken, &claims)?;
        self.tokens.push(Token { text, kid: signer.kid().clone(), expires });
        self.tokens.retain(|token| token.expires > now);
        // Of each key the newest and the oldest that is out: between them nothing is different.
        let profile = Profile::access_token(&issuer, Audience::Judged);
        let ends = self.tokens.first().into_iter().chain(self.tokens.last());
        for token in ends {
            for verifier in &mut self.verifiers {
                let good = |keys: &crate::jose::KeySet| verify(&profile, keys, &token.text, now).is_ok();
                if !verifier.check(keyring.jwks(), now, good) {
                    let what = format!("{} refused a token by {} at {now}", verifier.name, token.kid);
                    self.broken.push(what);
                }
            }
        }
        Ok(())
    }

    fn signer(&self) -> Option<KeyId> {
        self.world.keyring.load().signer(self.alg).map(|key| key.kid().clone())
    }

    async fn rotation(&mut self) -> Result<Rehearsed, Fault> {
        let keys = self.world.policy.load().keys.clone();
        let lead = Span::micros((keys.publish_before_use.as_micros() / STEPS).max(1));
        self.step(Span::seconds(1)).await?;
        let before = self.signer().ok_or_else(|| Fault::bare("nothing signs"))?;
        let published_at = self.world.now();
        rotate_keys::run(&self.world, Rotation::Requested, Actor::System).await?;
        while self.signer().as_ref() == Some(&before) {
            if self.world.now().since(published_at) > keys.rotation_period + keys.publish_before_use {
                return Err(Fault::bare("the successor never signed"));
            }
            self.step(lead).await?;
        }
        let signs_at = self.world.now();
        let kid = self.signer().unwrap_or_else(|| before.clone());
        if signs_at.since(published_at) < keys.jwks_max_age + keys.library_cache {
            self.broken.push(format!("{kid} signed before every copy of the set had it"));
        }
        let of_before = self.tokens.iter().filter(|token| token.kid == before);
        let last_token_until = of_before.map(|token| token.expires).max().unwrap_or(signs_at);
        let rest = Span::micros(((self.life + keys.jwks_max_age).as_micros() / STEPS).max(1));
        while self.published(&before) {
            self.step(rest).await?;
        }
        let removed_at = self.world.now();
        if removed_at < last_token_until {
            self.broken.push(format!("{before} left the set before its last token had expired"));
        }
        Ok(Rehearsed { kid, published_at, signs_at, last_token_until, removed_at })
    }

    fn published(&self, kid: &KeyId) -> bool {
        self.world.keyring.load().records().any(|key| &key.kid == kid && key.state != State::Gone)
    }

    /// The key that signs is revoked: how long it takes until each verifier takes its successor.
    async fn leak(&mut self) -> Result<Leak, Fault> {
        let kid = self.signer().ok_or_else(|| Fault::bare("nothing signs"))?;
        let began = Instant::now();
        let revoked = revoke_key::run(&self.world, &kid, "a rehearsal", Actor::System).await;
        let took = began.elapsed();
        let revoked = revoked.map_err(|stop| match stop {
            Stop::Refusal(not) => Fault::bare(not.to_string()),
            Stop::Fault(fault) => fault,
        })?;
        if self.published(&kid) {
            self.broken.push(format!("{kid} is still published after it was revoked"));
        }
        self.tokens.retain(|token| token.kid != kid);
        let (from, earlier) = (self.world.now(), std::mem::take(&mut self.broken));
        let mut refused_for: Vec<(&'static str, Span)> = Vec::new();
        let keys = self.world.policy.load().keys.clone();
        let step = Span::micros(((keys.jwks_max_age + keys.library_cache).as_micros() / STEPS).max(1));
        for _ in 0..=STEPS {
            self.scene().await?;
            let refused = std::mem::take(&mut self.broken);
            let after = self.world.now().since(from) + step;
            for verifier in &self.verifiers {
                let refuses = refused.iter().any(|what| what.starts_with(verifier.name));
                let known = refused_for.iter().position(|(name, _)| *name == verifier.name);
                match (refuses, known.and_then(|at| refused_for.get_mut(at))) {
                    (true, Some((_, span))) => *span = after,
                    (true, None) => refused_for.push((verifier.name, after)),
                    (false, None) => refused_for.push((verifier.name, Span::ZERO)),
                    (false, Some(_)) => {}
                }
            }
            self.clock.advance(step);
        }
        self.broken = earlier;
        Ok(Leak { kid, successor: revoked.successor, took, refused_for })
    }
}
