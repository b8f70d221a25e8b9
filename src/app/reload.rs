//! Reading the settings again while the server runs: the whole is validated first, and where it is
//! good, what can change is swapped at once. What cannot be taken after all, such as a key that does
//! not fit the database, stays as it was, and the log says so.

use super::{declared, kek, open, serve::Origin, settings};
use crate::{
    base::fault::Fault,
    config::{Config, LogRequests},
    flow::{rotate_keys, secrets, world::World},
    http::site::Site,
    telemetry::Requests,
};
use std::{collections::BTreeSet, fmt::Display, sync::Arc, thread};
use tokio::sync::oneshot;

/// The settings that a running server goes by.
#[derive(Debug)]
pub struct InForce {
    /// Those of the start: what needs a restart is as it was then.
    started: Config,
    /// Those that were read last: what can change at once is as they say.
    read: Config,
    /// The names of those of them that are not, for something went wrong.
    owed: BTreeSet<String>,
}

impl InForce {
    /// Those of a server that has just started.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let read = config.clone();
        Self { started: config, read, owed: BTreeSet::new() }
    }
}

/// The settings as they are now. They are read on a thread that nobody waits for where the server ends meanwhile: a
/// source of secrets may take its time.
async fn load(origin: &Origin) -> Option<Config> {
    let file = origin.file.clone();
    let (give, given) = oneshot::channel();
    let read = move || {
        // Where nobody wants them any more, the server ends.
        let _ = give.send(settings::load(file.as_deref()));
    };
    if let Err(error) = thread::Builder::new().name("settings".to_owned()).spawn(read) {
        tracing::error!(%error, "the settings could not be read; the old ones stay");
        return None;
    }
    match given.await {
        Ok(Ok(new)) => Some(new),
        Ok(Err(error)) => {
            tracing::error!(%error, "the settings were refused; the old ones stay");
            None
        }
        Err(error) => {
            tracing::error!(%error, "the settings could not be read; the old ones stay");
            None
        }
    }
}

/// Takes other key-encryption keys and peppers in hand, unless they do not open what rests in the database. A key in
/// a file is read in the folder that was this server's when it started: another folder waits for a restart.
async fn take_keys(new: &Config, started: &Config, world: &World) -> Result<(), Fault> {
    let mut there = new.clone();
    there.server.data_dir.clone_from(&started.server.data_dir);
    let given = kek::given(&there, &world.store, &*world.dice).await?;
    secrets::take(&world.secrets, &world.store, given).await
}

/// What could not be applied.
#[derive(Default)]
struct Failed(BTreeSet<&'static str>);

impl Failed {
    /// Says that these settings stay as they were, where they do.
    fn hear<E: Display>(&mut self, outcome: Result<(), E>, names: &[&'static str], told: &str) {
        if let Err(error) = outcome {
            tracing::error!(%error, "{told}");
            self.0.extend(names);
        }
    }
}

/// Applies the settings as they are now, unless they are refused.
pub async fn run(settings: &mut InForce, origin: &Origin, site: &Site) {
    let Some(new) = load(origin).await else { return };
    let world = &site.world;
    let mut touched: BTreeSet<String> = Config::reload_differences(&settings.read, &new).at_once.into_iter().collect();
    touched.append(&mut settings.owed);
    let waiting = Config::reload_differences(&settings.started, &new).needs_restart;
    let mut failed = Failed::default();
    if let (Some(logs), true) = (&origin.logs, touched.iter().any(|name| name.starts_with("log."))) {
        let outcome = logs.set(new.log.level.as_str(), requests(&new));
        failed.hear(outcome, &["log.level", "log.requests"], "what is logged stays as it was");
    }
    let mut policy = open::policy(&new);
    // What needs a restart stays as it was, or half of the server would believe one thing and half another.
    policy.tokens.issuer = world.policy.load().tokens.issuer.clone();
    world.policy.store(Arc::new(policy));
    site.policy_changed();
    let keys = ["secrets.kek", "secrets.older_keks", "secrets.pepper", "secrets.older_peppers"];
    failed.hear(
        take_keys(&new, &settings.started, world).await,
        &keys,
        "the key-encryption keys and peppers stay as they were",
    );
    if let Some(access) = new.secrets.vault() {
        world.signers.reach(settings::vault(access));
    }
    if let Err(error) = rotate_keys::policy_changed(world).await {
        tracing::error!(%error, "the signing keys follow the new settings within a minute, not at once");
    }
    world.outbound.apply(&open::outbound_policy(&new));
    let geo = world.geo.reload(new.geo.database.as_deref(), world.now());
    failed.hear(geo, &["geo.database"], "the database of addresses stays as it was");
    site.trusted_proxies.store(Arc::new(new.server.trusted_proxies.clone()));
    failed.hear(declared::apply(&new, world).await, &["clients.file"], "the declared clients stay as they were");
    let (owed, applied): (BTreeSet<String>, BTreeSet<String>) =
        touched.into_iter().partition(|name| failed.0.contains(name.as_str()));
    let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    tracing::info!(
        applied = listed(&applied),
        not_applied = listed(&owed),
        waiting_for_a_restart = waiting.join(" "),
        "the settings were read again"
    );
    settings.read = new;
    settings.owed = owed;
}

/// Whether requests with API keys are to be logged.
#[must_use]
pub fn requests(config: &Config) -> Requests {
    match config.log.requests {
        LogRequests::On => Requests::On,
        LogRequests::Off => Requests::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::Cost, app::open::Edges};
    use std::{fs, os::unix::fs::PermissionsExt};

    /// Starts with one file of settings, reads others one after the other, and says what was true after each: whether
    /// the issuer was the first, what is owed, and what waits.
    fn read_again(files: &[&str]) -> Vec<(bool, Vec<String>, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keywright.toml");
        let data = folder.path().join("data");
        let write = |text: &str| {
            fs::write(&file, text.replace("DATA", &data.display().to_string())).unwrap();
            // One holds a secret.
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            write(files[0]);
            let origin = Origin { file: Some(file.clone()), logs: None };
            let config = settings::load(origin.file.as_deref()).unwrap();
            let edges = Edges { hash_cost: Cost::new(64, 1, 1).unwrap(), ..Edges::system() };
            let world = open::open(&config, &edges).await.unwrap();
            let site = Site::new(Arc::clone(&world), Vec::new());
            let issuer = world.policy.load().tokens.issuer.clone();
            let mut settings = InForce::new(config);
            let mut found = Vec::new();
            for text in &files[1..] {
                write(text);
                run(&mut settings, &origin, &site).await;
                let same = world.policy.load().tokens.issuer == issuer;
                let waiting = Config::reload_differences(&settings.started, &settings.read).needs_restart;
                found.push((same, settings.owed.iter().cloned().collect(), waiting));
            }
            world.store.close();
            found
        })
    }

    #[test]
    fn what_waits_for_a_restart_waits_until_there_is_one_or_the_setting_is_as_it_was() {
        let first = "[server]\nissuer = \"http://127.0.0.1:1\"\ndata_dir = \"DATA\"\n";
        let other = first.replace(":1\"", ":2\"");
        let waits = || (true, Vec::new(), vec!["server.issuer".to_owned()]);
        let found = read_again(&[first, &other, &other, &other, first]);
        assert_eq!(found, [waits(), waits(), waits(), (true, Vec::new(), Vec::new())]);
    }

    #[test]
    fn another_folder_waits_for_a_restart_and_other_keys_are_taken_meanwhile() {
        let first = "[server]\ndata_dir = \"DATA\"\n";
        let other = "[server]\ndata_dir = \"DATA/other\"\n[secrets]\npepper = \"1111111111111111111111111111111111111111111111111111111111111111\"\n";
        let found = read_again(&[first, other]);
        assert_eq!(found, [(true, Vec::new(), vec!["server.data_dir".to_owned()])]);
    }

    #[test]
    fn what_could_not_be_applied_is_owed_until_it_is() {
        let good = "[server]\ndata_dir = \"DATA\"\n";
        let bad = format!(
            "{good}[secrets]\nkek = \"{}\"\n[geo]\ndatabase = \"/nowhere\"\n[log]\nlevel = \"warn\"\n",
            "11".repeat(32)
        );
        let owed = ["geo.database".to_owned(), "secrets.kek".to_owned()];
        let found = read_again(&[good, &bad, &bad, good]);
        assert_eq!(found.iter().map(|(_, owed, _)| owed.clone()).collect::<Vec<_>>(), [&owed[..], &owed[..], &[]]);
    }
}
