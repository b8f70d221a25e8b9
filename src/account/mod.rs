//! Rules about people: their names and profiles, their passwords, how often somebody may try one,
//! and how long a sign-in lasts. ASVS 5.0 chapters 6 and 7; NIST SP 800-63B-4.
//!
//! Start at [`password`]: what is stored of a password. [`rules`] judges a new one, [`throttle`]
//! says whose budget an attempt is charged to, [`session`] when a session is over.

pub mod password;
pub mod rules;
pub mod session;
pub mod throttle;
pub mod user;

pub use password::{Cost, Password, PasswordHash, Workspace};
pub use rules::{PasswordPolicy, Weakness};
pub use session::{Amr, Life, Session, SessionPolicy};
pub use throttle::{Allowance, Attempt, Browser, Budget, ThrottlePolicy};
pub use user::{Profile, User, Username};
