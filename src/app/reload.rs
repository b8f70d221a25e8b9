//! Reading the settings again while the server runs: the whole is validated first, then what can
//! change is swapped at once; on any error everything stays as it was.

use super::{declared, kek, open, serve::Origin, settings};
use crate::{
    config::{Config, LogRequests},
    flow::{rotate_keys, secrets, world::World},
    http::site::Site,
    telemetry::Requests,
};
use std::sync::Arc;

/// The settings as they are now, read where nobody waits: a source of secrets may take its time.
async fn load(origin: &Origin) -> Option<Config> {
    let file = origin.file.clone();
    match tokio::task::spawn_blocking(move || settings::load(file.as_deref())).await {
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

/// Takes other key-encryption keys and peppers in hand, unless they do not open what rests in the database.
async fn take_keys(new: &Config, world: &World) {
    let checked = async {
        let given = kek::given(new, &world.store, &*world.dice).await?;
        secrets::take(&world.secrets, &world.store, given).await
    };
    if let Err(error) = checked.await {
        tracing::error!(%error, "the key-encryption keys and peppers stay as they were");
    }
}

/// Applies the settings as they are now. Returns them, or nothing where they were refused.
pub async fn run(old: &Config, origin: &Origin, site: &Site) -> Option<Config> {
    let new = load(origin).await?;
    let differences = Config::reload_differences(old, &new);
    let world = &site.world;
    if let (Some(logs), true) = (&origin.logs, (old.log.level, old.log.requests) != (new.log.level, new.log.requests))
        && let Err(error) = logs.set(new.log.level.as_str(), requests(&new))
    {
        tracing::error!(%error, "what is logged stays as it was");
    }
    let mut policy = open::policy(&new);
    // What needs a restart stays as it was, or half of the server would believe one thing and half another.
    // The settings before may have waited for a restart themselves, so it is the policy in force that counts.
    policy.tokens.issuer = world.policy.load().tokens.issuer.clone();
    world.policy.store(Arc::new(policy));
    site.policy_changed();
    take_keys(&new, world).await;
    if let Some(access) = new.secrets.vault() {
        world.signers.reach(settings::vault(access));
    }
    if let Err(error) = rotate_keys::policy_changed(world).await {
        tracing::error!(%error, "the signing keys follow the new settings within a minute, not at once");
    }
    world.outbound.apply(&open::outbound_policy(&new));
    if let Err(error) = world.geo.reload(new.geo.database.as_deref(), world.now()) {
        tracing::error!(%error, "the database of addresses stays as it was");
    }
    site.trusted_proxies.store(Arc::new(new.server.trusted_proxies.clone()));
    if let Err(error) = declared::apply(&new, world).await {
        tracing::error!(%error, "the declared clients stay as they were");
    }
    tracing::info!(
        applied = differences.at_once.join(" "),
        waiting_for_a_restart = differences.needs_restart.join(" "),
        "the settings were read again"
    );
    Some(new)
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
    use std::fs;

    #[test]
    fn an_issuer_that_waits_for_a_restart_still_waits_when_the_settings_are_read_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keywright.toml");
        let write = |issuer: &str| {
            let data = folder.path().join("data");
            fs::write(&file, format!("[server]\nissuer = \"{issuer}\"\ndata_dir = \"{}\"\n", data.display())).unwrap();
        };
        let (before, after) = ("http://127.0.0.1:1", "http://127.0.0.1:2");
        write(before);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let origin = Origin { file: Some(file.clone()), logs: None };
            let mut config = settings::load(origin.file.as_deref()).unwrap();
            let edges = Edges { hash_cost: Cost::new(64, 1, 1).unwrap(), ..Edges::system() };
            let world = open::open(&config, &edges).await.unwrap();
            let site = Site::new(Arc::clone(&world), Vec::new());
            write(after);
            for _ in 0..3 {
                config = run(&config, &origin, &site).await.unwrap();
                assert_eq!(world.policy.load().tokens.issuer.as_str(), before);
            }
            world.store.close();
        });
    }
}
