//! `keywright api-key check`, `inspect` and `gen`: keys looked at and tried, without anything
//! being spent. The text of a key comes from standard input, a file or a variable, never as an argument.

use super::{Answer, Failure, Session, at_work::in_world, key_changes::moment};
use crate::{
    apikey::{
        access::Caller,
        call::{Call, Purpose},
        judge::{Finding, explain},
        key::Kind,
        text::{self, KeyText},
        verdict::Denied,
    },
    audit::Origin,
    base::{entropy::OsEntropy, id::ApiKeyId, moment::Moment, scope::Scope, secret::Secret},
    flow::{
        api_keys::{
            directory::Entry,
            show,
            verify::{self, Found, Mode, Verdict},
        },
        follow,
        world::World,
    },
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
};

/// The most bytes of the text of a key.
const MOST: u64 = 1024;

/// Where the text of a key comes from: standard input where nothing is said.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct KeySource {
    /// Read the key from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    key_file: Option<PathBuf>,
    /// Read the key from the environment variable of this name.
    #[arg(long, value_name = "NAME")]
    key_env: Option<String>,
}

impl KeySource {
    fn read(&self) -> Result<Secret<String>, Failure> {
        let bad = |why: String| Failure::Usage(format!("the key cannot be read: {why}"));
        let text = match (&self.key_file, &self.key_env) {
            (Some(path), _) => {
                let file = fs::File::open(path).map_err(|e| bad(format!("{}: {e}", path.display())))?;
                read(file).map_err(bad)?
            }
            (None, Some(name)) => {
                let value = env::var_os(name).and_then(|value| value.into_string().ok());
                Secret::new(value.ok_or_else(|| bad(format!("{name} is unset, or no text")))?)
            }
            (None, None) => read(io::stdin().lock()).map_err(bad)?,
        };
        let trimmed = text.expose().trim();
        if trimmed.is_empty() { Err(bad("there is none".to_owned())) } else { Ok(Secret::new(trimmed.to_owned())) }
    }
}

fn read(from: impl Read) -> Result<Secret<String>, String> {
    let mut text = String::new();
    from.take(MOST).read_to_string(&mut text).map_err(|e| e.to_string())?;
    Ok(Secret::new(text))
}

/// Said of an argument that is a key; the key is not repeated.
const NEVER_AN_ARGUMENT: &str = "an argument is a key: never as an argument, where others can read it. Use standard input \
                                 or --key-file, and think of revoking it";

/// Refuses arguments of any command of which one is a key: whatever is said of it afterwards would repeat it.
///
/// # Errors
/// That there is one.
pub(super) fn refuse_keys<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let is_key = |text: &str| (text::LEAST_RANDOM..=text::MOST_RANDOM).any(|n| text::well_formed(text, n));
    // Also behind the name of an option.
    let holds_key = |text: &str| is_key(text) || text.split_once('=').is_some_and(|(_, value)| is_key(value));
    if arguments.any(holds_key) { Err(Failure::Usage(NEVER_AN_ARGUMENT.into())) } else { Ok(()) }
}

/// An identifier, or `-` for the text of a key on standard input; never that text itself, which would be seen by
/// everybody on this machine. It is judged here, for what the parser of arguments refuses it prints.
fn which(text: Option<&str>) -> Result<Option<ApiKeyId>, Failure> {
    let Some(text) = text.filter(|text| *text != "-") else { return Ok(None) };
    let id = ApiKeyId::parse(text).ok_or_else(|| {
        Failure::Usage(
            "the argument is no identifier of a key; the text of one comes from standard input or --key-file".into(),
        )
    });
    id.map(Some)
}

#[derive(Args, Debug)]
pub(super) struct Check {
    /// Its identifier; - or nothing: the text of the key comes from standard input, a file or a variable.
    #[arg(value_name = "ID", conflicts_with_all = ["key_file", "key_env"])]
    id: Option<String>,
    #[command(flatten)]
    source: KeySource,
    /// The address that calls.
    #[arg(long)]
    ip: Option<String>,
    /// The country of that address: two letters.
    #[arg(long)]
    country: Option<String>,
    /// The method.
    #[arg(long)]
    method: Option<String>,
    /// The path.
    #[arg(long)]
    path: Option<String>,
    /// The program that calls (User-Agent).
    #[arg(long, value_name = "TEXT")]
    ua: Option<String>,
    /// The page that calls (Referer).
    #[arg(long, value_name = "URL")]
    referer: Option<String>,
    /// The origin of that page (Origin).
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// What the call needs: scope tokens separated by spaces.
    #[arg(long, default_value = "")]
    scope: String,
    /// Units that it costs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cost: u32,
    /// The environment that is served. Unset: all of the API.
    #[arg(long)]
    environment: Option<String>,
    /// When it is made (RFC 3339). Unset: now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Moment>,
}

/// Tries a call: every rule is explained, and nothing is spent, counted or recorded.
pub(super) fn check(args: Check, session: &Session) -> Result<Answer, Failure> {
    let id = which(args.id.as_deref())?;
    let text = if id.is_some() { None } else { Some(args.source.read()?) };
    let scope = Scope::parse(&args.scope).map_err(|e| Failure::Usage(format!("--scope: {e}")))?;
    in_world(session, async |_, world| {
        // Only then is it known whether there are keys of another form than ours.
        follow::now(world).await?;
        let entry = match (&id, &text) {
            (Some(id), _) => Some(show::entry(world, &Caller::Operator, id).await?),
            (None, Some(text)) => match verify::find(world, text.expose(), None).await? {
                Found::Key(entry) => Some(entry),
                Found::Nothing | Found::Unasked(_) => None,
            },
            (None, None) => None,
        };
        let Some(entry) = entry else {
            let json = json!({"valid": false, "code": Denied::Unknown.told().code, "trace": []});
            return Ok(Answer::new("invalid_key: this is no key of this installation", json));
        };
        tried(world, entry, &args, scope).await
    })
}

async fn tried(world: &Arc<World>, entry: Arc<Entry>, args: &Check, scope: Scope) -> Result<Answer, Failure> {
    let shared = Arc::clone(&entry.shared);
    let purpose = if entry.key.kind == Kind::Verifier { Purpose::Ask } else { Purpose::Use };
    let call = Call {
        purpose,
        environment: args.environment.as_deref(),
        scope,
        cost: args.cost,
        address: args.ip.as_deref(),
        country: args.country.as_deref(),
        method: args.method.as_deref(),
        path: args.path.as_deref(),
        user_agent: args.ua.as_deref(),
        referer: args.referer.as_deref(),
        origin: args.origin.as_deref(),
        ..Call::new(&shared.api.id, args.at.unwrap_or_else(|| world.now()))
    };
    let trace = explain(&entry.known(), &call);
    let verdict = verify::known(world, Arc::clone(&entry), (&call, None), Mode::Dry, &Origin::default()).await?;
    Ok(explained(&entry, &verdict, &trace))
}

fn rule(denied: &Denied) -> Option<&'static str> {
    if let Denied::Restricted { rule, .. } = denied { Some(rule.as_str()) } else { None }
}

fn reason(denied: &Denied) -> Option<&'static str> {
    if let Denied::Restricted { reason, .. } = denied { Some(reason.as_str()) } else { None }
}

fn explained(entry: &Entry, verdict: &Verdict, trace: &[Finding]) -> Answer {
    let denied = verdict.outcome.as_ref().err();
    let told: Vec<Value> = trace
        .iter()
        .map(|one| {
            let denied = one.answer.as_ref().err();
            json!({
                "asked": one.asked,
                "level": one.level.map(|level| level.as_str()),
                "passes": denied.is_none(),
                "code": denied.map(|denied| denied.told().code),
                "reason": denied.and_then(reason),
            })
        })
        .collect();
    let line = |one: &Finding| {
        let of = one.level.map_or_else(String::new, |level| format!(" of the {}", level.as_str()));
        let answer = match &one.answer {
            Ok(()) => "passes".to_owned(),
            Err(denied) => match reason(denied) {
                Some(reason) => format!("{}: {reason}", denied.told().code),
                None => denied.told().code.to_owned(),
            },
        };
        format!("  {}{of}: {answer}", one.asked)
    };
    let mut lines = vec![format!("{}  {}", verdict.code(), entry.key.id)];
    lines.extend(trace.iter().map(line));
    lines.extend(verdict.quotas.iter().map(|quota| format!("  quota {}: {} left", quota.name, quota.remaining)));
    let quotas: Vec<Value> =
        verdict.quotas.iter().map(|quota| json!({"name": quota.name, "remaining": quota.remaining})).collect();
    let json = json!({
        "valid": denied.is_none(),
        "code": verdict.code(),
        "rule": denied.and_then(rule),
        "reason": denied.and_then(reason),
        "key": {"id": entry.key.id, "hint": entry.key.hint},
        "trace": told,
        "quota": quotas,
    });
    Answer::new(lines.join("\n"), json)
}

#[derive(Args, Debug)]
pub(super) struct Inspect {
    /// - for standard input, which is where it comes from where nothing is said.
    #[arg(value_name = "-", conflicts_with_all = ["key_file", "key_env"])]
    dash: Option<String>,
    #[command(flatten)]
    source: KeySource,
}

/// Reads the form of a key; nobody is asked whether it is known.
pub(super) fn inspect(args: &Inspect) -> Result<Answer, Failure> {
    if which(args.dash.as_deref())?.is_some() {
        return Err(Failure::Usage("only the text of a key can be inspected: see show for an identifier".into()));
    }
    let text = args.source.read()?;
    let lengths = text::LEAST_RANDOM..=text::MOST_RANDOM;
    let found = lengths.into_iter().find_map(|n| Some((n, KeyText::parse(text.expose(), n)?)));
    let Some((n, key)) = found else {
        return Err(Failure::Failed("this has not the form of an API key, or its checksum is wrong".into()));
    };
    let (entropy, bits) = (format!("{:.1}", text::bits(n)), (text::bits(n) * 100.0).floor() / 100.0);
    let lines = [
        "the form and the checksum are right".to_owned(),
        format!("prefix={}", key.prefix()),
        format!("environment={}", key.environment()),
        format!("random={n}"),
        format!("entropy={entropy}"),
        format!("hint={}", key.hint()),
    ];
    let json = json!({
        "valid": true, "prefix": key.prefix(), "environment": key.environment(), "random": n, "entropy": entropy,
        "bits": bits, "hint": key.hint(),
    });
    Ok(Answer::new(lines.join("\n"), json))
}

#[derive(Args, Debug)]
pub(super) struct Gen {
    /// Ask no database: the key has the right form, and nobody knows it.
    #[arg(long, required = true)]
    offline: bool,
    /// What it begins with.
    #[arg(long, default_value = text::DEFAULT_PREFIX)]
    prefix: String,
    /// Its environment.
    #[arg(long, default_value = "test")]
    environment: String,
    /// Random characters.
    #[arg(long, value_name = "N", default_value_t = text::RANDOM)]
    random: usize,
}

/// Makes a text of the form of a key, for tests of those who read keys.
pub(super) fn gen_offline(args: &Gen) -> Result<Answer, Failure> {
    let Gen { offline: _, prefix, environment, random } = args;
    if !text::is_prefix(prefix) || !text::is_environment(environment) || !text::is_length(*random) {
        let why = "--prefix has 2 to 12 lower-case letters and digits, --environment 2 to 8 letters and is no reserved \
                   word, --random is 22 to 128";
        return Err(Failure::Usage(why.into()));
    }
    let key = KeyText::mint(prefix, environment, *random, &OsEntropy)?;
    Ok(Answer::new(key.text().expose().as_str(), json!({"key": key.text().expose(), "hint": key.hint()})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_refused_as_an_argument_and_not_repeated() {
        let key = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";
        let told = refuse_keys(["keywright", "api-key", "show", key].into_iter()).unwrap_err().to_string();
        assert!(told.contains("never as an argument") && !told.contains("kw_live"), "{told}");
        let option = format!("--output={key}");
        assert!(refuse_keys(["keywright", "api-key", "list", &option].into_iter()).is_err());
        assert!(refuse_keys(["keywright", "api-key", "show", "key_018f4c1e", "-"].into_iter()).is_ok());
        // One that was copied badly is as good as a key for whoever has the rest.
        let told = which(Some("kw_live_AwU75gCiOZHroBV Vsv7oWD2xu4Q")).unwrap_err().to_string();
        assert!(told.contains("no identifier") && !told.contains("kw_live"), "{told}");
        assert!(which(Some("-")).unwrap().is_none() && which(None).unwrap().is_none());
    }

    #[test]
    fn r036_what_is_in_a_key_is_read_without_asking_anybody() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd\n").unwrap();
        let args =
            |path: &PathBuf| Inspect { dash: None, source: KeySource { key_file: Some(path.clone()), key_env: None } };
        let told = inspect(&args(&path)).unwrap();
        assert_eq!((&told.json["entropy"], &told.json["environment"]), (&json!("256.0"), &json!("live")));
        fs::write(&path, "kw_test_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd").unwrap();
        assert!(inspect(&args(&path)).is_err(), "an edited environment");
        let offline = Gen { offline: true, prefix: "kw".into(), environment: "test".into(), random: text::RANDOM };
        let made = gen_offline(&offline).unwrap();
        fs::write(&path, made.text).unwrap();
        assert!(inspect(&args(&path)).is_ok());
    }
}
