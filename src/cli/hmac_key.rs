//! The key of HMAC under which another system hashed its API keys: from a file, standard input or a variable, never an argument.

use super::Failure;
use crate::{
    apikey::foreign::{Written, mac_key},
    base::secret::Secret,
};
use clap::{Args, ValueEnum};
use std::{
    env, fs,
    io::{self, Read},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
};
use zeroize::Zeroize;

/// The most bytes that are read of it.
const MOST: u64 = 4096;

/// How it is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    /// As it is, less one newline at its end.
    #[default]
    Plain,
    /// In hexadecimal digits.
    Hex,
    /// In base64 of either alphabet.
    Base64,
}

#[derive(Args, Debug)]
pub(super) struct HmacKey {
    /// Read the key under which the HMACs were made from this file, less one newline at its end; -: standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "hmac_key_env")]
    hmac_key_file: Option<PathBuf>,
    /// Read that key from the environment variable of this name.
    #[arg(long, value_name = "NAME")]
    hmac_key_env: Option<String>,
    /// How that key is written there.
    #[arg(long, value_enum, value_name = "FORM", default_value = "plain")]
    hmac_key_form: Form,
}

impl HmacKey {
    /// Reads it, where it is needed; the list of keys may come from standard input already.
    pub(super) fn read(&self, needed: bool, list_from_stdin: bool) -> Result<Option<Secret<Vec<u8>>>, Failure> {
        let usage = |why: &str| Failure::Usage(why.to_owned());
        let text = match (&self.hmac_key_file, &self.hmac_key_env) {
            (Some(_), _) | (None, Some(_)) if !needed => {
                return Err(usage("the key of an HMAC is of use with --format hmac-sha256 only"));
            }
            (None, None) if needed => {
                return Err(usage("--format hmac-sha256 needs --hmac-key-file or --hmac-key-env"));
            }
            (None, None) => return Ok(None),
            (Some(path), _) if path.as_os_str() == "-" && list_from_stdin => {
                return Err(usage("the key of the HMACs and the list cannot both come from standard input"));
            }
            (Some(path), _) if path.as_os_str() == "-" => bytes(io::stdin().lock()),
            (Some(path), _) => fs::File::open(path).and_then(bytes),
            (None, Some(name)) => {
                let value = env::var_os(name).ok_or_else(|| Failure::Usage(format!("the variable {name} is unset")))?;
                bytes(value.into_vec().as_slice())
            }
        };
        let text = text.map_err(|e| Failure::Usage(format!("the key of the HMACs cannot be read: {e}")))?;
        let written = match self.hmac_key_form {
            Form::Plain => Written::Plain,
            Form::Hex => Written::Hex,
            Form::Base64 => Written::Base64,
        };
        let key = mac_key(written, &text);
        key.map(Some)
            .ok_or_else(|| usage("the key of the HMACs must be 1 to 1024 bytes, written as --hmac-key-form says"))
    }
}

/// All of it, less one newline at its end.
fn bytes(from: impl Read) -> io::Result<Secret<Vec<u8>>> {
    let mut text = Vec::new();
    if let Err(e) = from.take(MOST).read_to_end(&mut text) {
        text.zeroize();
        return Err(e);
    }
    for end in [b'\n', b'\r'] {
        if text.last() == Some(&end) {
            text.pop();
        }
    }
    Ok(Secret::new(text))
}
