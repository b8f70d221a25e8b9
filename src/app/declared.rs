//! Clients declared in a file, applied at the start and whenever the settings are read again.

use crate::{
    audit::Actor,
    base::fault::Stop,
    config::{Config, declared_clients},
    flow::{
        declared_clients::{Change, Declared, apply as apply_declared},
        world::World,
    },
};
use std::path::Path;

/// Reads a file of declared clients.
///
/// # Errors
/// What is wrong with it, in words for its author.
pub fn read(path: &Path) -> Result<Vec<Declared>, String> {
    let read = declared_clients(path)?.into_iter();
    Ok(read.map(|one| Declared { id: one.id, metadata: one.metadata, secrets: one.secrets }).collect())
}

/// Applies the file that the settings name, where they name one.
///
/// # Errors
/// What is wrong with the file or went wrong; nothing was changed then.
pub async fn apply(config: &Config, world: &World) -> Result<(), String> {
    let Some(path) = &config.clients.file else { return Ok(()) };
    let by = Actor::Operator(path.display().to_string());
    let plan = apply_declared(world, read(path)?, config.registration_policy(), by).await;
    let plan = plan.map_err(|stop| match stop {
        Stop::Refusal(unmet) => unmet.to_string(),
        Stop::Fault(fault) => fault.to_string(),
    })?;
    let changed = plan.values().filter(|change| **change != Change::Same).count();
    tracing::info!(file = %path.display(), clients = plan.len(), changed, "declared clients were applied");
    Ok(())
}
