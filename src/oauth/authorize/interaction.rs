//! What is still needed before a code may be issued (OpenID Connect Core §3.1.2.3, §3.1.2.4):
//! the only dispatcher between the pages. No page decides what comes after it; each changes a
//! fact, and the question is asked again.
//!
//! It ends: a page answered for this request leaves a fact dated at or after
//! [`Asked::first_seen`], and no page is shown twice for a fact that young, except consent,
//! whose answer covers all that was asked, and sign-in after a page lay open for longer than `max_age`.

use super::{checks::Asked, request::Prompt};
use crate::{
    base::{
        id::{SessionId, UserId},
        moment::{Moment, Span},
        scope::Scope,
        uri::Resource,
    },
    oauth::{
        client::Trust,
        code::ErrorCode::{self, ConsentRequired, LoginRequired, UnmetAuthenticationRequirements},
        refusal::Refusal,
    },
};
use std::collections::BTreeSet;

/// How old a sign-in that was made for a request may be whatever its `max_age` says: the way back
/// from the sign-in page takes time, and reading the page of consent.
const READING: Span = Span::minutes(1);

/// The signed-in browser.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// Who is signed in.
    pub user: UserId,
    /// The session; its `sid`.
    pub session: SessionId,
    /// When the person last proved who they are.
    pub auth_time: Moment,
    /// The authentication context that was reached.
    pub acr: Option<String>,
    /// The methods used, values of RFC 8176.
    pub amr: Vec<String>,
    /// When the person last chose this account, where they were asked.
    pub chosen_at: Option<Moment>,
}

/// What the person consented to for this client.
#[derive(Clone, Debug)]
pub struct ConsentFacts {
    /// The scope, over all times.
    pub scope: Scope,
    /// The resources, over all times.
    pub resources: BTreeSet<Resource>,
    /// The last time.
    pub given_at: Moment,
}

/// All that is known when the question is asked.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The signed-in browser, where there is one.
    pub session: Option<SessionFacts>,
    /// The consent of the signed-in person to this client, where there is one.
    pub consent: Option<ConsentFacts>,
    /// Whether people are asked for this client.
    pub trust: Trust,
    /// The authentication contexts that a sign-in here can reach.
    pub reachable_acr: Vec<String>,
}

/// Why the person must sign in, for the words of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody is signed in.
    NobodySignedIn,
    /// The client asked for it: `prompt=login`.
    Asked,
    /// The sign-in is older than the client accepts: `max_age`.
    TooOld,
    /// The client means somebody else: `id_token_hint`.
    OtherPerson,
    /// The client needs a stronger sign-in: `acr`.
    StepUp,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Show the sign-in page.
    SignIn(Why),
    /// Show the choice of accounts.
    SelectAccount,
    /// Show the consent page.
    Consent {
        /// The part of the scope that was never consented to; empty where the client insists
        /// on being consented to again.
        new_scope: Scope,
        /// Likewise the resources.
        new_resources: BTreeSet<Resource>,
    },
    /// Issue the code.
    Approve,
    /// Send this to the client.
    Refuse(Refusal),
}

/// Decides what comes next. The order is that of dependence: who, then how well proven, then
/// whether they agree.
#[must_use]
pub fn next(asked: &Asked, facts: &Facts, now: Moment) -> Next {
    if let Some(refusal) = out_of_reach(asked, facts) {
        return Next::Refuse(refusal);
    }
    let Some(session) = &facts.session else {
        return page(asked, Next::SignIn(Why::NobodySignedIn), "nobody is signed in");
    };
    if asked.prompt.has(Prompt::SelectAccount) && !chosen_for(asked, session) {
        return Next::SelectAccount;
    }
    if let Some(answer) = sign_in_again(asked, session, now) {
        return answer;
    }
    match missing_consent(asked, facts) {
        Some(consent) => page(asked, consent, "the person has not consented to all of this"),
        None => Next::Approve,
    }
}

/// A page; or, with `prompt=none`, the error that stands for it.
fn page(asked: &Asked, page: Next, because: &'static str) -> Next {
    if !asked.prompt.has(Prompt::None) {
        return page;
    }
    let code = if matches!(page, Next::Consent { .. }) { ConsentRequired } else { LoginRequired };
    refusal(code, because)
}

fn refusal(code: ErrorCode, because: &'static str) -> Next {
    Next::Refuse(Refusal::new(code, because))
}

/// Whether the person proved who they are for this very request.
fn signed_in_for(asked: &Asked, session: &SessionFacts) -> bool {
    session.auth_time >= asked.first_seen
}

/// Signing in is choosing, too.
fn chosen_for(asked: &Asked, session: &SessionFacts) -> bool {
    signed_in_for(asked, session) || session.chosen_at.is_some_and(|at| at >= asked.first_seen)
}

/// An essential context that neither this session has nor any sign-in here can reach.
fn out_of_reach(asked: &Asked, facts: &Facts) -> Option<Refusal> {
    let reached = facts.session.as_ref().is_some_and(|session| meets(asked, session));
    let reachable = asked.acr.essential.iter().any(|acr| facts.reachable_acr.contains(acr));
    (!asked.acr.essential.is_empty() && !reached && !reachable)
        .then(|| Refusal::new(UnmetAuthenticationRequirements, "no sign-in here reaches the acr that is essential"))
}

fn meets(asked: &Asked, session: &SessionFacts) -> bool {
    asked.acr.essential.is_empty() || session.acr.as_ref().is_some_and(|acr| asked.acr.essential.contains(acr))
}

/// Why this sign-in will not do, if it will not. One that was made for this request is not asked
/// for again: where it still does not do, the answer is no. But a page may have lain open since
/// then, and `max_age` is judged now, when the code would be issued: beyond [`READING`] it is old.
fn sign_in_again(asked: &Asked, session: &SessionFacts, now: Moment) -> Option<Next> {
    let fresh = signed_in_for(asked, session);
    let other = asked.subject.as_ref().is_some_and(|subject| *subject != session.user);
    // In whole seconds, as the client will compute it from auth_time.
    let age = now.unix().saturating_sub(session.auth_time.unix());
    let too_old = asked.max_age.is_some_and(|most| age > most.as_seconds());
    if other {
        let because = "another person is signed in than the one asked for";
        let again = || page(asked, Next::SignIn(Why::OtherPerson), because);
        return Some(if fresh { refusal(LoginRequired, because) } else { again() });
    }
    if !meets(asked, session) {
        let because = "the sign-in does not reach the acr that is essential";
        let again = || page(asked, Next::SignIn(Why::StepUp), because);
        return Some(if fresh { refusal(UnmetAuthenticationRequirements, because) } else { again() });
    }
    if asked.prompt.has(Prompt::Login) && !fresh {
        return Some(Next::SignIn(Why::Asked));
    }
    (too_old && !(fresh && age <= READING.as_seconds()))
        .then(|| page(asked, Next::SignIn(Why::TooOld), "the sign-in is older than max_age"))
}

/// Whether a consent can make a difference to this request: not where an application of the house
/// does not insist on being consented to. Who knows that need not look one up.
#[must_use]
pub fn asks_for_consent(asked: &Asked, trust: Trust) -> bool {
    match trust {
        Trust::FirstParty => asked.prompt.has(Prompt::Consent),
        Trust::ThirdParty => true,
    }
}

/// Every consent is held against all that is asked, claims included: one given since this request
/// was first seen may be an answer to another request, whose page showed less.
fn missing_consent(asked: &Asked, facts: &Facts) -> Option<Next> {
    let consent = facts.consent.as_ref();
    let fresh = consent.is_some_and(|c| c.given_at >= asked.first_seen);
    let wanted = asked.to_consent();
    let new_scope = consent.map_or_else(|| wanted.clone(), |c| wanted.minus(&c.scope));
    let new_resources: BTreeSet<Resource> =
        asked.resources.iter().filter(|r| consent.is_none_or(|c| !c.resources.contains(*r))).cloned().collect();
    let insisted = asked.prompt.has(Prompt::Consent) && !fresh;
    let needed = match facts.trust {
        Trust::FirstParty => false,
        Trust::ThirdParty => consent.is_none() || !new_scope.is_empty() || !new_resources.is_empty(),
    };
    (insisted || needed).then_some(Next::Consent { new_scope, new_resources })
}
