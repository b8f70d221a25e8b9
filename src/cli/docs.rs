//! `keywright docs`: writes the generated pages of the documentation, or finds those that drifted
//! from the code.

use super::{Answer, Failure, conformance, reference, sources::Sources};
use crate::{audit, base::fault::Fault, config, telemetry};
use serde_json::json;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A page that is made from the code.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its path from the root of a checkout.
    pub path: &'static str,
    /// What it is made from.
    pub from: From,
}

/// What a page is made from.
#[derive(Clone, Copy, Debug)]
pub enum From {
    /// The tables in this program.
    Tables(fn() -> String),
    /// The text of the checkout's own sources, tests among them, which no program has in it.
    Sources(fn(&Sources) -> String),
}

/// Every generated page. A new generator is one line here.
pub const PAGES: &[Page] = &[
    Page { path: "docs/reference/cli.md", from: From::Tables(reference::page) },
    Page { path: "docs/reference/conformance.md", from: From::Sources(conformance::conformance) },
    Page { path: "docs/reference/endpoints.md", from: From::Tables(reference::endpoints) },
    Page { path: "docs/reference/errors.md", from: From::Tables(reference::errors) },
    Page { path: "docs/reference/config.md", from: From::Tables(config::reference) },
    Page { path: "docs/reference/events.md", from: From::Tables(audit::docs_events) },
    Page { path: "docs/reference/keywright.toml", from: From::Tables(config::template) },
    Page { path: "docs/reference/metrics.md", from: From::Tables(telemetry::docs_metrics) },
    Page { path: "docs/reference/openapi.json", from: From::Tables(crate::http::api_keys::openapi::reference) },
    Page { path: "docs/reference/requirements.md", from: From::Sources(conformance::requirements) },
];

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Write nothing; fail and name the pages that are not as the code would make them.
    #[arg(long)]
    check: bool,
    /// The root of the checkout.
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    root: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Answer, Failure> {
    if !args.root.join("Cargo.toml").is_file() {
        return Err(Failure::Usage("run this at the root of a checkout of Keywright, or name it with --root".into()));
    }
    let drifted = drifted(&args.root)?;
    let paths: Vec<&str> = drifted.iter().map(|(page, _)| page.path).collect();
    if args.check {
        return match paths.as_slice() {
            [] => Ok(Answer::new("every generated page is as the code makes it", json!({ "drifted": [] }))),
            some => Err(Failure::Failed(format!(
                "not as the code makes it; run `cargo run -- docs`:\n  {}",
                some.join("\n  ")
            ))),
        };
    }
    for (page, text) in &drifted {
        write(&args.root.join(page.path), text).map_err(|e| Fault::new(format!("writing {}", page.path), e))?;
    }
    let text = match paths.as_slice() {
        [] => "nothing changed".to_owned(),
        some => format!("wrote {}", some.join(", ")),
    };
    Ok(Answer::new(text, json!({ "written": paths })))
}

/// The pages whose files under `root` are missing or are not what the code makes, each with what it makes.
///
/// # Errors
/// [`Fault`] where a file is there and cannot be read.
pub fn drifted(root: &Path) -> Result<Vec<(Page, String)>, Fault> {
    let sources = Sources::read(root).map_err(|e| Fault::new("reading the sources", e))?;
    let mut found = Vec::new();
    for page in PAGES {
        let made = match page.from {
            From::Tables(make) => make(),
            From::Sources(make) => make(&sources),
        };
        match fs::read(root.join(page.path)) {
            Ok(bytes) if bytes == made.as_bytes() => {}
            Ok(_) => found.push((*page, made)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => found.push((*page, made)),
            Err(e) => return Err(Fault::new(format!("reading {}", page.path), e)),
        }
    }
    Ok(found)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_has_not_drifted_until_somebody_edits_it() {
        let dir = tempfile::TempDir::new().unwrap();
        let args = |check| Args { check, root: dir.path().to_owned() };
        assert!(matches!(run(&args(false)), Err(Failure::Usage(_))), "no checkout");
        fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        assert!(matches!(run(&args(true)), Err(Failure::Failed(_))), "nothing written yet");
        run(&args(false)).unwrap();
        assert!(run(&args(true)).is_ok());
        assert_eq!(run(&args(false)).unwrap().text, "nothing changed");
        fs::write(dir.path().join("docs/reference/cli.md"), "edited").unwrap();
        assert!(matches!(run(&args(true)), Err(Failure::Failed(told)) if told.contains("docs/reference/cli.md")));
    }

    #[test]
    fn the_pages_of_this_checkout_have_not_drifted() {
        let paths: Vec<&str> =
            drifted(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap().iter().map(|(page, _)| page.path).collect();
        assert!(paths.is_empty(), "run `cargo run -- docs`: {paths:?}");
    }
}
