//! What changes when the file is read again while the server runs.

use super::{Config, Section, When};

/// The settings that differ between two configurations, by their dotted names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Those that take hold at once.
    pub at_once: Vec<String>,
    /// Those that keep their old value until the next start.
    pub needs_restart: Vec<String>,
}

impl Differences {
    /// Whether nothing differs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.needs_restart.is_empty()
    }
}

impl Config {
    /// What differs between the configuration in force and one read now.
    #[must_use]
    pub fn reload_differences(old: &Self, new: &Self) -> Differences {
        let mut found = Differences::default();
        for (section, field) in old.differing(new) {
            let name = format!("{section}.{}", field.name);
            match field.when {
                When::Live => found.at_once.push(name),
                When::Restart => found.needs_restart.push(name),
            }
        }
        let texts = |config: &Self| -> Vec<Vec<Option<String>>> {
            config.resources.iter().map(|r| r.shown().into_iter().map(|(_, value)| value).collect()).collect()
        };
        if texts(old) != texts(new) {
            found.at_once.push("resources".into());
        }
        found
    }
}
