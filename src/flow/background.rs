//! Everything that goes on beside the answering of requests, started and ended together.

use super::{
    deliver, follow,
    pace::{End, Ending},
    sweep,
    world::World,
};
use crate::base::fault::Fault;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Work in the background that is going on.
#[derive(Debug)]
pub struct Background {
    end: End,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Learns what has been revoked, and starts all work in the background on this runtime.
    ///
    /// # Errors
    /// A fault where the change feed cannot be read: nothing may be answered then.
    pub async fn start(world: &Arc<World>) -> Result<Self, Fault> {
        follow::start(world).await?;
        let (end, ending): (End, Ending) = End::new();
        let tasks = vec![
            tokio::spawn(follow::run(Arc::clone(world), ending.clone())),
            tokio::spawn(sweep::run(Arc::clone(world), ending.clone())),
            tokio::spawn(deliver::run(Arc::clone(world), ending)),
        ];
        Ok(Self { end, tasks })
    }

    /// Ends it, and waits until what was begun is done and the journal is written.
    pub async fn end(self) {
        self.end.come();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "work in the background ended badly");
            }
        }
    }
}
