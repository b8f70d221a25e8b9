//! The process of a server: actix's threads, and no core dumps.

use crate::base::fault::Fault;

/// Runs work that needs actix's threads to its end, in a process that
/// leaves no trace of its memory behind.
///
/// # Errors
/// The fault of the work.
pub fn run(work: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    harden();
    actix_web::rt::System::new().block_on(work)
}

/// No core dumps: a core of this process would hold every key (R40).
fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process could not be made undumpable");
    }
}
