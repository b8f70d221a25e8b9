//! `keywright api-key create --count` and `import`: keys by the thousand, a batch at a time, with word
//! of how far it has come.

use super::{
    Answer, Failure, Session,
    api_keys::{Make, wish},
    at_work::{done, in_world},
    hmac_key::HmacKey,
    key_changes::eprint_progress,
};
use crate::{
    apikey::{
        access::Caller,
        foreign::{Strength, digest_of_hex, digest_of_text},
    },
    base::{fault::Stop, secret::Secret},
    flow::{
        api_keys::{
            bulk::{self, BATCH, Brought, Import, Item, Outcome},
            create::Create,
            refused::Refused,
        },
        world::World,
    },
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use zeroize::Zeroize;

/// How often it is said how far it has come.
const EVERY: Duration = Duration::from_secs(2);
/// The longest line that is read.
const MOST_OF_LINE: u64 = 2048;
/// Problems that are told one by one.
const TOLD: usize = 100;

/// Says from time to time how far a piece of work has come.
struct Progress(Instant);

impl Progress {
    fn told(&mut self, n: usize, of: Option<usize>, what: &str) {
        if self.0.elapsed() >= EVERY {
            self.0 = Instant::now();
            eprint_progress(n, of, what);
        }
    }
}

/// Makes so many keys, and writes each with its identifier into a file of its owner's alone.
pub(super) async fn create(world: &Arc<World>, (make, n): (Create, usize), to: &Path) -> Result<Answer, Failure> {
    let failed = |e: io::Error| Failure::Failed(format!("writing {}: {e}", to.display()));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    let mut file = BufWriter::new(file);
    let (mut made, mut progress) = (0usize, Progress(Instant::now()));
    while made < n {
        let next = (n - made).min(BATCH);
        let batch = bulk::create(world, Caller::Operator, (make.clone(), next), done()).await?;
        for (id, text) in &batch {
            writeln!(file, "{id}\t{}", text.expose()).map_err(failed)?;
        }
        // What is in the database is in the file too, whatever comes next.
        file.flush().map_err(failed)?;
        made = made.saturating_add(batch.len());
        progress.told(made, Some(n), "keys made");
    }
    file.get_ref().sync_all().map_err(failed)?;
    let text = format!("{made} keys were made; their texts are in {}, this once", to.display());
    Ok(Answer::new(text, json!({"count": made, "file": to.display().to_string()})))
}

/// What stands on each line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The text of a key.
    Plain,
    /// The SHA-256 of one, as 64 hexadecimal digits.
    Sha256,
    /// The HMAC-SHA-256 of one, as 64 hexadecimal digits or in base64: with the key under which it was made.
    HmacSha256,
    /// The text of a key that is a UUID: only with --weak.
    Uuid,
}

#[derive(Args, Debug)]
pub(super) struct Bring {
    #[command(flatten)]
    make: Make,
    /// What stands on each line; a name may follow behind a tab.
    #[arg(long, value_enum, default_value = "plain")]
    format: Format,
    /// They may be easy to guess: they are limited for it, and live for 30 days at most.
    #[arg(long)]
    weak: bool,
    #[command(flatten)]
    hmac_key: HmacKey,
    /// The file, a key on each line. Unset, or -: standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What has come of an import so far.
#[derive(Default)]
struct Sum {
    lines: usize,
    imported: usize,
    duplicates: usize,
    refused: usize,
    problems: Vec<Value>,
}

impl Sum {
    fn note(&mut self, line: usize, outcome: &Outcome) {
        let why = match outcome {
            Outcome::Imported(_) => {
                self.imported = self.imported.saturating_add(1);
                return;
            }
            Outcome::Duplicate => {
                self.duplicates = self.duplicates.saturating_add(1);
                "is there already"
            }
            Outcome::Refused(why) => {
                self.refused = self.refused.saturating_add(1);
                why
            }
        };
        if self.problems.len() < TOLD {
            self.problems.push(json!({"line": line, "why": why}));
        }
    }
}

pub(super) fn import(args: Bring, session: &Session) -> Result<Answer, Failure> {
    let Bring { make, format, weak, hmac_key, file } = args;
    if matches!(format, Format::Uuid) && !weak {
        return Err(Failure::Usage("a UUID is no secret: it can be imported with --weak only".into()));
    }
    let file = file.filter(|path| path.as_os_str() != "-");
    let mac_key = hmac_key.read(matches!(format, Format::HmacSha256), file.is_none())?;
    let from: Box<dyn Read> = match file {
        Some(path) => Box::new(fs::File::open(&path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?),
        None => Box::new(io::stdin()),
    };
    let strength = if weak { Strength::Weak } else { Strength::Vouched };
    in_world(session, async |_, world| {
        let like = wish(world, make).await?;
        let (mut from, mut sum) = (BufReader::new(from), Sum::default());
        let mut progress = Progress(Instant::now());
        loop {
            let (numbers, items) = lines(&mut from, format, &mut sum)?;
            if numbers.is_empty() && items.is_empty() {
                return Ok(summed(&sum));
            }
            let import = Import { like: like.clone(), strength, mac_key: mac_key.clone(), items };
            let outcomes = brought(world, import).await?;
            numbers.iter().zip(&outcomes).for_each(|(line, outcome)| sum.note(*line, outcome));
            progress.told(sum.lines, None, "lines read");
        }
    })
}

/// A batch; where another brings the same at the same time, once more.
async fn brought(world: &Arc<World>, import: Import) -> Result<Vec<Outcome>, Stop<Refused>> {
    match bulk::import(world, Caller::Operator, import.clone(), done()).await {
        Err(Stop::Fault(_)) => bulk::import(world, Caller::Operator, import, done()).await,
        done => done,
    }
}

fn summed(sum: &Sum) -> Answer {
    let Sum { lines, imported, duplicates, refused, problems } = sum;
    let mut text = format!("{lines} lines: {imported} imported, {duplicates} there already, {refused} refused");
    for problem in problems {
        let (line, why) = (problem.get("line"), problem.get("why").and_then(Value::as_str).unwrap_or_default());
        text.push_str(&format!("\nline {}: {why}", line.unwrap_or(&Value::Null)));
    }
    let json = json!({
        "lines": lines, "imported": imported, "duplicates": duplicates, "refused": refused, "problems": problems,
    });
    Answer::new(text, json)
}

/// The next lines, at most a batch; nothing at the end. Empty ones are skipped, and what cannot be
/// read is noted at once.
fn lines(from: &mut impl BufRead, format: Format, sum: &mut Sum) -> Result<(Vec<usize>, Vec<Item>), Failure> {
    let (mut numbers, mut items) = (Vec::new(), Vec::new());
    while items.len() < BATCH {
        let mut line = Vec::new();
        let read = from.by_ref().take(MOST_OF_LINE).read_until(b'\n', &mut line);
        let n = read.map_err(|e| Failure::Failed(format!("reading keys: {e}")))?;
        if n == 0 {
            break;
        }
        sum.lines = sum.lines.saturating_add(1);
        if !line.ends_with(b"\n") && u64::try_from(n).is_ok_and(|n| n >= MOST_OF_LINE) {
            line.zeroize();
            return Err(Failure::Usage(format!("line {} is longer than a key can be", sum.lines)));
        }
        let item = match std::str::from_utf8(&line).map(|line| line.trim_end_matches(['\n', '\r'])) {
            Ok("") => None,
            Ok(line) => Some(item(line, format)),
            Err(_) => Some(Err("is no text")),
        };
        line.zeroize();
        match item {
            None => {}
            Some(Ok(item)) => {
                numbers.push(sum.lines);
                items.push(item);
            }
            Some(Err(why)) => sum.note(sum.lines, &Outcome::Refused(why)),
        }
    }
    Ok((numbers, items))
}

fn item(line: &str, format: Format) -> Result<Item, &'static str> {
    let (value, name) = line.split_once('\t').map_or((line, None), |(value, name)| (value, Some(name.to_owned())));
    let brought = match format {
        Format::Plain | Format::Uuid => Brought::Text(Secret::new(value.to_owned())),
        Format::Sha256 => Brought::Sha256(digest_of_hex(value).ok_or("is no SHA-256 of 64 hexadecimal digits")?),
        Format::HmacSha256 => {
            Brought::Hmac(digest_of_text(value).ok_or("is no HMAC-SHA-256 in hexadecimal or base64")?)
        }
    };
    Ok(Item { brought, name })
}
