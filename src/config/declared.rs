//! A file of declared clients: JSON or TOML, a list `clients` of client metadata, in which secrets
//! are only named: by the file or the variable that holds them.

use crate::base::{
    credential::{Kind, well_formed},
    id::ClientId,
    secret::Secret,
};
use serde_json::{Map, Value};
use std::{fs, path::Path};

/// Names a file that holds a secret of the client, or several.
const SECRET_FILE: &str = "client_secret_file";
/// Names an environment variable that holds one, or several.
const SECRET_ENV: &str = "client_secret_env";

/// A client as a file declares it.
#[derive(Clone, Debug)]
pub struct DeclaredClient {
    /// Its identifier.
    pub id: ClientId,
    /// Its metadata, without what names its secrets.
    pub metadata: Map<String, Value>,
    /// Its secrets, all good at once; `None` where the file does not speak of them.
    pub secrets: Option<Vec<Secret<String>>>,
}

/// Reads a file of declared clients, and the secrets that it names. Paths in it are relative to it.
///
/// # Errors
/// What is wrong with it, in words for its author; no secret is repeated.
pub fn declared_clients(path: &Path) -> Result<Vec<DeclaredClient>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    let told = |why: String| format!("{}: {why}", path.display());
    let root: Value = if path.extension().is_some_and(|ending| ending == "toml") {
        let table = text.parse::<toml::Table>().map_err(|e| told(format!("is not TOML: {}", e.message())))?;
        serde_json::to_value(table).map_err(|e| told(e.to_string()))?
    } else {
        serde_json::from_str(&text).map_err(|e| told(format!("is not JSON: {e}")))?
    };
    let list = match root {
        Value::Array(list) => list,
        Value::Object(mut object) => match (object.remove("clients"), object.keys().next()) {
            (_, Some(other)) => return Err(told(format!("has the unknown member {other}; there is only clients"))),
            (Some(Value::Array(list)), None) => list,
            (None, None) => Vec::new(),
            (Some(_), None) => return Err(told("clients must be a list".into())),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(told("must be an object with a list clients".into()));
        }
    };
    let from = path.parent().unwrap_or(Path::new("."));
    let read = |(n, one): (usize, Value)| client(one, from).map_err(|why| told(format!("clients[{n}] {why}")));
    list.into_iter().enumerate().map(read).collect()
}

fn client(one: Value, from: &Path) -> Result<DeclaredClient, String> {
    let Value::Object(mut metadata) = one else { return Err("must be an object".into()) };
    let id = metadata.get("client_id").and_then(Value::as_str).and_then(ClientId::parse);
    let id = id.ok_or("needs a client_id of 1 to 128 printable characters")?;
    let (files, variables) = (names(&mut metadata, SECRET_FILE)?, names(&mut metadata, SECRET_ENV)?);
    let secrets = match (files, variables) {
        (None, None) => None,
        (files, variables) => {
            let mut secrets = Vec::new();
            for name in files.unwrap_or_default() {
                let path = from.join(&name);
                let text = fs::read_to_string(&path);
                secrets.push(secret(text.map_err(|e| format!("names {} which cannot be read: {e}", path.display()))?)?);
            }
            for name in variables.unwrap_or_default() {
                let text = std::env::var_os(&name).and_then(|text| text.into_string().ok());
                secrets.push(secret(text.ok_or_else(|| format!("names the variable {name}, which is unset"))?)?);
            }
            Some(secrets)
        }
    };
    Ok(DeclaredClient { id, metadata, secrets })
}

/// One name or several, taken out of the metadata.
fn names(metadata: &mut Map<String, Value>, member: &str) -> Result<Option<Vec<String>>, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match metadata.remove(member) {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            Ok(Some(many.iter().filter_map(text).collect()))
        }
        Some(_) => Err(format!("has a {member} that is neither a text nor a list of texts")),
    }
}

/// Only secrets that were made by us are taken: then they are random enough, and have the form
/// that scanners for leaked secrets know.
fn secret(text: String) -> Result<Secret<String>, String> {
    let text = Secret::new(text);
    let trimmed = text.expose().trim();
    if well_formed(Kind::ClientSecret, trimmed) {
        Ok(Secret::new(trimmed.to_owned()))
    } else {
        Err("has a secret that is none of ours: make one with `keywright client make-secret`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{credential::mint, entropy::SeededEntropy};

    fn read(name: &str, text: &str, secret: &str) -> Result<Vec<DeclaredClient>, String> {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("secret"), secret).unwrap();
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        declared_clients(&path)
    }

    #[test]
    fn json_and_toml_say_the_same() {
        let secret = mint(Kind::ClientSecret, &SeededEntropy::new(1)).unwrap();
        let secret = format!("{}\n", secret.expose());
        let json = r#"{"clients": [{"client_id": "shop", "client_name": "Shop", "client_secret_file": "secret"}]}"#;
        let toml = "[[clients]]\nclient_id = \"shop\"\nclient_name = \"Shop\"\nclient_secret_file = [\"secret\"]";
        for (name, text) in [("c.json", json), ("c.toml", toml)] {
            let read = read(name, text, &secret).unwrap();
            let [one] = read.as_slice() else { panic!("{name}") };
            assert_eq!(one.id.as_str(), "shop");
            assert_eq!(one.metadata.keys().collect::<Vec<_>>(), ["client_id", "client_name"]);
            assert_eq!(one.secrets.as_ref().map(Vec::len), Some(1));
            assert!(one.secrets.as_ref().unwrap()[0].matches(secret.trim().as_bytes()));
        }
        assert!(read("c.json", "[]", "").unwrap().is_empty());
        assert!(read("c.toml", "", "").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_without_the_secret() {
        for (text, told) in [
            ("{", "is not JSON"),
            ("3", "must be an object"),
            (r#"{"client": []}"#, "unknown member client"),
            (r#"{"clients": {}}"#, "clients must be a list"),
            (r#"[{"client_name": "x"}]"#, "clients[0] needs a client_id"),
            (r#"[{"client_id": "a", "client_secret_file": 3}]"#, "neither a text nor"),
            (r#"[{"client_id": "a", "client_secret_file": "nowhere"}]"#, "cannot be read"),
            (r#"[{"client_id": "a", "client_secret_env": "NO_SUCH_VARIABLE_HERE"}]"#, "unset"),
            (r#"[{"client_id": "a", "client_secret_file": "secret"}]"#, "make-secret"),
        ] {
            let error = read("c.json", text, "hunter2hunter2hunter2hunter2hunter2").unwrap_err();
            assert!(error.contains(told) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
