//! Keywright: the command line does everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    keywright::cli::run(std::env::args_os())
}
