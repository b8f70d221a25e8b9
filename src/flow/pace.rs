//! The pace of work in the background: it waits, and it hears when the server ends.

use crate::base::moment::Span;
use std::{future::poll_fn, pin::pin, task::Poll};
use tokio::{sync::watch, time::timeout};

/// Hears of the end: it has come when the value is true, or when nobody is left who could say so.
pub type Ending = watch::Receiver<bool>;

/// Waits for this long; false, at once, when the end has come.
pub async fn goes_on(ending: &mut Ending, wait: Span) -> bool {
    timeout(wait.to_std(), ending.wait_for(|come| *come)).await.is_err()
}

/// Waits for this long, or until what may come sooner has come; false, at once, when the end has.
pub async fn goes_on_or(ending: &mut Ending, wait: Span, sooner: impl Future<Output = ()>) -> bool {
    let mut sooner = pin!(sooner);
    let mut ended = pin!(goes_on(ending, wait));
    poll_fn(|context| match ended.as_mut().poll(context) {
        Poll::Pending => sooner.as_mut().poll(context).map(|()| true),
        ready @ Poll::Ready(_) => ready,
    })
    .await
}

/// Waits for whichever comes first.
pub async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready @ Poll::Ready(()) => ready,
    })
    .await;
}

/// Whether the end has come.
#[must_use]
pub fn has_ended(ending: &Ending) -> bool {
    *ending.borrow() || ending.has_changed().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
    }

    #[test]
    fn the_end_is_heard_at_once_and_by_those_who_ask_later() {
        run(async {
            let (end, mut ending) = watch::channel(false);
            assert!(goes_on(&mut ending, Span::millis(1)).await);
            assert!(!has_ended(&ending));
            end.send_replace(true);
            assert!(!goes_on(&mut ending, Span::hours(1)).await);
            assert!(has_ended(&ending));
        });
    }

    #[test]
    fn what_comes_sooner_ends_the_wait_but_the_end_comes_first() {
        run(async {
            let (end, mut ending) = watch::channel(false);
            assert!(goes_on_or(&mut ending, Span::hours(1), async {}).await);
            assert!(goes_on_or(&mut ending, Span::millis(1), std::future::pending()).await);
            end.send_replace(true);
            assert!(!goes_on_or(&mut ending, Span::hours(1), async {}).await);
        });
    }

    #[test]
    fn where_nobody_can_tell_of_the_end_it_has_come() {
        run(async {
            let (end, mut ending) = watch::channel(false);
            drop(end);
            assert!(!goes_on(&mut ending, Span::hours(1)).await);
            assert!(has_ended(&ending));
        });
    }
}
