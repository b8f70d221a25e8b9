//! Where credentials are looked for: files and directories, standard input, and what git says was added.

use crate::{
    apikey::scan::{
        Found, Prefixes, Scanner, is_opaque,
        patch::{FORMAT, Patch, Placed},
    },
    cli::Failure,
};
use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// The most findings that are kept; beyond it they are counted.
const KEPT: usize = 10_000;
/// What findings in standard input are said to be in.
const INPUT: &str = "(standard input)";

/// What has come of looking.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Those that are a leak.
    pub(super) found: Vec<Placed>,
    /// More of them, which are only counted.
    pub(super) more: usize,
    /// Those in lines that say that they may be known.
    pub(super) allowed: usize,
    /// Files that were looked into.
    pub(super) files: usize,
    /// Files in which nothing can be seen: pictures, what is compressed, devices.
    pub(super) skipped: usize,
    /// What could not be read, and why.
    pub(super) unreadable: Vec<(String, String)>,
}

impl Seen {
    fn add(&mut self, placed: Placed) {
        if placed.found.allowed {
            self.allowed = self.allowed.saturating_add(1);
        } else if self.found.len() < KEPT {
            self.found.push(placed);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn add_all(&mut self, path: &str, found: Vec<Found>) {
        for found in found {
            self.add(Placed { commit: None, path: path.to_owned(), found });
        }
    }

    /// Looks into everything under these paths; `-` is standard input.
    ///
    /// # Errors
    /// Where a path that was named cannot be read.
    pub(super) fn paths(&mut self, paths: &[PathBuf], except: &[String], prefixes: &Prefixes) -> Result<(), Failure> {
        for path in paths {
            let failed = |error: io::Error| Failure::Failed(format!("{} cannot be read: {error}", path.display()));
            if path.as_os_str() == "-" {
                self.files = self.files.saturating_add(1);
                self.stream(INPUT, io::stdin().lock(), prefixes).map_err(failed)?;
            } else if fs::metadata(path).map_err(failed)?.is_dir() {
                fs::read_dir(path).map_err(failed)?;
                self.under(path, except, prefixes);
            } else {
                self.file(path, prefixes).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Looks into all files of a directory, in the order of their names. Links are not followed, so
    /// that each is read once.
    fn under(&mut self, top: &Path, except: &[String], prefixes: &Prefixes) {
        let mut waiting = vec![top.to_owned()];
        while let Some(path) = waiting.pop() {
            let name = path.file_name().unwrap_or_default();
            let passed_over = name == ".git" || except.iter().any(|one| name == one.as_str());
            if passed_over && path != top {
                continue;
            }
            if let Err(error) = self.one(&path, &mut waiting, prefixes) {
                self.unreadable.push((path.display().to_string(), error.to_string()));
            }
        }
    }

    fn one(&mut self, path: &Path, waiting: &mut Vec<PathBuf>, prefixes: &Prefixes) -> io::Result<()> {
        let kind = fs::symlink_metadata(path)?.file_type();
        if kind.is_dir() {
            let mut inside = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
            inside.sort_unstable_by(|a, b| b.cmp(a));
            waiting.extend(inside);
            Ok(())
        } else if kind.is_symlink() {
            Ok(())
        } else if !kind.is_file() || is_opaque(&path.to_string_lossy()) {
            self.skipped = self.skipped.saturating_add(1);
            Ok(())
        } else {
            self.file(path, prefixes)
        }
    }

    fn file(&mut self, path: &Path, prefixes: &Prefixes) -> io::Result<()> {
        let file = fs::File::open(path)?;
        let told = path.display().to_string();
        self.stream(told.strip_prefix("./").unwrap_or(&told), file, prefixes)?;
        self.files = self.files.saturating_add(1);
        Ok(())
    }

    fn stream(&mut self, path: &str, from: impl Read, prefixes: &Prefixes) -> io::Result<()> {
        let mut scanner = Scanner::at_line(prefixes, 1);
        let read = pieces(from, |piece| {
            scanner.feed(piece);
            self.add_all(path, scanner.take());
        });
        self.add_all(path, scanner.finish());
        read
    }

    /// Looks into what the commits of a range add, and into their messages.
    ///
    /// # Errors
    /// Where git is not there or fails.
    pub(super) fn commits(&mut self, range: &str, prefixes: &Prefixes) -> Result<(), Failure> {
        if range.starts_with('-') || range.is_empty() {
            return Err(Failure::Usage("--git takes a range of commits, such as main..HEAD".to_owned()));
        }
        let log = ["log", "-p", FORMAT, "--diff-merges=remerge", "--no-show-signature", "--no-notes"];
        self.git(&[&log[..], &HOW, &["--end-of-options", range, "--"]].concat(), prefixes)
    }

    /// Looks into what the next commit would add.
    ///
    /// # Errors
    /// Where git is not there or fails.
    pub(super) fn staged(&mut self, prefixes: &Prefixes) -> Result<(), Failure> {
        self.git(&[&["diff", "--cached", "-p"][..], &HOW].concat(), prefixes)
    }

    fn git(&mut self, arguments: &[&str], prefixes: &Prefixes) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Failed(format!("git cannot be run: {error}"));
        let mut command = Command::new("git");
        command.args(["-c", "core.quotePath=false", "-c", "diff.suppressBlankEmpty=false"]).args(arguments);
        let mut git = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let mut patch = Patch::new(prefixes);
        let read = match git.stdout.take() {
            Some(from) => pieces(from, |piece| {
                patch.feed(piece);
                patch.take().into_iter().for_each(|placed| self.add(placed));
            }),
            None => Ok(()),
        };
        let (found, skipped) = patch.finish();
        found.into_iter().for_each(|placed| self.add(placed));
        self.skipped = self.skipped.saturating_add(skipped);
        let ended = git.wait().map_err(failed)?;
        read.map_err(failed)?;
        // What was found of a range that ended early is no answer.
        if ended.success() { Ok(()) } else { Err(Failure::Failed(format!("git {} failed", arguments.join(" ")))) }
    }
}

/// How git has to print differences, whatever its settings are: without lines around them, without
/// colours, and what it takes for binary too.
const HOW: [&str; 9] = [
    "-U0",
    "--text",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "--find-renames",
];

fn pieces(mut from: impl Read, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = zeroize::Zeroizing::new(vec![0; PIECE]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => each(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
