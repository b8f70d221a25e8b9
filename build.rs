//! What depends on the machine that builds: whether the program's relocations are packed.
//!
//! Some 85,000 addresses are written into the program's tables when it is loaded, a third of names of time zones. Listed
//! one by one that is 2 MiB of the file, all of it read at each start and resident from then on; packed (DT_RELR) it is
//! 32 KiB. The loader of glibc knows the packed form since 2.36, so this is asked for where the program is built on such a
//! system for its own kind; elsewhere it is linked as ever.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script through the environment")]

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| env::var(name).unwrap_or_default();
    let own = of("HOST") == of("TARGET");
    if own && of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" && loader_unpacks() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether glibc is here in version 2.36 or later; no, where nobody says.
fn loader_unpacks() -> bool {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    let version = text.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    let Some((Ok(major), Ok(minor))) = version.map(|(major, minor)| (major.parse::<u32>(), minor.parse::<u32>()))
    else {
        return false;
    };
    (major, minor) >= (2, 36)
}
