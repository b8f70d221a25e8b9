//! Floor 1: the life of a key that signs, or that others encrypt for: pending, active, retiring, gone. Pure.
//!
//! [`sweep`] looks at the keys there are and says what to do; the flow does it and builds the
//! [`Keyring`], from which tokens are signed, verified and decrypted, and the key set is published.

mod in_hand;
mod next;
mod past;
mod policy;
mod record;
mod snapshot;
mod sweep;
mod uses;
mod why;

pub use in_hand::InHand;
pub use next::{Next, next};
pub use past::{MAX_STEP, Past};
pub use policy::{BadPolicy, Policy, Times};
pub use record::{KeyRecord, State};
pub use snapshot::{HeldKey, Keyring};
pub use sweep::{Facts, Rotation, Step, revoke, sweep};
pub use uses::Uses;
