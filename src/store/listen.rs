//! Waking whoever follows the change feed once there is something in it: on Postgres by NOTIFY
//! (a trigger sends it in the transaction that writes), on SQLite by the thread that committed.
//!
//! A ring may be lost, and one may come for nothing: the feed is read at its own pace as well.

use super::{Queue, dialect, postgres::Postgres};
use crate::base::fault::Fault;
use diesel::PgConnection;
use std::{
    sync::Arc,
    thread::{Builder, JoinHandle, sleep},
    time::Duration,
};
use tokio::sync::Notify;

/// How often the connection is looked at. libpq hands out no means to wait for its socket without
/// `unsafe` code, and to look costs one system call that finds nothing.
const LOOK: Duration = Duration::from_millis(20);
/// How long a lost connection is left alone.
const REST: Duration = Duration::from_secs(1);

/// Rings when the change feed may hold something new. One may wait for it.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it rings; at once, where it rang while nobody waited.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

/// Listens on a connection of its own to what other nodes, and this one, tell.
pub(super) struct Ear {
    pub(super) how: Postgres,
    /// Only asked whether the store has been closed.
    pub(super) jobs: Queue,
    pub(super) bell: Bell,
}

impl Ear {
    /// Listens until the store is closed.
    ///
    /// # Errors
    /// A [`Fault`] where there can be no thread.
    pub(super) fn start(self) -> Result<JoinHandle<()>, Fault> {
        let run = move || {
            while !self.closed() {
                if let Err(fault) = self.attend() {
                    tracing::debug!(error = %fault, "changes are not heard at once: the feed is read at its own pace");
                }
                self.pause(REST);
            }
        };
        Builder::new().name("store-ear".to_owned()).spawn(run).map_err(|e| Fault::new("starting a database thread", e))
    }

    fn attend(&self) -> Result<(), Fault> {
        let mut connection = self.how.connect()?;
        let place = dialect::listen(&mut connection).map_err(|e| Fault::new("listening for changes", e))?;
        // What was told before is not told again.
        self.bell.ring();
        while !self.closed() {
            if self.told(&mut connection, &place)? {
                self.bell.ring();
            }
            sleep(LOOK);
        }
        Ok(())
    }

    fn told(&self, connection: &mut PgConnection, place: &str) -> Result<bool, Fault> {
        let mut told = false;
        for one in connection.notifications_iter() {
            told |= one.map_err(|e| Fault::new("hearing of changes", e))?.payload == place;
        }
        Ok(told)
    }

    fn closed(&self) -> bool {
        self.jobs.is_disconnected()
    }

    fn pause(&self, wait: Duration) {
        let steps = wait.as_millis() / LOOK.as_millis();
        for _ in 0..steps {
            if self.closed() {
                return;
            }
            sleep(LOOK);
        }
    }
}
