//! The reference page and the commented file, both made from the settings themselves.

use super::{Field, Known, Many, SECTIONS, When, environment::documented};
use std::fmt::Write;

const HEAD: &str = "\
# Settings

<!-- Made by `keywright docs` from src/config. Change the settings there, not here. -->

Settings come from one file, `keywright.toml`, and from the environment, which beats the file.
`keywright config check` tells everything that is wrong with both; `keywright config show` prints what is
in force. An unknown setting is an error.

Each setting `section.name` has a variable `KEYWRIGHT_SECTION_NAME`. The same name with `_FILE` at its end
holds the path of a file with the value, less one newline at its end: the way to give secrets. Lists are
separated by commas there. A file with secrets inside that every user can read is refused.

A setting that may be a secret may also name one: `env:NAME` (or `${NAME}`), `file:PATH`, `cmd:COMMAND` or
`vault:PATH#FIELD`; see [`[secrets]`](#secrets).

On SIGHUP the file is read and checked again. Where it is good, the settings marked *at once* take hold;
where it is not, everything stays as it was, and the log says why. One that turns out not to be applicable, such as a
key that does not fit the database, stays as it was by itself: the log names it after `not_applied`.
";

/// The page `docs/reference/config.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        let _ = write!(page, "\n## `{}`\n\n{}\n", heading(section), paragraph(section.doc));
        for field in section.fields {
            let _ = write!(page, "\n### `{}.{}`\n\n{}\n\n", section.name, field.name, paragraph(field.doc));
            let _ = writeln!(page, "- Write: {}{}", field.what, range(field));
            let _ = writeln!(page, "- Default: {}", default(field));
            if section.many == Many::One {
                let names: Vec<String> =
                    documented(section.name, field.name).iter().map(|n| format!("`{n}`")).collect();
                let _ = writeln!(page, "- Environment: {}", names.join(" or "));
            }
            if field.secret {
                let _ = writeln!(page, "- May be a secret: better in a file of its own than in `keywright.toml`");
            }
            let _ = writeln!(page, "- A change takes hold: {}", when(field));
        }
    }
    page
}

/// A `keywright.toml` with every setting, its documentation and its default, all commented out.
#[must_use]
pub fn template() -> String {
    let mut file =
        String::from("# Settings of Keywright. Each is shown with its default; remove the # to change it.\n");
    for section in SECTIONS {
        let mark = if section.many == Many::Any { "# " } else { "" };
        let _ = writeln!(file, "\n# {}\n{mark}{}", paragraph(section.doc).replace('\n', "\n# "), heading(section));
        for field in section.fields {
            let _ = writeln!(file, "\n# {}", paragraph(field.doc).replace('\n', "\n# "));
            let _ = match (field.default_toml)() {
                Some(value) => writeln!(file, "# {} = {value}", field.name),
                None => writeln!(file, "# {} = ...  ({})", field.name, field.what),
            };
        }
    }
    file
}

fn heading(section: &Known) -> String {
    match section.many {
        Many::One => format!("[{}]", section.name),
        Many::Any => format!("[[{}]]", section.name),
    }
}

/// The lines of a doc comment, without the space that each begins with.
fn paragraph(doc: &[&str]) -> String {
    let lines: Vec<&str> = doc.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

fn range(field: &Field) -> String {
    field.range.map(|(low, high)| format!("; from `{low}` to `{high}`")).unwrap_or_default()
}

fn default(field: &Field) -> String {
    (field.default_toml)().map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
}

const fn when(field: &Field) -> &'static str {
    match field.when {
        When::Live => "at once",
        When::Restart => "at the next start",
    }
}
