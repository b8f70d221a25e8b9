//! Reads one table of the file together with the environment, which beats it.

use super::{
    environment::{Environment, Given, variable},
    problem::{Problem, nearest_setting},
    section::Field,
    setting::Setting,
    source::{References, is_reference},
};
use crate::base::secret::Secret;
use std::cmp::Ordering;
use toml::{Table, Value};

/// What was noticed while reading.
#[derive(Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    /// The dotted names of secrets that lie in the file itself.
    pub(super) inline_secrets: Vec<String>,
    /// What to say of secrets in files of their own that others can read.
    pub(super) open_secrets: Vec<String>,
    /// The dotted names of every setting and section that there is.
    pub(super) known: Vec<String>,
}

/// One table being read.
pub(super) struct Reader<'a, 'r> {
    pub(super) section: String,
    pub(super) table: &'a Table,
    /// `None` for a table of an array, which the environment cannot reach.
    pub(super) environment: Option<&'a Environment>,
    /// What reads the secrets that settings name.
    pub(super) references: &'a References<'a>,
    pub(super) report: &'r mut Report,
}

impl Reader<'_, '_> {
    /// Reports every key of the table that is no setting, each with the nearest known name.
    pub(super) fn refuse_unknown(&mut self, fields: &[Field]) {
        for key in self.table.keys().filter(|key| fields.iter().all(|field| field.name != key.as_str())) {
            let name = format!("{}.{key}", self.section);
            let plain = self.section.split('[').next().unwrap_or_default();
            let near = nearest_setting(&format!("{plain}.{key}"), self.report.known.iter().map(String::as_str));
            let instead = format!("the nearest known one is {}", near.unwrap_or("none"));
            self.report.problems.push(Problem::new(name, "is not a setting", instead));
        }
    }

    /// The value of a setting: from the environment, else the file, else its default. Reports what
    /// is wrong with it and is `None` then.
    pub(super) fn take<T: Setting>(&mut self, fields: &[Field], name: &str) -> Option<T> {
        let field = fields.iter().find(|field| field.name == name)?;
        let dotted = format!("{}.{name}", self.section);
        let in_file = self.table.get(name);
        if T::SECRET && in_file.is_some_and(lies_here::<T>) {
            self.report.inline_secrets.push(dotted.clone());
        }
        let given = self.environment.and_then(|environment| environment.get(&variable(&self.section, name)));
        if T::SECRET
            && let Some(open) = given.and_then(Given::open_to_others)
        {
            self.report.open_secrets.push(open);
        }
        let (from, read) = match (given, in_file) {
            (Some(given), _) => (format!("{dotted} (from {})", given.variable), self.given::<T>(given)),
            (None, Some(value)) => (dotted, self.written::<T>(value)),
            (None, None) => (dotted, absent::<T>(field)),
        };
        match read.and_then(|value| within_range(value, field)) {
            Ok(value) => Some(value),
            Err(wrong) => {
                let instead = format!("write {}{}", field.what, range_text(field));
                self.report.problems.push(Problem::new(from, wrong, instead));
                None
            }
        }
    }
}

/// Whether a value of the file is a secret itself, and does not only name one.
fn lies_here<T: Setting>(value: &Value) -> bool {
    if let Some(items) = value.as_array() {
        return items.iter().any(|item| !item.as_str().is_some_and(is_reference));
    }
    !value.as_str().is_some_and(is_reference) && T::from_toml(value).map_or(true, |value| value.holds_secret())
}

impl Reader<'_, '_> {
    /// A value of the file, with the secrets that it names in their places.
    fn written<T: Setting>(&self, value: &Value) -> Result<T, String> {
        let named = |value: &Value| T::SECRET && value.as_str().is_some_and(is_reference);
        let fetched = |value: &Value| match value.as_str() {
            Some(text) if named(value) => {
                self.references.fetch(text).map(|secret| Value::String(secret.expose().clone()))
            }
            Some(_) | None => Ok(value.clone()),
        };
        if let Some(items) = value.as_array().filter(|items| items.iter().any(named)) {
            let items: Result<Vec<Value>, String> = items.iter().map(fetched).collect();
            return T::from_toml(&Value::Array(items?));
        }
        if named(value) { T::from_toml(&fetched(value)?) } else { T::from_toml(value) }
    }

    /// An empty variable is refused, for it mostly comes from a secret that failed to arrive; only a
    /// list may be empty. What is read from a file is never a reference: it is the value.
    fn given<T: Setting>(&self, given: &Given) -> Result<T, String> {
        // A command may have commas of its own where there is no list that they would divide.
        let parts: Vec<&str> = if T::LIST { given.text.split(',').collect() } else { vec![&given.text] };
        if T::SECRET && given.file.is_none() && parts.iter().any(|part| is_reference(part)) {
            let fetched: Result<Vec<String>, String> =
                parts.into_iter().map(|part| self.references.fetch(part).map(|s| s.expose().clone())).collect();
            return T::from_text(Secret::new(fetched?.join(",")).expose());
        }
        match T::from_text(&given.text) {
            Ok(value) => Ok(value),
            Err(_) if given.text.is_empty() => Err("is empty".into()),
            Err(_) if given.file.is_some() => Err("names a file whose content is refused".into()),
            Err(wrong) => Err(wrong),
        }
    }
}

fn absent<T: Setting>(field: &Field) -> Result<T, String> {
    match field.default {
        Some(text) => T::from_text(text),
        None => T::absent().ok_or_else(|| "is missing".into()),
    }
}

fn within_range<T: Setting>(value: T, field: &Field) -> Result<T, String> {
    let Some((low, high)) = field.range else {
        return Ok(value);
    };
    let (low_value, high_value) = (T::from_text(low)?, T::from_text(high)?);
    let shown = || value.to_toml().unwrap_or_default();
    match (value.order(&low_value), value.order(&high_value)) {
        (Some(Ordering::Less), _) => Err(format!("{} is too little", shown())),
        (_, Some(Ordering::Greater)) => Err(format!("{} is too much", shown())),
        _ => Ok(value),
    }
}

/// " from 1 to 5", where a setting has a range.
pub(super) fn range_text(field: &Field) -> String {
    field.range.map(|(low, high)| format!(", from {low} to {high}")).unwrap_or_default()
}

/// The kind of a value that stands where a table should.
pub(super) fn not_a_table(section: &str, value: &Value) -> Problem {
    let wrong = super::setting::wrong_kind(value);
    Problem::new(section, wrong, format!("write a table: [{section}] on a line of its own, its settings below"))
}
