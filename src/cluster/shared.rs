//! Counting together, and what to do while that is not possible.
//!
//! One connection serves all requests of a node; a thread of its own keeps it. A call that fails
//! or takes longer than the deadline ends it: from then on this node counts alone against its share,
//! and no request waits, until the thread has a new connection. It tries once a second.
//!
//! What was counted is carried over both ways. This node remembers what it last heard of each
//! counter, so that its share of one that is used up is used up as well, and so that a counter
//! that Redis has lost is there again; and what it counted alone is told to Redis with the next
//! take. Both are moments at which a bucket is full, which a share has in common with the whole.

use super::{
    Exhausted, Take,
    memory::{Memory, State},
    redis::{Address, Answer, Failed, Known, Link},
};
use crate::{
    base::{
        fault::Fault,
        moment::{Moment, Span},
        secret::Secret,
    },
    limit::Outcome,
};
use arc_swap::ArcSwapOption;
use std::{sync::Arc, thread, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// How often a connection is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Counters that nodes share.
pub(super) struct Shared {
    /// The connection; `None` while this node counts alone.
    link: Arc<ArcSwapOption<Link>>,
    /// Tells the keeping thread that the connection has ended; closed, that it should end.
    lost: mpsc::UnboundedSender<()>,
    heard: Memory,
    alone: Memory,
}

impl Shared {
    /// Starts the thread that connects, and keeps a connection.
    pub(super) fn start(most: usize, url: &Secret<String>, deadline: Duration) -> Result<Self, Fault> {
        let address = Address::parse(url, deadline)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Fault::new("starting the connection of limits", e))?;
        let link = Arc::new(ArcSwapOption::empty());
        let (lost, told) = mpsc::unbounded_channel();
        let (first, tried) = std::sync::mpsc::channel();
        let keeping = keep(address, Arc::clone(&link), told, first);
        let thread = thread::Builder::new().name("limits".to_owned()).spawn(move || runtime.block_on(keeping));
        thread.map_err(|e| Fault::new("starting the thread of limits", e))?;
        // So that the first request is counted with the others; it is not worth more than a moment.
        let _ = tried.recv_timeout(EVERY);
        Ok(Self { link, lost, heard: Memory::new(most), alone: Memory::new(most) })
    }

    /// Whether this node counts alone.
    pub(super) fn is_down(&self) -> bool {
        self.link.load().is_none()
    }

    /// See [`super::Counters::take_all`].
    pub(super) async fn take_all(&self, wanted: &mut [Take<'_>], now: Moment, nodes: u32) -> Result<(), Exhausted> {
        if let Some(link) = self.link.load_full() {
            let asked: Vec<_> = wanted.iter().map(|one| (*one, self.known(one.key, now))).collect();
            match link.take(&asked).await {
                Ok(answers) => return self.settle(&link, wanted, &answers, now).await,
                Err(failed) => self.lose(&link, &failed),
            }
        }
        for one in wanted.iter() {
            self.begin_alone(one.key, now);
        }
        self.alone.take_all(wanted, now, nodes)
    }

    /// See [`super::Counters::give_back_all`].
    pub(super) async fn give_back_all(&self, taken: &[Take<'_>], now: Moment, nodes: u32) {
        if let Some(link) = self.link.load_full() {
            match link.give_back(taken).await {
                Ok(resets) => {
                    for (one, reset) in taken.iter().zip(resets) {
                        let begun = self.heard.state(one.key).map_or(0, |heard| heard.begun);
                        self.heard.put(one.key, State { tat: now + reset, begun }, now);
                    }
                    return;
                }
                Err(failed) => self.lose(&link, &failed),
            }
        }
        self.alone.give_back_all(taken, now, nodes);
    }

    fn known(&self, key: &str, now: Moment) -> Known {
        let until = |state: Option<State>| state.map_or(Span::ZERO, |state| state.tat.since(now).max(Span::ZERO));
        let heard = self.heard.state(key);
        Known { heard: until(heard), begun: heard.map_or(0, |heard| heard.begun), alone: until(self.alone.state(key)) }
    }

    /// Notes what was answered. Where one was refused, those that were allowed are given back.
    async fn settle(
        &self,
        link: &Arc<Link>,
        wanted: &mut [Take<'_>],
        answers: &[Answer],
        now: Moment,
    ) -> Result<(), Exhausted> {
        let mut refused = None;
        for (index, (one, answer)) in wanted.iter_mut().zip(answers).enumerate() {
            let Answer { allowed, remaining, retry_after, reset, begun } = *answer;
            self.heard.put(one.key, State { tat: now + reset, begun }, now);
            self.alone.forget(one.key);
            one.outcome = Some(Outcome { allowed, tat: now + reset, remaining, retry_after, reset });
            if !allowed && refused.is_none() {
                refused = Some(Exhausted { index, retry_after });
            }
        }
        let Some(refused) = refused else { return Ok(()) };
        let taken: Vec<_> = wanted.iter().filter(|one| one.outcome.is_some_and(|got| got.allowed)).copied().collect();
        if !taken.is_empty()
            && let Err(failed) = link.give_back(&taken).await
        {
            self.lose(link, &failed);
        }
        Err(refused)
    }

    /// What was heard of a counter is where counting alone begins.
    fn begin_alone(&self, key: &str, now: Moment) {
        if self.alone.state(key).is_none()
            && let Some(heard) = self.heard.state(key)
        {
            self.alone.put(key, heard, now);
        }
    }

    /// Gives a connection up; of many that find it dead, one says so.
    fn lose(&self, dead: &Arc<Link>, failed: &Failed) {
        let current = self.link.load();
        if !current.as_ref().is_some_and(|link| Arc::ptr_eq(link, dead)) {
            return;
        }
        let before = self.link.compare_and_swap(&*current, None);
        if before.as_ref().is_some_and(|link| Arc::ptr_eq(link, dead)) {
            tracing::warn!(error = %failed, "Redis is away: this node counts limits alone, against its share");
            // The thread ends only after this.
            let _ = self.lost.send(());
        }
    }
}

/// Keeps a connection until nobody wants it any more.
async fn keep(
    address: Address,
    link: Arc<ArcSwapOption<Link>>,
    mut lost: mpsc::UnboundedReceiver<()>,
    first: std::sync::mpsc::Sender<()>,
) {
    let mut told = false;
    loop {
        match address.connect().await {
            Ok(new) => {
                link.store(Some(Arc::new(new)));
                tracing::info!("limits are counted in Redis");
                let _ = first.send(());
                told = true;
                if lost.recv().await.is_none() {
                    return;
                }
            }
            Err(failed) if told => tracing::debug!(error = %failed, "Redis is still away"),
            Err(failed) => {
                told = true;
                tracing::warn!(error = %failed, "Redis is away: this node counts limits alone, against its share");
                let _ = first.send(());
            }
        }
        if let Ok(None) = timeout(EVERY, lost.recv()).await {
            return;
        }
    }
}
