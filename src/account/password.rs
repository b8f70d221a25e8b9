//! What is stored of a password: Argon2id (RFC 9106) as a PHC string.
//!
//! Computing one takes some 15 ms and 19 MiB on purpose; only `hashing` does it, on threads of
//! its own. Passwords are compared as the exact bytes that were typed, never cut short.

use crate::base::{
    entropy::{self, Entropy},
    fault::Fault,
    secret::{Secret, same},
};
use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt;

/// Longest password, in bytes: checked before any hashing.
pub const MAX_BYTES: usize = 1024;
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Hashes that ask for more are not computed: a hostile row must not be able to stop the server.
const MOST_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// A password somebody typed, known to be short enough to hash.
#[derive(Clone, Debug)]
pub struct Password(Secret<String>);

impl Password {
    /// Takes what was typed; `None` where it is longer than [`MAX_BYTES`], which no stored
    /// password is.
    #[must_use]
    pub fn parse(typed: String) -> Option<Self> {
        let typed = Secret::new(typed);
        (typed.expose().len() <= MAX_BYTES).then_some(Self(typed))
    }
    /// What was typed.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What a hash costs: memory in KiB, passes over it, lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl Cost {
    /// 19 MiB, two passes, one lane.
    pub const STANDARD: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// A cost; `None` outside what Argon2 can do or what this server is willing to.
    #[must_use]
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let fits = memory_kib <= MOST_KIB && passes <= MOST_PASSES && lanes <= MOST_LANES;
        (fits && Params::new(memory_kib, passes, lanes, None).is_ok()).then_some(Self { memory_kib, passes, lanes })
    }
    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }
    /// Passes over it.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }
    /// Lanes.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        self.lanes
    }
    fn params(self, output: usize) -> Result<Params, Fault> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output))
            .map_err(|e| Fault::bare(format!("the parameters of a password hash: {e}")))
    }
}

/// A stored password. Its `Debug` shows the cost only.
#[derive(Clone)]
pub struct PasswordHash {
    cost: Cost,
    salt: Vec<u8>,
    output: Secret<Vec<u8>>,
}

impl PasswordHash {
    /// Reads a PHC string of Argon2id, version 19.
    ///
    /// # Errors
    /// A [`Fault`] for any other text, or for a cost beyond all reason. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let bad = |why: &str| Fault::bare(format!("a stored password hash {why}"));
        let read = phc::PasswordHash::new(text).map_err(|_| bad("is no PHC string"))?;
        if read.algorithm.as_str() != "argon2id" || read.version != Some(0x13) {
            return Err(bad("is not Argon2id version 19"));
        }
        let params = Params::try_from(&read).map_err(|_| bad("has parameters that Argon2 does not know"))?;
        let cost = Cost::new(params.m_cost(), params.t_cost(), params.p_cost());
        let cost = cost.ok_or_else(|| bad("costs more than this server is willing to spend"))?;
        match (&read.salt, &read.hash) {
            (Some(salt), Some(output)) => {
                let output = Secret::new(output.as_bytes().to_vec());
                Ok(Self { cost, salt: AsRef::<[u8]>::as_ref(salt).to_vec(), output })
            }
            (None, _) | (_, None) => Err(bad("has no salt or no output")),
        }
    }

    /// The PHC string, for its column.
    #[must_use]
    pub fn to_phc(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, output) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(self.output.expose()));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }

    /// A hash that no password is known to have, to verify against where there is no person or no
    /// password: the answer is always no, after the same time.
    #[must_use]
    pub fn dummy(cost: Cost) -> Self {
        Self { cost, salt: vec![0x6b; SALT], output: Secret::new(vec![0; OUTPUT]) }
    }

    /// Whether a password that matched should be hashed anew, because costs have changed.
    #[must_use]
    pub fn needs_rehash(&self, wanted: Cost) -> bool {
        self.cost != wanted || self.output.expose().len() != OUTPUT || self.salt.len() < SALT
    }

    /// What it costs to verify.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// The salt of a new hash: drawn where randomness is at hand, used on another thread.
#[derive(Clone, Copy, Debug)]
pub struct Salt([u8; SALT]);

impl Salt {
    /// A fresh one.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn draw(dice: &dyn Entropy) -> Result<Self, Fault> {
        Ok(Self(entropy::bytes(dice)?))
    }
    /// One that was stored.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
    /// To be stored: it is no secret.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The memory that hashing fills, kept from one hash to the next so that its pages need not be
/// asked from the system each time. One for each thread.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

impl Workspace {
    /// An empty one; it grows at first use.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Gives the memory back until it is needed again.
    pub fn release(&mut self) {
        self.0 = Vec::new();
    }

    /// Hashes a password.
    ///
    /// # Errors
    /// A [`Fault`] where Argon2 refuses, which it does not for a [`Cost`] and a [`Password`].
    pub fn hash(&mut self, password: &Password, salt: Salt, cost: Cost) -> Result<PasswordHash, Fault> {
        let output = Secret::new(self.run(password, &salt.0, cost, OUTPUT)?);
        Ok(PasswordHash { cost, salt: salt.0.to_vec(), output })
    }

    /// Whether this is the password.
    ///
    /// # Errors
    /// As [`Workspace::hash`].
    pub fn verify(&mut self, password: &Password, stored: &PasswordHash) -> Result<bool, Fault> {
        let mine = Secret::new(self.run(password, &stored.salt, stored.cost, stored.output.expose().len())?);
        Ok(same(mine.expose(), stored.output.expose()))
    }

    /// A key from a passphrase: as many bytes as a hash has, under a salt of its own.
    ///
    /// # Errors
    /// As [`Workspace::hash`].
    pub fn stretch(&mut self, passphrase: &Password, salt: Salt, cost: Cost) -> Result<Secret<[u8; 32]>, Fault> {
        let bytes = Secret::new(self.run(passphrase, &salt.0, cost, 32)?);
        let key = bytes.expose().as_slice().try_into().map(Secret::new);
        key.map_err(|e| Fault::new("stretching a passphrase", e))
    }

    fn run(&mut self, password: &Password, salt: &[u8], cost: Cost, length: usize) -> Result<Vec<u8>, Fault> {
        let params = cost.params(length)?;
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0 = vec![Block::new(); blocks];
        }
        let mut output = vec![0; length];
        let memory = self.0.get_mut(..blocks).ok_or_else(|| Fault::bare("memory to hash in"))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut output, memory)
            .map_err(|e| Fault::bare(format!("hashing a password: {e}")))?;
        Ok(output)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workspace({} KiB)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;

    fn typed(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }
    fn small() -> Cost {
        Cost::new(64, 1, 1).unwrap()
    }

    #[test]
    fn a_hash_survives_its_column_and_fits_one_password_only() {
        let mut workspace = Workspace::new();
        let salt = Salt::draw(&SeededEntropy::new(1)).unwrap();
        let hash = workspace.hash(&typed("correct horse"), salt, small()).unwrap();
        let read = PasswordHash::parse(&hash.to_phc()).unwrap();
        assert!(workspace.verify(&typed("correct horse"), &read).unwrap());
        for other in ["correct horse ", "Correct horse", "correct hors", ""] {
            assert!(!workspace.verify(&typed(other), &read).unwrap(), "{other:?}");
        }
        assert!(read.needs_rehash(Cost::STANDARD));
        assert!(!read.needs_rehash(small()));
    }

    #[test]
    fn bytes_after_the_72nd_count() {
        let mut workspace = Workspace::new();
        let salt = Salt::draw(&SeededEntropy::new(1)).unwrap();
        let long = "x".repeat(MAX_BYTES);
        let hash = workspace.hash(&typed(&long), salt, small()).unwrap();
        assert!(!workspace.verify(&typed(&long[1..]), &hash).unwrap());
        assert!(Password::parse(format!("{long}x")).is_none());
    }

    #[test]
    fn a_hash_made_by_the_reference_implementation_verifies() {
        // From the test suite of the reference implementation: password, somesalt, 64 MiB, 2, 1.
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let known = PasswordHash::parse(known).unwrap();
        assert!(Workspace::new().verify(&typed("password"), &known).unwrap());
    }

    #[test]
    fn foreign_or_ruinous_rows_are_faults() {
        for text in [
            "",
            "hunter2",
            "$2y$10$abcdefghijklmnopqrstuv",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=4000000000,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=2000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
        ] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_dummy_costs_the_same_and_matches_nothing() {
        assert_eq!(PasswordHash::dummy(small()).cost(), small());
        assert!(!Workspace::new().verify(&typed(""), &PasswordHash::dummy(small())).unwrap());
        assert_eq!(PasswordHash::parse(&PasswordHash::dummy(small()).to_phc()).unwrap().cost(), small());
    }

    #[test]
    fn nothing_prints_what_it_should_not() {
        let hash = PasswordHash::dummy(small());
        assert_eq!(format!("{:?}", typed("hunter2")), "Password([secret])");
        assert!(!format!("{hash:?}").contains("salt"));
    }
}
