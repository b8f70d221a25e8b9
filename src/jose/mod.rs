//! Floor 1: signing, verifying, decrypting and sealing with a key in hand (RFC 7515, 7516, 7517, 7518, 7519,
//! 8037).
//!
//! josekit and openssl are named nowhere else. Signing goes through [`SigningKey::sign`]; every
//! token that comes in, ours or anybody's, goes through [`verify`] and nothing else. Reading
//! order: [`alg`], [`signing`], [`keys`], [`profile`], [`verify`], [`encrypted`] and [`decrypting`] for what
//! others encrypted for us, [`seal`] for what we hand out to be handed back, and [`envelope`] for what rests
//! in the database.

pub mod alg;
pub mod bad_token;
pub mod claims;
pub mod decrypting;
pub mod embedded;
pub mod encrypted;
pub mod encrypting;
pub mod envelope;
pub mod import;
pub mod json;
pub mod keys;
pub mod outside;
pub mod pem;
pub mod profile;
pub mod purpose;
pub mod seal;
pub mod sealed_file;
pub mod signing;
pub mod thumbprint;
pub mod verify;
pub mod verifying;

#[cfg(test)]
mod vectors;

pub use alg::{Alg, Scheme};
pub use bad_token::BadToken;
pub use claims::Verified;
pub use decrypting::DecryptingKey;
pub use embedded::{Embedded, verify_embedded};
pub use encrypted::{Encrypted, NotOpened, is_encrypted};
pub use encrypting::{EncryptingKey, KeyManagement};
pub use envelope::{Place, Ring};
pub use import::{BadImport, Imported, import};
pub use keys::{BadKeySet, KeySet};
pub use outside::{Draft, Drafted, Outside};
pub use pem::public_pem;
pub use profile::{Audience, Profile};
pub use purpose::Purpose;
pub use seal::{BadSeal, Sealer};
pub use signing::{RSA_BITS, SigningKey, Typ};
pub use thumbprint::thumbprint;
pub use verify::{has_header, peek_kid, peek_subject, verify};
pub use verifying::{BadKey, VerifyingKey};
