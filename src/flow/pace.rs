//! The pace of work in the background: it waits, and it hears when the server ends.

use crate::base::moment::Span;
use tokio::{sync::watch, time::timeout};

/// Tells all work in the background to end.
#[derive(Debug)]
pub struct End(watch::Sender<bool>);

/// Hears of the end.
#[derive(Clone, Debug)]
pub struct Ending(watch::Receiver<bool>);

impl End {
    /// An end that has not come, and who hears of it.
    #[must_use]
    pub fn new() -> (Self, Ending) {
        let (tell, hear) = watch::channel(false);
        (Self(tell), Ending(hear))
    }

    /// Now.
    pub fn come(&self) {
        self.0.send_replace(true);
    }
}

impl Ending {
    /// Waits for this long; false, at once, when the end has come.
    pub async fn not_within(&mut self, span: Span) -> bool {
        let come = self.0.wait_for(|come| *come);
        // An error says that nobody is left who could tell, which is an end too.
        timeout(span.to_std(), come).await.is_err()
    }

    /// Whether it has come.
    #[must_use]
    pub fn has_come(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_heard_at_once_and_by_those_who_ask_later() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (end, mut ending) = End::new();
            assert!(ending.not_within(Span::millis(1)).await);
            assert!(!ending.has_come());
            end.come();
            assert!(!ending.not_within(Span::hours(1)).await);
            assert!(ending.clone().has_come());
        });
    }

    #[test]
    fn who_drops_the_end_ends_too() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (end, mut ending) = End::new();
            drop(end);
            assert!(!ending.not_within(Span::hours(1)).await);
            assert!(ending.has_come());
        });
    }
}
