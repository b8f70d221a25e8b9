//! `keywright keys import` and `export`: from and to another server.

use super::key_id;
use crate::{
    base::{
        fault::Stop,
        id::KeyId,
        moment::{Clock, Moment, SystemClock},
        secret::Secret,
    },
    cli::{
        Answer, Failure, Session,
        at_work::{in_world, moment, operator},
        secret_input,
    },
    config::span,
    flow::{
        import_key::{self, Import},
        list_keys,
    },
    jose::{Alg, import, public_pem},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::{fs, io::Read, path::PathBuf};

/// The most bytes that are read.
const MOST: u64 = 64 * 1024;

#[derive(Args, Debug)]
pub(in crate::cli) struct Bring {
    /// The private key, PEM or JWK: a file, or - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it signs with: ES256, ES384, EdDSA, RS256 or PS256. Unset: what it says, or what a key of its kind usually does.
    #[arg(long, value_name = "ALG", value_parser = alg)]
    alg: Option<Alg>,
    /// Its name, which tokens that are out carry. Unset: the one it has, or its thumbprint.
    #[arg(long, value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
    kid: Option<KeyId>,
    /// Publish it until this moment, such as 2026-12-24T09:00:00Z, or for this time, such as 30d, and let it sign
    /// nothing: for tokens of the server before.
    #[arg(long, value_name = "WHEN", value_parser = until)]
    retiring_until: Option<Moment>,
    /// Read the passphrase of an encrypted key from this file, less one newline at its end.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the environment variable of this name.
    #[arg(long, value_name = "NAME")]
    passphrase_env: Option<String>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Export {
    /// Which; unset: all that are published.
    #[arg(value_name = "KID", value_parser = key_id, allow_hyphen_values = true)]
    kid: Option<KeyId>,
    /// The public half. It must be said, for there is no way to export the private one.
    #[arg(long, required = true)]
    public: bool,
    /// How the text is written.
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Jwk)]
    form: Form,
}

/// How a public key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// JSON Web Key.
    Jwk,
    /// PEM.
    Pem,
}

fn alg(text: &str) -> Result<Alg, String> {
    Alg::parse(text).ok_or_else(|| "is none of ES256, ES384, EdDSA, RS256 and PS256".to_owned())
}

fn until(text: &str) -> Result<Moment, String> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::from_utc(at.to_utc()));
    }
    let time = span(text).map_err(|_| "is neither a moment of RFC 3339 nor a length of time such as 30d".to_owned())?;
    Ok(SystemClock.now() + time)
}

pub(super) fn bring(args: &Bring, session: &Session) -> Result<Answer, Failure> {
    let refused = |why: String| Failure::Failed(format!("{}: {why}", args.file.display()));
    let text = read(&args.file).map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", args.file.display())))?;
    let passphrase = secret_input::passphrase(args.passphrase_file.as_deref(), args.passphrase_env.as_deref())?;
    let key = import(text.expose(), passphrase.as_ref(), args.alg).map_err(|bad| refused(bad.to_string()))?;
    let own = key.kid.as_deref().map(|kid| {
        KeyId::parse(kid)
            .ok_or_else(|| refused("its kid is not 1 to 128 characters of base64url: name it by --kid".into()))
    });
    let kid = match (&args.kid, own) {
        (Some(kid), _) => Some(kid.clone()),
        (None, own) => own.transpose()?,
    };
    let brought = Import { private: key.private, alg: key.alg, kid, retiring_until: args.retiring_until };
    let (alg, only_verifies) = (brought.alg, args.retiring_until);
    in_world(session, async |_, world| {
        let done = import_key::run(world, brought.clone(), operator()).await;
        let kid = done.map_err(|stop| match stop {
            Stop::Refusal(not) => refused(not.to_string()),
            Stop::Fault(fault) => fault.into(),
        })?;
        let shown = list_keys::run(world).await?.into_iter().find(|key| key.record.kid == kid);
        let next = shown.as_ref().and_then(|key| key.next);
        let text = match (only_verifies, next) {
            (Some(until), _) => format!("{kid} is published until {until} and signs nothing"),
            (None, Some(next)) => format!("{kid} is published and signs with {alg} from {} on", next.at()),
            (None, None) => format!("{kid} is published"),
        };
        let state = shown.map_or("gone", |key| key.record.state.name());
        let (signs, until) = match only_verifies {
            Some(until) => (None, Some(until)),
            None => (next.map(crate::keyring::Next::at), None),
        };
        let json = json!({
            "kid": kid, "alg": alg.name(), "state": state, "signs_from": moment(signs), "published_until": moment(until),
        });
        Ok(Answer::new(text, json))
    })
}

/// All of a file, or of standard input where it is `-`.
fn read(path: &PathBuf) -> std::io::Result<Secret<Vec<u8>>> {
    let mut text = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MOST + 1).read_to_end(&mut text)?;
    } else {
        fs::File::open(path)?.take(MOST + 1).read_to_end(&mut text)?;
    }
    Ok(Secret::new(text))
}

pub(super) fn export(args: &Export, session: &Session) -> Result<Answer, Failure> {
    in_world(session, async |_, world| {
        let mut keys = list_keys::run(world).await?;
        keys.retain(|key| match &args.kid {
            Some(kid) => key.record.kid == *kid,
            None => key.record.is_published(),
        });
        let jwks: Vec<Value> = keys.into_iter().map(|key| key.public).collect();
        let pems = jwks.iter().map(public_pem).collect::<Result<Vec<_>, _>>()?;
        let text = match (args.form, &args.kid, jwks.first()) {
            (_, Some(kid), None) => return Err(Failure::Failed(format!("there is no signing key {kid}"))),
            (Form::Pem, _, _) => pems.concat().trim_end().to_owned(),
            (Form::Jwk, Some(_), Some(jwk)) => jwk.to_string(),
            (Form::Jwk, None, _) => json!({ "keys": jwks }).to_string(),
        };
        Ok(Answer::new(text, json!({ "keys": jwks, "pem": pems })))
    })
}
