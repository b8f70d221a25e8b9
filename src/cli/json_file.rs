//! JSON objects that commands take from a file or from standard input.

use super::Failure;
use serde_json::{Map, Value};
use std::{fs, io::Read, path::Path};

/// The most bytes that are read.
const MOST: u64 = 1024 * 1024;

/// Reads the object in this file, or on standard input where it is `-`.
///
/// # Errors
/// [`Failure::Usage`], naming the option.
pub(super) fn read(option: &str, path: &Path) -> Result<Map<String, Value>, Failure> {
    let bad = |why: String| Failure::Usage(format!("{option} {}: {why}", path.display()));
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MOST).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text))
    };
    read.map_err(|e| bad(format!("cannot be read: {e}")))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(bad("is no JSON object".into())),
        Err(e) => Err(bad(format!("is not JSON: {e}"))),
    }
}
