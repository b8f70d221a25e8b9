//! Floor 1: the life of a signing key: pending, active, retiring, gone. Pure.
//!
//! [`sweep`] looks at the keys there are and says what to do; the flow does it and builds the
//! [`Keyring`], from which tokens are signed and verified and the key set is published.

mod policy;
mod record;
mod snapshot;
mod sweep;

pub use policy::{BadPolicy, Policy};
pub use record::{KeyRecord, State};
pub use snapshot::{HeldKey, Keyring};
pub use sweep::{Rotation, Step, sweep};
