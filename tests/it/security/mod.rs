//! Attacks: RFC 9700 (B1 to B24), advisories about other servers (A1 to A64), faults (F), bad input,
//! and secrets where they must not be. A test begins with the number of its row; `rows` says which
//! rows have none and why.

mod advisories_flow;
mod advisories_jose;
mod advisories_token;
mod advisories_wire;
mod bad_input;
mod memory;
mod rfc9700;
mod rows;
mod secrets;
mod slow;

use std::{fs, path::Path};

/// The lines of the program and of its pages, tests left out, that a search finds.
fn sources(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["src", "templates", "static"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else {
                folders.push(path);
                continue;
            };
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            found.extend(code.lines().filter(|line| wanted(line)).map(|line| format!("{}: {line}", path.display())));
        }
    }
    found
}
