//! How a key is used, in the languages that people ask for: ready to be pasted. Only the line for
//! `.env` holds the key; the others read it from the environment, where it belongs.

/// A piece of text to be pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// What it is for.
    pub name: &'static str,
    /// The text.
    pub code: String,
}

/// The name of the variable that holds a key for an API of this name: `WEATHER_API_KEY`.
#[must_use]
pub fn variable(api: &str) -> String {
    let word: String =
        api.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if word.ends_with("_API") { format!("{word}_KEY") } else { format!("{word}_API_KEY") }
}

/// All but that for `.env`, for calls of this address.
#[must_use]
pub fn snippets(api: &str, address: &str) -> Vec<Snippet> {
    let (key, url) = (variable(api), quoted(address));
    vec![
        Snippet { name: "curl", code: format!("curl {url} \\\n  -H \"Authorization: Bearer ${key}\"") },
        Snippet {
            name: "Python",
            code: format!(
                "import os, urllib.request\n\n\
                 request = urllib.request.Request(\n    {url},\n    \
                 headers={{\"Authorization\": \"Bearer \" + os.environ[\"{key}\"]}},\n)\n\
                 print(urllib.request.urlopen(request).read().decode())"
            ),
        },
        Snippet {
            name: "JavaScript",
            code: format!(
                "const answer = await fetch({url}, {{\n  \
                 headers: {{ Authorization: `Bearer ${{process.env.{key}}}` }},\n}});\n\
                 console.log(answer.status, await answer.text());"
            ),
        },
        Snippet {
            name: "Go",
            code: format!(
                "request, err := http.NewRequest(\"GET\", {url}, nil)\nif err != nil {{\n\tlog.Fatal(err)\n}}\n\
                 request.Header.Set(\"Authorization\", \"Bearer \"+os.Getenv(\"{key}\"))\n\
                 answer, err := http.DefaultClient.Do(request)"
            ),
        },
        Snippet {
            name: "Rust",
            code: format!(
                "// ureq = \"3\"\nlet key = std::env::var(\"{key}\")?;\n\
                 let mut answer = ureq::get({url})\n    \
                 .header(\"Authorization\", format!(\"Bearer {{key}}\"))\n    .call()?;\n\
                 println!(\"{{}}\", answer.body_mut().read_to_string()?);"
            ),
        },
        Snippet {
            name: "Secret managers",
            code: format!(
                "# Each asks for the key or reads it from its input: paste it there.\n\
                 gh secret set {key}\n\
                 vault kv put -mount=secret {api} key=-\n\
                 docker secret create {} -\n\
                 systemd-creds encrypt --name={api} - {api}.cred",
                key.to_ascii_lowercase()
            ),
        },
    ]
}

/// An address as a string of all these languages: it is a URI, so only what could end it needs care.
fn quoted(address: &str) -> String {
    let plain: String = address.chars().filter(|c| !matches!(c, '"' | '\\' | '`' | '$') && !c.is_control()).collect();
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_named_after_the_api() {
        for (api, name) in
            [("weather", "WEATHER_API_KEY"), ("my-notes", "MY_NOTES_API_KEY"), ("docs-api", "DOCS_API_KEY")]
        {
            assert_eq!(variable(api), name);
        }
    }

    #[test]
    fn no_address_ends_the_string_that_it_stands_in() {
        for snippet in snippets("docs", "https://x.example/\"$(reboot)`id`\\\n") {
            assert!(!snippet.code.contains("/\"$(") && !snippet.code.contains("`id`"), "{snippet:?}");
        }
    }
}
