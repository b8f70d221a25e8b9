//! Floor 1: what an operator may set. One file for each section, with the defaults and the
//! documentation of its settings; pure values, no input but the file, the variables given, and the
//! secrets that these name.
//!
//! A setting is written down once, in `section!`: its field, its words in the reference, its
//! default, its range and its check all come from there. Reading finds *all* problems, not the first.

mod api_keys;
mod check;
mod clients;
mod database;
mod declared;
mod environment;
mod file;
mod gateway;
mod geo;
mod keys;
mod limits;
mod log;
mod outbound;
mod policy;
mod problem;
mod reader;
mod reference;
mod reload;
mod resources;
mod secrets;
mod section;
mod server;
mod setting;
mod sign_in;
mod source;
#[cfg(test)]
mod tests;
mod tokens;

pub use self::{
    api_keys::ApiKeys,
    clients::Clients,
    database::{Database, DatabaseUrl, Synchronous},
    declared::{DeclaredClient, declared_clients},
    environment::{CONFIG_VARIABLE, environment},
    gateway::{Gateway, GatewaySecret},
    geo::Geo,
    keys::Keys,
    limits::{CountedIn, Limits, RedisUrl},
    log::{Format, Level, Log, Requests as LogRequests},
    outbound::{Outbound, Reachable},
    policy::LONGEST_ACCESS_TOKEN,
    problem::{ConfigError, Problem},
    reference::{reference, template},
    reload::Differences,
    resources::{OfferedScope, ProtectedResource},
    secrets::{Secrets, VaultAddress},
    server::Server,
    setting::span,
    sign_in::{Rate, SignIn},
    source::{OpenVault, Source, VaultAccess, VaultLogin},
    tokens::Tokens,
};

use self::{
    environment::{Environment, variable},
    reader::{Reader, Report, not_a_table},
    section::{Field, Section, When},
    source::References,
};
use crate::base::secret::Secret;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What is known about one section, for the reference and for names.
#[derive(Clone, Copy, Debug)]
struct Known {
    name: &'static str,
    doc: &'static [&'static str],
    fields: &'static [Field],
    /// Whether the file may have many tables of it, which the environment cannot reach.
    many: Many,
}

/// How often a section may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Many {
    /// `[section]`.
    One,
    /// `[[section]]`.
    Any,
}

macro_rules! sections {
    ($($(#[doc = $doc:literal])+ $field:ident: $ty:ty),+; $(#[doc = $mdoc:literal])+ $many:ident: $mty:ty) => {
        /// Everything an operator may set, checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $ty,)+
            $(#[doc = $mdoc])+
            pub $many: Vec<$mty>,
            warnings: Vec<String>,
            /// The secrets that lie in the file itself.
            inline: Vec<String>,
        }

        const SECTIONS: &[Known] = &[
            $(Known { name: <$ty>::NAME, doc: <$ty>::DOC, fields: <$ty>::FIELDS, many: Many::One },)+
            Known { name: <$mty>::NAME, doc: <$mty>::DOC, fields: <$mty>::FIELDS, many: Many::Any },
        ];

        impl Config {
            fn read(
                root: &Table,
                environment: &Environment,
                references: &References<'_>,
                report: &mut Report,
            ) -> Option<Self> {
                $(let $field = one::<$ty>(root, environment, references, report);)+
                let $many = any::<$mty>(root, references, report);
                Some(Self { $($field: $field?,)+ $many: $many?, warnings: Vec::new(), inline: Vec::new() })
            }
            fn differing(&self, other: &Self) -> Vec<(&'static str, &'static Field)> {
                let mut all = Vec::new();
                $(all.extend(self.$field.differences(&other.$field).into_iter().map(|f| (<$ty>::NAME, f)));)+
                all
            }
            /// Every setting in force as `(section, setting, TOML)`, secrets masked; the TOML is `None`
            /// where it is unset. Tables of an array have the section `name[0]`, `name[1]` and so on.
            #[must_use]
            pub fn shown(&self) -> Vec<(String, &'static str, Option<String>)> {
                let mut all = Vec::new();
                $(all.extend(self.$field.shown().into_iter().map(|(f, v)| (<$ty>::NAME.to_owned(), f.name, v)));)+
                for (n, each) in self.$many.iter().enumerate() {
                    all.extend(each.shown().into_iter().map(|(f, v)| (format!("{}[{n}]", <$mty>::NAME), f.name, v)));
                }
                all
            }
        }
    };
}

sections! {
    /// `[server]`: who the server is and where it listens.
    server: Server,
    /// `[database]`: where the state lives.
    database: Database,
    /// `[secrets]`: the key above all keys.
    secrets: Secrets,
    /// `[tokens]`: how long tokens and codes live, and how they are signed.
    tokens: Tokens,
    /// `[keys]`: the life of signing keys.
    keys: Keys,
    /// `[api_keys]`: the keys of other people's APIs.
    api_keys: ApiKeys,
    /// `[gateway]`: gateways that ask whether a request may pass.
    gateway: Gateway,
    /// `[sign_in]`: how people sign in.
    sign_in: SignIn,
    /// `[limits]`: where limits are counted, and what our own endpoints allow.
    limits: Limits,
    /// `[geo]`: where addresses are.
    geo: Geo,
    /// `[outbound]`: what the server itself may call.
    outbound: Outbound,
    /// `[log]`: what is logged, and how.
    log: Log,
    /// `[clients]`: clients declared in a file.
    clients: Clients;
    /// `[[resources]]`: the APIs that access tokens are for.
    resources: ProtectedResource
}

impl Config {
    /// Reads the file (where there is one) and the variables, which beat it, and checks the whole.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn load(path: Option<&Path>, variables: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::load_with(path, variables, &source::no_vault)
    }

    /// As [`Config::load`], with what opens Vault for the settings that name a secret there. It blocks.
    ///
    /// # Errors
    /// As [`Config::load`]; a secret that its source does not give is among what is wrong.
    pub fn load_with(
        path: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        open_vault: &OpenVault,
    ) -> Result<Self, ConfigError> {
        let mut report = Report { known: known_names(), ..Report::default() };
        let environment = Environment::collect(variables, &known_variables(), &mut report);
        let file = file::read(path, &mut report);
        refuse_unknown_sections(&file.table, &mut report);
        let references = References::new(open_vault, || secrets::vault_access(&file.table, &environment));
        let config = Self::read(&file.table, &environment, &references, &mut report);
        let mut warnings = file.judge(&mut report);
        if let Some(config) = &config {
            report.problems.extend(check::problems(config));
            warnings.append(&mut report.open_secrets);
            warnings.extend(check::warnings(config));
        }
        match config {
            Some(config) if report.problems.is_empty() => {
                Ok(Self { warnings, inline: report.inline_secrets, ..config })
            }
            _ => Err(ConfigError { problems: report.problems }),
        }
    }

    /// The database in force: the one given, else the SQLite file in the data directory.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        self.database.url.clone().unwrap_or_else(|| DatabaseUrl::within(&self.server.data_dir))
    }

    /// Where limits are counted by all nodes together, if anywhere.
    #[must_use]
    pub fn redis(&self) -> Option<&Secret<String>> {
        match self.limits.store {
            CountedIn::Local => None,
            CountedIn::Redis | CountedIn::Auto => self.limits.redis_url.as_ref().map(|RedisUrl(url)| url),
        }
    }

    /// The file of the key-encryption key that is used, and made, when `secrets.kek` is unset.
    #[must_use]
    pub fn kek_file(&self) -> PathBuf {
        self.server.data_dir.join("kek")
    }

    /// The settings that are secrets and lie in the file itself, by their dotted names.
    #[must_use]
    pub fn inline_secrets(&self) -> &[String] {
        &self.inline
    }

    /// What is allowed but worth a second thought, in sentences for the operator.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn one<S: Section>(
    root: &Table,
    environment: &Environment,
    references: &References<'_>,
    report: &mut Report,
) -> Option<S> {
    let empty = Table::new();
    let table = match root.get(S::NAME) {
        None => &empty,
        Some(Value::Table(table)) => table,
        Some(other) => {
            report.problems.push(not_a_table(S::NAME, other));
            return None;
        }
    };
    S::read(&mut Reader { section: S::NAME.to_owned(), table, environment: Some(environment), references, report })
}

fn any<S: Section>(root: &Table, references: &References<'_>, report: &mut Report) -> Option<Vec<S>> {
    let tables = match root.get(S::NAME) {
        None => return Some(Vec::new()),
        Some(Value::Array(tables)) => tables,
        Some(other) => {
            report.problems.push(not_a_table(&format!("[{}]", S::NAME), other));
            return None;
        }
    };
    let read = |(n, value): (usize, &Value)| {
        let section = format!("{}[{n}]", S::NAME);
        let Some(table) = value.as_table() else {
            report.problems.push(not_a_table(&format!("[{}]", S::NAME), value));
            return None;
        };
        S::read(&mut Reader { section, table, environment: None, references, report })
    };
    // Collected first, so that the problems of every table are told.
    let all: Vec<Option<S>> = tables.iter().enumerate().map(read).collect();
    all.into_iter().collect()
}

fn known_names() -> Vec<String> {
    SECTIONS.iter().flat_map(|s| s.fields.iter().map(|f| format!("{}.{}", s.name, f.name))).collect()
}

fn known_variables() -> Vec<String> {
    let reachable = SECTIONS.iter().filter(|section| section.many == Many::One);
    reachable.flat_map(|s| s.fields.iter().map(|f| variable(s.name, f.name))).collect()
}

fn refuse_unknown_sections(root: &Table, report: &mut Report) {
    for (key, value) in root.iter().filter(|(key, _)| SECTIONS.iter().all(|s| s.name != key.as_str())) {
        let problem = if value.is_table() || value.is_array() {
            let near = problem::nearest(key, SECTIONS.iter().map(|s| s.name)).unwrap_or_default();
            Problem::new(key, "is not a section", format!("the nearest known one is {near}"))
        } else {
            let settings = report.known.iter().map(String::as_str);
            let near = problem::nearest_setting(key, settings).unwrap_or_default();
            Problem::new(key, "is not a setting", format!("the nearest known one is {near}"))
        };
        report.problems.push(problem);
    }
}
