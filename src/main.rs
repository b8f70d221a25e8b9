//! Keywright: the command line does everything.

use std::{alloc::System, process::ExitCode};
use zeroizing_alloc::ZeroAlloc;

/// What is given back is overwritten first: passwords, tokens and keys pass through the buffers of many
/// libraries, and no core of the process is to hold them when they are done with (R40).
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    // Whoever comes first decides whether OpenSSL cleans up at exit. It must not: threads that connect to a database are
    // not waited for, and one of them in the middle of that would fall over what is no longer there.
    openssl::init();
    keywright::cli::run(std::env::args_os())
}
