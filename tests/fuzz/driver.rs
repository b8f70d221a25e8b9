//! Runs one target on its corpus and on mutations of it, and says of a failure which input it was.
//!
//! The word that a target returns for how an input ended stands in for coverage: an input with a new word joins the
//! corpus, so later mutations start behind the check that it passed.

use crate::{
    mutate::{Dice, mutated},
    targets::Target,
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    io::{Seek, Write},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// No input may take longer, even unoptimised beside other tests; what does is tried twice more.
const SLOW: Duration = Duration::from_secs(2);
/// After so long without an end, the process is stopped.
const HANGS: Duration = Duration::from_secs(120);
/// The most inputs that are kept.
const MOST: usize = 4096;
const ENDED: u64 = u64::MAX;

thread_local! { static QUIET: Cell<bool> = const { Cell::new(false) }; }

/// Runs the target for its time, or on the one input that the environment names.
pub fn drive(target: &Target) {
    quiet_while_minimising();
    if let Ok(path) = std::env::var("TEST_FUZZ_INPUT") {
        let input = fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        eprintln!("{}: {}", target.name, (target.run)(&input));
        return;
    }
    let seconds = number("TEST_FUZZ_SECONDS").unwrap_or(1);
    let (mut run, mut dice) = (Run::of(target), Dice::new(number("TEST_FUZZ_SEED").unwrap_or(1)));
    for input in committed(target.name).into_iter().chain((target.seeds)()) {
        run.on(&input);
        run.corpus.push(input);
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..64 {
            let input = mutated(&run.corpus, target.words, &mut dice);
            if run.on(&input) && run.corpus.len() < MOST {
                run.corpus.push(input);
            }
        }
    }
    println!("{}: {} inputs, {} ways to end", target.name, run.inputs, run.endings.len());
    assert!(run.endings.len() > 1, "{} ends the same way whatever it is given", target.name);
}

struct Run {
    target: &'static str,
    run: fn(&[u8]) -> String,
    corpus: Vec<Vec<u8>>,
    endings: BTreeSet<String>,
    inputs: u64,
    /// Holds the input in hand, for the case that the process dies of it.
    now: fs::File,
    /// How many inputs have ended, for the watcher.
    ended: Arc<AtomicU64>,
}

impl Run {
    fn of(target: &Target) -> Self {
        let path = place(&format!("{}.now", target.name));
        let now = fs::File::create(&path).unwrap();
        let ended = Arc::new(AtomicU64::new(0));
        watch(Arc::clone(&ended), path);
        let (corpus, endings) = (Vec::new(), BTreeSet::new());
        Self { target: target.name, run: target.run, corpus, endings, inputs: 0, now, ended }
    }

    /// Runs one input; whether it ended in a way not seen before.
    fn on(&mut self, input: &[u8]) -> bool {
        self.now.set_len(0).unwrap();
        self.now.rewind().unwrap();
        self.now.write_all(input).unwrap();
        self.inputs += 1;
        let began = Instant::now();
        let ending = self.guarded(input);
        let slow = |began: Instant| began.elapsed() > SLOW;
        if slow(began) && (0..2).all(|_| timed(|| drop(self.guarded(input)), slow)) {
            self.fail(input, "each time it took longer than it may");
        }
        self.ended.store(self.inputs, Ordering::Relaxed);
        match ending {
            Ok(ending) => self.endings.insert(ending),
            Err(()) => self.fail(&self.smaller(input), "it failed"),
        }
    }

    fn guarded(&self, input: &[u8]) -> Result<String, ()> {
        panic::catch_unwind(AssertUnwindSafe(|| (self.run)(input))).map_err(drop)
    }

    /// The input with everything cut out of it that the failure does not need.
    fn smaller(&self, input: &[u8]) -> Vec<u8> {
        QUIET.set(true);
        let mut best = input.to_vec();
        let mut piece = best.len() / 2;
        while piece > 0 {
            let mut at = 0;
            while at < best.len() {
                let mut less = best.clone();
                less.drain(at..(at + piece).min(best.len()));
                if self.guarded(&less).is_err() { best = less } else { at += piece }
            }
            piece /= 2;
        }
        QUIET.set(false);
        best
    }

    fn fail(&self, input: &[u8], how: &str) -> ! {
        let path = place(&format!("{}-{:08x}", self.target, crc32fast::hash(input)));
        fs::write(&path, input).unwrap();
        let shown = input[..input.len().min(4096)].escape_ascii();
        panic!(
            "{how}, on the input ({} bytes)\n  {shown}\nreplay:   TEST_FUZZ_INPUT={path} cargo test --test fuzz {name}\n\
             for good: cp {path} tests/fuzz/corpus/{name}/",
            input.len(),
            path = path.display(),
            name = self.target
        );
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.ended.store(ENDED, Ordering::Relaxed);
    }
}

fn timed(work: impl FnOnce(), judge: impl Fn(Instant) -> bool) -> bool {
    let began = Instant::now();
    work();
    judge(began)
}

/// Stops the process where one input never ends; its file then still holds the input.
fn watch(ended: Arc<AtomicU64>, input: PathBuf) {
    thread::spawn(move || {
        let mut seen = (0, Instant::now());
        while ended.load(Ordering::Relaxed) != ENDED {
            thread::sleep(Duration::from_millis(100));
            let count = ended.load(Ordering::Relaxed);
            if count != seen.0 {
                seen = (count, Instant::now());
            } else if seen.1.elapsed() > HANGS {
                eprintln!("an input never ends; it is in {}", input.display());
                std::process::abort();
            }
        }
    });
}

fn quiet_while_minimising() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
}

/// Files of the corpus in the repository: real requests, and inputs that once failed.
fn committed(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A file beside the build's own.
pub fn place(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number")))
}
