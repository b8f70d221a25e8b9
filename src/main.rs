//! Keywright: the command line does everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whoever comes first decides whether OpenSSL cleans up at exit. It must not: threads that connect to a database are
    // not waited for, and one of them in the middle of that would fall over what is no longer there.
    openssl::init();
    keywright::cli::run(std::env::args_os())
}
