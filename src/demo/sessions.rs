//! The application's own sessions, in memory, found by a random cookie. They are the
//! application's, not the issuer's: signing in at the issuer fills one, a logout token empties it.

use super::{
    attempt,
    attempt::{Attempt, Reach},
    settings::API_SCOPE,
    told::{Chapter, Step},
};
use crate::base::{
    digest::sha256,
    entropy::Entropy,
    fault::Fault,
    moment::{Moment, Span},
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The name of the cookie.
pub(super) const COOKIE: &str = "kw_demo";
/// How long a session lives without being used.
pub(super) const IDLE: Span = Span::hours(8);
/// The most sessions; the one unused longest makes room.
const MOST: usize = 512;
/// The most sign-ins on their way in one browser.
const MOST_PENDING: usize = 8;
/// The most chapters that a page tells.
const MOST_CHAPTERS: usize = 12;

/// One browser at this application.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Goes into every form, so that no other site can press our buttons.
    pub(super) form_key: String,
    seen: Moment,
    pending: Vec<Attempt>,
    /// The `state` of a sign-out on its way, and what is to be told of how it began.
    pub(super) leaving: Option<(String, Step)>,
    /// Who is signed in.
    pub(super) login: Option<Login>,
    /// What happened, latest first.
    pub(super) journal: Vec<Chapter>,
}

/// What the application holds of a signed-in person.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) subject: String,
    pub(super) name: String,
    pub(super) sid: Option<String>,
    pub(super) scope: String,
    pub(super) id_token: String,
    pub(super) access_token: String,
    pub(super) access_expires: Moment,
    pub(super) refresh_token: Option<String>,
    /// The refresh token before this one, kept only to show what becomes of it.
    pub(super) spent: Option<String>,
    /// The code and verifier of the sign-in, kept only to show what becomes of a replay.
    pub(super) code: String,
    pub(super) verifier: String,
    /// Why the tokens are known to be worthless, once they are.
    pub(super) dead: Option<&'static str>,
}

impl Login {
    /// How far its access token reaches.
    pub(super) fn reach(&self) -> Reach {
        if self.scope.split(' ').any(|s| s == API_SCOPE) { Reach::Api } else { Reach::Person }
    }
}

impl Local {
    /// Remembers a sign-in that is being sent off.
    pub(super) fn await_answer(&mut self, attempt: Attempt) {
        if self.pending.len() >= MOST_PENDING {
            self.pending.remove(0);
        }
        self.pending.push(attempt);
    }
    /// The sign-in that this `state` belongs to. It is forgotten with this: an answer counts once.
    pub(super) fn recall(&mut self, state: &str, now: Moment) -> Option<Attempt> {
        self.pending.retain(|a| !a.stale(now));
        let at = self.pending.iter().position(|a| crate::base::secret::same(a.state.as_bytes(), state.as_bytes()))?;
        Some(self.pending.remove(at))
    }
    /// Adds to what the page tells.
    pub(super) fn tell(&mut self, chapter: Chapter) {
        self.journal.insert(0, chapter);
        self.journal.truncate(MOST_CHAPTERS);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Local>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Local>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the session of this cookie; `None` where there is none or it was idle
    /// for too long.
    pub(super) fn with<R>(&self, cookie: &str, now: Moment, act: impl FnOnce(&mut Local) -> R) -> Option<R> {
        let key = sha256(cookie.as_bytes());
        let mut all = self.all();
        if now.since(all.get(&key)?.seen) > IDLE {
            all.remove(&key);
            return None;
        }
        let local = all.get_mut(&key)?;
        local.seen = now;
        Some(act(local))
    }

    /// Opens an empty session; gives its cookie.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub(super) fn open(&self, now: Moment, dice: &dyn Entropy) -> Result<String, Fault> {
        let local = Local {
            form_key: attempt::random(dice)?,
            seen: now,
            pending: Vec::new(),
            leaving: None,
            login: None,
            journal: Vec::new(),
        };
        self.insert(local, dice)
    }

    /// Gives the session a new cookie, as must be done whenever somebody signs in: a cookie that
    /// was planted before is worth nothing then (session fixation).
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub(super) fn renew(&self, cookie: &str, dice: &dyn Entropy) -> Result<Option<String>, Fault> {
        let Some(local) = self.all().remove(&sha256(cookie.as_bytes())) else { return Ok(None) };
        self.insert(local, dice).map(Some)
    }

    fn insert(&self, local: Local, dice: &dyn Entropy) -> Result<String, Fault> {
        let cookie = attempt::random(dice)?;
        let mut all = self.all();
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, l)| l.seen).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        all.insert(sha256(cookie.as_bytes()), local);
        Ok(cookie)
    }

    /// Does something with every session in which somebody is signed in; gives how many it was
    /// done with.
    pub(super) fn each_login(&self, act: impl FnMut(&mut Local) -> bool) -> usize {
        self.all().values_mut().filter(|l| l.login.is_some()).map(act).filter(|done| *done).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::entropy::SeededEntropy, demo::attempt::Ask};

    const T: Moment = Moment::from_unix(1_000_000);

    #[test]
    fn a_session_is_found_by_its_cookie_alone_and_ends_when_idle() {
        let (all, dice) = (Sessions::default(), SeededEntropy::new(1));
        let cookie = all.open(T, &dice).unwrap();
        assert!(all.with(&cookie, T, |_| ()).is_some());
        assert!(all.with("another", T, |_| ()).is_none());
        assert!(all.with(&cookie, T + IDLE, |_| ()).is_some());
        assert!(all.with(&cookie, T + IDLE + IDLE + Span::seconds(1), |_| ()).is_none());
    }

    #[test]
    fn a_new_cookie_takes_the_place_of_the_old_one() {
        let (all, dice) = (Sessions::default(), SeededEntropy::new(1));
        let old = all.open(T, &dice).unwrap();
        let new = all.renew(&old, &dice).unwrap().unwrap();
        assert!(all.with(&old, T, |_| ()).is_none() && all.with(&new, T, |_| ()).is_some());
    }

    #[test]
    fn their_number_is_bounded_and_the_least_used_makes_room() {
        let (all, dice) = (Sessions::default(), SeededEntropy::new(1));
        let first = all.open(T, &dice).unwrap();
        let second = all.open(T + Span::seconds(1), &dice).unwrap();
        for n in 0..MOST - 1 {
            all.open(T + Span::seconds(2 + i64::try_from(n).unwrap()), &dice).unwrap();
        }
        assert_eq!(all.all().len(), MOST);
        assert!(all.with(&first, T, |_| ()).is_none() && all.with(&second, T, |_| ()).is_some());
    }

    #[test]
    fn a_state_is_known_once_in_its_own_browser_and_not_for_ever() {
        let (all, dice) = (Sessions::default(), SeededEntropy::new(1));
        let (mine, theirs) = (all.open(T, &dice).unwrap(), all.open(T, &dice).unwrap());
        let attempt = Attempt::begin(Ask::Plain, Reach::Person, T, &dice).unwrap();
        let state = attempt.state.clone();
        all.with(&mine, T, |l| l.await_answer(attempt.clone()));
        assert!(all.with(&theirs, T, |l| l.recall(&state, T)).flatten().is_none());
        assert!(all.with(&mine, T, |l| l.recall(&state, T)).flatten().is_some());
        assert!(all.with(&mine, T, |l| l.recall(&state, T)).flatten().is_none());
        all.with(&mine, T, |l| l.await_answer(attempt));
        let late = T + attempt::PATIENCE + Span::seconds(1);
        assert!(all.with(&mine, late, |l| l.recall(&state, late)).flatten().is_none());
    }
}
