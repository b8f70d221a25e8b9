//! A PKCS#11 token: its module is loaded when it is first needed, and its sessions are kept. Where anything goes wrong,
//! all sessions are given up and it is begun anew, once for each request, so that a token that was pulled and put back
//! is found again. A PIN that was refused is not tried again: a few wrong ones lock the token.

mod objects;

use super::{Asked, Hold, Pkcs11Access, SignerFailed, WantedKey};
use crate::jose::{Alg, Outside};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use objects::{ED25519, P256, P384, bytes, way};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Whoever cannot find its token has the module look again from the start, but not more often than this.
const ANEW: Duration = Duration::from_secs(1);
/// What RSA keys are made with.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// The token.
pub(super) struct Module {
    access: Pkcs11Access,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: Option<Pkcs11>,
    idle: Vec<Opened>,
    /// So many sessions are at work: the module is not told to begin anew under them.
    busy: usize,
    /// Counts up when all sessions are given up.
    round: u64,
    refused: bool,
    anew: Option<Instant>,
}

/// A session, and the keys that were found in it.
struct Opened {
    session: Session,
    round: u64,
    keys: HashMap<String, ObjectHandle>,
}

/// What went wrong in a session.
enum Trouble {
    Module(Error),
    NoKey,
    Garbage(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

impl Module {
    pub(super) fn new(access: Pkcs11Access) -> Self {
        Self { access, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works in a session; where that fails, once more in a new one.
    fn with<T>(&self, work: impl Fn(&mut Opened) -> Result<T, Trouble>) -> Result<T, SignerFailed> {
        let mut opened = self.take()?;
        let mut done = work(&mut opened);
        if done.is_err() {
            self.give_up(opened);
            opened = self.take()?;
            done = work(&mut opened);
        }
        match done {
            Ok(done) => {
                self.give_back(opened);
                Ok(done)
            }
            Err(trouble) => {
                self.give_up(opened);
                Err(match trouble {
                    Trouble::Module(error) => self.away(&error),
                    Trouble::NoKey => SignerFailed::NoKey,
                    Trouble::Garbage(what) => SignerFailed::Garbage(what),
                })
            }
        }
    }

    fn take(&self) -> Result<Opened, SignerFailed> {
        let mut state = self.state();
        let opened = match state.idle.pop() {
            Some(opened) => opened,
            None => self.open(&mut state)?,
        };
        state.busy += 1;
        Ok(opened)
    }

    fn give_back(&self, opened: Opened) {
        let mut state = self.state();
        state.busy = state.busy.saturating_sub(1);
        if opened.round == state.round {
            state.idle.push(opened);
        }
    }

    /// Gives this session up, and all that were opened with it.
    fn give_up(&self, opened: Opened) {
        let mut state = self.state();
        if opened.round == state.round {
            state.round += 1;
            state.idle.clear();
        }
        drop(opened);
        state.busy = state.busy.saturating_sub(1);
    }

    fn open(&self, state: &mut State) -> Result<Opened, SignerFailed> {
        if state.refused {
            let token = &self.access.token;
            return Err(SignerFailed::WrongPin(format!(
                "the PIN of PKCS#11 token {token:?} was refused before and is not tried again: set keys.pkcs11_pin and restart"
            )));
        }
        let loaded = match &state.loaded {
            Some(loaded) => loaded.clone(),
            None => {
                let loaded = Pkcs11::new(&self.access.module).map_err(|e| self.away(&e))?;
                self.begin(&loaded)?;
                state.loaded.insert(loaded).clone()
            }
        };
        let session = match self.session(&loaded, state) {
            Err(SignerFailed::Away(_)) if self.may_begin_anew(state) => {
                state.idle.clear();
                state.anew = Some(Instant::now());
                // One that cannot be ended was not begun.
                let _ = loaded.clone().finalize();
                self.begin(&loaded)?;
                self.session(&loaded, state)?
            }
            session => session?,
        };
        Ok(Opened { session, round: state.round, keys: HashMap::new() })
    }

    fn may_begin_anew(&self, state: &State) -> bool {
        state.busy == 0 && state.anew.is_none_or(|at| at.elapsed() >= ANEW)
    }

    fn begin(&self, loaded: &Pkcs11) -> Result<(), SignerFailed> {
        match loaded.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(self.away(&error)),
        }
    }

    fn session(&self, loaded: &Pkcs11, state: &mut State) -> Result<Session, SignerFailed> {
        let slot = self.slot(loaded)?;
        let session = loaded.open_rw_session(slot).map_err(|e| self.away(&e))?;
        let pin = AuthPin::from(self.access.pin.expose().clone());
        match session.login(UserType::User, Some(&pin)) {
            // All sessions of a process are logged in together.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(
                why @ (RvError::PinIncorrect
                | RvError::PinLocked
                | RvError::PinExpired
                | RvError::PinInvalid
                | RvError::PinLenRange),
                _,
            )) => {
                state.refused = true;
                let token = &self.access.token;
                Err(SignerFailed::WrongPin(format!("PKCS#11 token {token:?} refuses the PIN ({why:?})")))
            }
            Err(error) => Err(self.away(&error)),
        }
    }

    fn slot(&self, loaded: &Pkcs11) -> Result<Slot, SignerFailed> {
        let slots = loaded.get_slots_with_token().map_err(|e| self.away(&e))?;
        let ours =
            |slot: &Slot| loaded.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == self.access.token);
        slots.into_iter().find(ours).ok_or_else(|| {
            SignerFailed::Away(format!("the PKCS#11 module has no token of the label {:?}", self.access.token))
        })
    }

    /// The error in words, without anything that might be secret: the module's code, and the function that gave it.
    fn away(&self, error: &Error) -> SignerFailed {
        let module = self.access.module.display();
        SignerFailed::Away(if let Error::Pkcs11(code, function) = error {
            format!("PKCS#11 token {:?} fails: {code:?} in {function:?}", self.access.token)
        } else if let Error::LibraryLoading(why) = error {
            format!("the PKCS#11 module {module} cannot be loaded: {why}")
        } else {
            format!("the PKCS#11 module {module} cannot be used: {error}")
        })
    }

    fn id<'o>(&self, at: &'o Outside) -> Result<&'o str, SignerFailed> {
        match at {
            Outside::Pkcs11 { token, id } if *token == self.access.token => Ok(id),
            Outside::Pkcs11 { .. } | Outside::Transit { .. } => Err(SignerFailed::Unset(at.to_string())),
        }
    }

    fn sign_one(&self, at: &Outside, alg: Alg, input: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let id = self.id(at)?;
        let (mechanism, data) = way(alg, input);
        self.with(|opened| {
            let key = opened.private(id)?;
            Ok(opened.session.sign(&mechanism, key, &data)?)
        })
    }
}

impl Hold for Module {
    fn at_once(&self) -> usize {
        1
    }

    fn sign(&self, asked: Vec<Asked>) {
        for one in asked {
            let signed = self.sign_one(&one.at, one.alg, &one.input);
            one.answer(signed);
        }
    }

    fn make(&self, wanted: &WantedKey) -> Result<Value, SignerFailed> {
        let WantedKey { alg, rsa_bits, at } = wanted;
        let id = self.id(at)?;
        self.with(|opened| {
            // The try before may have made a pair, or half of one: of two nobody could tell which signs.
            opened.destroy(id)?;
            let (id, label) = (bytes(id)?, format!("keywright {alg}").into_bytes());
            let mut public = vec![
                Attribute::Token(true),
                Attribute::Verify(true),
                Attribute::Id(id.clone()),
                Attribute::Label(label.clone()),
            ];
            // It signs, and never leaves.
            let private = [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Id(id),
                Attribute::Label(label),
            ];
            let mechanism = match alg {
                Alg::Es256 | Alg::Es384 => {
                    let curve: &[u8] = if *alg == Alg::Es256 { &P256 } else { &P384 };
                    public.push(Attribute::EcParams(curve.to_vec()));
                    Mechanism::EccKeyPairGen
                }
                Alg::EdDsa => {
                    public.push(Attribute::EcParams(ED25519.to_vec()));
                    Mechanism::EccEdwardsKeyPairGen
                }
                Alg::Rs256 | Alg::Ps256 => {
                    public.push(Attribute::ModulusBits(u64::from(*rsa_bits).into()));
                    public.push(Attribute::PublicExponent(EXPONENT.to_vec()));
                    Mechanism::RsaPkcsKeyPairGen
                }
            };
            let (handle, _) = opened.session.generate_key_pair(&mechanism, &public, &private)?;
            opened.public(*alg, handle)
        })
    }

    fn destroy(&self, at: &Outside) -> Result<(), SignerFailed> {
        let id = self.id(at)?;
        self.with(|opened| opened.destroy(id))
    }

    fn check(&self, at: Option<&Outside>) -> Result<(), SignerFailed> {
        let id = at.map(|at| self.id(at)).transpose()?;
        self.with(|opened| {
            // What was found before may be gone.
            opened.keys.clear();
            id.map_or(Ok(()), |id| opened.private(id).map(drop))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    #[test]
    fn a_module_that_is_none_is_told_of_and_tried_again() {
        let access = Pkcs11Access {
            module: "/no/such/module.so".into(),
            token: "t".to_owned(),
            pin: Secret::new("hunter2".to_owned()),
        };
        let module = Module::new(access);
        let at = Outside::Pkcs11 { token: "t".to_owned(), id: "00".to_owned() };
        for _ in 0..2 {
            let Err(SignerFailed::Away(told)) = module.check(Some(&at)) else { panic!() };
            assert!(told.contains("/no/such/module.so cannot be loaded") && !told.contains("hunter2"), "{told}");
        }
        let other = Outside::Pkcs11 { token: "another".to_owned(), id: "00".to_owned() };
        assert!(matches!(module.check(Some(&other)), Err(SignerFailed::Unset(_))));
    }
}
