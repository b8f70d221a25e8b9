//! Whoever holds private halves of signing keys for us: a PKCS#11 module, or Transit of Vault and OpenBao. What is asked of them goes to threads of
//! their own, through a queue that has an end, and nobody waits longer than the deadline says: a token that hangs holds
//! up signatures by its own keys only.
//!
//! What comes back is a signature as somebody else made it. It is for [`SigningKey::complete`] to say whether it is good.
//!
//! [`SigningKey::complete`]: crate::jose::SigningKey::complete

mod desk;
mod pkcs11;
mod transit;

use crate::{
    base::{fault::Fault, moment::Span, secret::Secret},
    jose::{Alg, Outside},
    remote::vault::Access,
};
use arc_swap::ArcSwap;
use desk::{Asked, Desk};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

/// How long anything but a signature may take: a module may need its time to make an RSA key.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it is waited for them at the end.
const ENDING: Duration = Duration::from_secs(5);

/// Somebody who holds keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A PKCS#11 module.
    Pkcs11,
    /// Transit.
    Transit,
}

/// How a PKCS#11 token is reached.
#[derive(Clone, Debug)]
pub struct Pkcs11Access {
    /// The module: a library that is loaded when it is first needed.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: Secret<String>,
}

/// How Transit is reached.
#[derive(Clone, Debug)]
pub struct TransitAccess {
    /// Vault, or OpenBao.
    pub vault: Access,
    /// Where the engine is mounted.
    pub mount: String,
}

/// What the operator decides about keys that are elsewhere.
#[derive(Clone, Debug)]
pub struct SignerPolicy {
    /// Who makes the keys of which algorithm from now on; those of all others are made here.
    pub makers: BTreeMap<Alg, Holder>,
    /// How long a signature may take.
    pub deadline: Span,
    /// The token, if there is one.
    pub pkcs11: Option<Pkcs11Access>,
    /// Transit, if it is used.
    pub transit: Option<TransitAccess>,
}

/// Why there is no signature, or no key. Nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerFailed {
    /// The settings name nobody who holds it.
    Unset(String),
    /// Too many wait already.
    Busy,
    /// No answer within the time.
    TimedOut,
    /// It cannot be reached, or it failed.
    Away(String),
    /// It does not let us in.
    Refused(String),
    /// It does not take our PIN, and a few tries more may lock it for good.
    WrongPin(String),
    /// It has no such key.
    NoKey,
    /// Its answer is none.
    Garbage(String),
}

impl SignerFailed {
    /// A word for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unset(_) => "unset",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::Away(_) => "away",
            Self::Refused(_) | Self::WrongPin(_) => "refused",
            Self::NoKey => "no_key",
            Self::Garbage(_) => "garbage",
        }
    }
}

impl fmt::Display for SignerFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(what) => write!(f, "the settings do not say how it is reached: {what}"),
            Self::Busy => f.write_str("too many signatures wait already"),
            Self::TimedOut => f.write_str("no answer within the deadline"),
            Self::Away(why) | Self::Refused(why) | Self::WrongPin(why) | Self::Garbage(why) => f.write_str(why),
            Self::NoKey => f.write_str("there is no such key: it was deleted underneath"),
        }
    }
}

impl std::error::Error for SignerFailed {}

/// A key that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOutside {
    /// Its public half, a JWK without a name.
    pub public: Value,
    /// Where its private half is.
    pub at: Outside,
}

/// A key that is wanted.
#[derive(Clone, Debug)]
pub(super) struct WantedKey {
    alg: Alg,
    rsa_bits: u32,
    at: Outside,
}

/// What somebody who holds keys can do. All of it blocks.
trait Hold: Send + Sync {
    /// How many signatures may be asked for at once.
    fn at_once(&self) -> usize;
    /// Signs, and answers each.
    fn sign(&self, asked: Vec<Asked>);
    /// Makes a key, and tells its public half: a JWK without a name.
    fn make(&self, wanted: &WantedKey) -> Result<Value, SignerFailed>;
    /// Destroys a key. One that is not there was destroyed already.
    fn destroy(&self, at: &Outside) -> Result<(), SignerFailed>;
    /// Whether it lets us in, and has the key.
    fn check(&self, at: Option<&Outside>) -> Result<(), SignerFailed>;
}

/// Everybody who holds keys for us.
pub struct Signers {
    makers: BTreeMap<Alg, Holder>,
    pkcs11: Option<Desk>,
    transit: Option<Desk>,
    /// The label of the token, and where Transit is mounted.
    token: String,
    mount: String,
    /// How Vault is reached, where it holds keys.
    vault: Option<Arc<ArcSwap<Access>>>,
    deadline: Duration,
}

impl Signers {
    /// Nobody: all keys are here.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            makers: BTreeMap::new(),
            pkcs11: None,
            transit: None,
            token: String::new(),
            mount: String::new(),
            vault: None,
            deadline: PATIENCE,
        }
    }

    /// Starts the threads. Nobody is called before somebody is needed.
    ///
    /// # Errors
    /// A [`Fault`] where the system gives no thread.
    pub fn start(policy: &SignerPolicy) -> Result<Self, Fault> {
        let deadline = policy.deadline.to_std();
        let pkcs11 = policy.pkcs11.clone().map(|access| Desk::start("pkcs11", Arc::new(pkcs11::Module::new(access))));
        let vault = policy.transit.as_ref().map(|access| Arc::new(ArcSwap::from_pointee(access.vault.clone())));
        let transit = policy.transit.as_ref().zip(vault.clone());
        let transit = transit.map(|(access, vault)| transit::Transit::new(vault, access.mount.clone(), deadline));
        let transit = transit.map(|transit| Desk::start("transit", Arc::new(transit)));
        let makers = policy.makers.clone();
        let token = policy.pkcs11.as_ref().map(|access| access.token.clone()).unwrap_or_default();
        let mount = policy.transit.as_ref().map(|access| access.mount.clone()).unwrap_or_default();
        Ok(Self { makers, pkcs11: pkcs11.transpose()?, transit: transit.transpose()?, token, mount, vault, deadline })
    }

    /// Reaches Vault like this from now on, where it holds keys: with another token, say.
    pub fn reach(&self, access: Access) {
        if let Some(vault) = &self.vault {
            vault.store(Arc::new(access));
        }
    }

    /// Whether there is anybody.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.pkcs11.is_some() || self.transit.is_some()
    }

    /// Waits until nobody is with any of them any more, for a few seconds at most: a process that ends while a module is at
    /// work may end badly.
    pub async fn quiet(&self) {
        for desk in self.pkcs11.iter().chain(&self.transit) {
            desk.quiet(ENDING).await;
        }
    }

    /// Whether everybody lets us in.
    ///
    /// # Errors
    /// [`SignerFailed`] of the first who does not.
    pub async fn let_us_in(&self) -> Result<(), SignerFailed> {
        // One that makes no keys here may be there for the secrets of the settings alone.
        let makes = |holder: Holder| self.makers.values().any(|maker| *maker == holder);
        let transit = self.transit.iter().filter(|_| makes(Holder::Transit));
        for desk in self.pkcs11.iter().chain(transit) {
            desk.work(PATIENCE, |holder| holder.check(None)).await?;
        }
        Ok(())
    }

    /// Whether keys of this algorithm are made elsewhere from now on.
    #[must_use]
    pub fn make_those_of(&self, alg: Alg) -> bool {
        self.makers.contains_key(&alg)
    }

    /// Signs where the key is.
    ///
    /// # Errors
    /// [`SignerFailed`].
    pub async fn sign(&self, at: &Arc<Outside>, alg: Alg, input: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        self.desk(at)?.sign(Arc::clone(at), alg, input.to_vec(), self.deadline).await
    }

    /// Where a key of this algorithm will be once it is made. `id` is 16 bytes by chance, in hexadecimal digits: nothing is
    /// there yet.
    ///
    /// # Errors
    /// [`SignerFailed::Unset`] where keys of this algorithm are made here.
    pub fn place(&self, alg: Alg, id: &str) -> Result<Outside, SignerFailed> {
        match self.makers.get(&alg) {
            Some(Holder::Pkcs11) => Ok(Outside::Pkcs11 { token: self.token.clone(), id: id.to_owned() }),
            Some(Holder::Transit) => {
                Ok(Outside::Transit { mount: self.mount.clone(), name: format!("keywright-{id}"), version: 1 })
            }
            None => Err(SignerFailed::Unset(format!("keys for {alg} are made here"))),
        }
    }

    /// Makes a key at a [`Signers::place`].
    ///
    /// # Errors
    /// [`SignerFailed`]; then there may be a key all the same.
    pub async fn make(&self, alg: Alg, rsa_bits: u32, at: Outside) -> Result<MadeOutside, SignerFailed> {
        let wanted = WantedKey { alg, rsa_bits, at: at.clone() };
        let public = self.desk(&at)?.work(PATIENCE, move |holder| holder.make(&wanted)).await?;
        Ok(MadeOutside { public, at })
    }

    /// Destroys a key where it is.
    ///
    /// # Errors
    /// [`SignerFailed`].
    pub async fn destroy(&self, at: &Outside) -> Result<(), SignerFailed> {
        let own = at.clone();
        self.desk(at)?.work(PATIENCE, move |holder| holder.destroy(&own)).await
    }

    /// Whether whoever holds this key has it, and would let us sign.
    ///
    /// # Errors
    /// [`SignerFailed`].
    pub async fn check(&self, at: &Outside) -> Result<(), SignerFailed> {
        let own = at.clone();
        self.desk(at)?.work(PATIENCE, move |holder| holder.check(Some(&own))).await
    }

    fn desk(&self, at: &Outside) -> Result<&Desk, SignerFailed> {
        let desk = match at {
            Outside::Pkcs11 { .. } => self.pkcs11.as_ref(),
            Outside::Transit { .. } => self.transit.as_ref(),
        };
        desk.ok_or_else(|| SignerFailed::Unset(at.to_string()))
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers").field("makers", &self.makers).finish_non_exhaustive()
    }
}
