//! The authorization endpoint: from a request to a code, by way of whatever pages are needed.
//!
//! Spec: RFC 6749 §4.1.1–4.1.2, OpenID Connect Core §3.1.2, RFC 9207.

mod at_once;
mod issue;

pub use at_once::AtOnce;

use super::{
    clients::{self, Listed},
    decrypt,
    interaction::{Browser, Interaction, MAX_TEXT},
    sign_in::SignedIn,
    visit::{self, Newcomer, Visit},
    world::{World, only_fault},
};
use crate::{
    audit::{Event, Origin},
    base::{
        fault::{Fault, Stop},
        id::UserId,
        secret::Secret,
    },
    jose::{self, Profile},
    oauth::{
        authorize::{
            checks::{self, Asked},
            destination::{self, Destination},
            interaction::{self as rule, ConsentFacts, Facts, Next, SessionFacts, Why},
            respond::{self, Delivery},
        },
        client::{Client, Trust},
        code::ErrorCode::{AccessDenied, InvalidRequest},
        engine::{self, Authorizing},
        params::Params,
        refusal::{Dead, Refusal},
    },
    store::{Tx, consents::ConsentRow},
};
use std::{convert::Infallible, sync::Arc};

/// What the browser is told.
#[derive(Debug)]
pub enum Answer {
    /// An answer for the client.
    Deliver(Delivery),
    /// A page of ours, with the state that it carries, sealed.
    Page(Page, String),
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The sign-in page.
    SignIn(Why),
    /// The choice of accounts.
    SelectAccount,
    /// The consent page.
    Consent,
}

/// How an authorization request ends without an answer for the client.
#[derive(Debug)]
pub enum Halt {
    /// Nobody may be redirected: a page says why.
    Dead(Dead),
    /// A fault of ours.
    Fault(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The questions of RFC 6749 about this request.
struct Questions<'a> {
    params: &'a Params,
    client: &'a Client,
    world: &'a World,
    origin: &'a Origin,
    destination: Option<Destination>,
}

enum Early {
    Dead(Dead),
    Refused(Destination, Refusal),
    Fault(Fault),
}

impl Questions<'_> {
    /// For the person whom `id_token_hint` names, if one was sent (OpenID Connect Core §3.1.2.1): it may be
    /// encrypted for us.
    fn with_hint(&self, asked: Asked) -> Result<Asked, Refusal> {
        let Some(hint) = self.params.once("id_token_hint")? else { return Ok(asked) };
        let signed = decrypt::opened(self.world, self.origin.address, hint).map_err(|c| c.refusal(InvalidRequest))?;
        asked.for_subject(hinted(self.world, &signed, self.client)?)
    }
    fn proven(&self) -> Result<Destination, Early> {
        self.destination.clone().ok_or_else(|| Early::Fault(Fault::bare("a check before the destination was proven")))
    }
}

impl Authorizing for Questions<'_> {
    type Asked = Asked;
    type Ended = Early;

    fn bind(&mut self) -> Result<(), Early> {
        self.destination = Some(Destination::prove(self.params, self.client).map_err(Early::Dead)?);
        Ok(())
    }
    fn extend(&mut self) -> Result<(), Early> {
        let to = self.proven()?;
        self.params.refuse_repeats().map_err(|refusal| Early::Refused(to, refusal))
    }
    fn negotiate(&mut self) -> Result<Asked, Early> {
        let to = self.proven()?;
        let asked =
            checks::check(self.params, self.client, &to, self.world.now()).and_then(|asked| self.with_hint(asked));
        asked.map_err(|refusal| Early::Refused(to, refusal))
    }
    fn fault(&self, fault: Fault) -> Early {
        Early::Fault(fault)
    }
}

/// The subject of an ID token of ours, expired or not.
///
/// # Errors
/// `invalid_request` for anything else.
fn hinted(world: &World, hint: &str, client: &Client) -> Result<UserId, Refusal> {
    let policy = world.policy.load();
    let audience = jose::Audience::OneOf(vec![client.id.as_str().to_owned()]);
    let profile = Profile::id_token_hint(&policy.tokens.issuer, audience);
    let keyring = world.keyring.load();
    let told = |because| Refusal::new(InvalidRequest, because);
    let verified = jose::verify(&profile, keyring.keys(), hint, world.now())
        .map_err(|_| told("id_token_hint is not an ID token that this server issued to this client"))?;
    verified.str("sub").and_then(UserId::parse).ok_or_else(|| told("id_token_hint names nobody"))
}

/// A request arrives.
///
/// # Errors
/// [`Halt`].
pub async fn begin(world: &Arc<World>, params: &Params, visit: &Visit, origin: &Origin) -> Result<Answer, Halt> {
    let id = destination::client_id_of(params).map_err(Halt::Dead)?;
    let Some(registered) = clients::find(world, &id).await? else {
        return Err(Halt::Dead(Dead::new("client_id names no application that is registered here")));
    };
    let mut questions = Questions { params, client: registered.client(), world, origin, destination: None };
    match engine::authorize(&id, &mut questions) {
        Ok(asked) => resume(world, Interaction::new(asked, &visit.browser), visit, origin).await,
        Err(Early::Dead(dead)) => Err(Halt::Dead(dead)),
        Err(Early::Fault(fault)) => Err(Halt::Fault(fault)),
        Err(Early::Refused(to, refusal)) => {
            world.metrics.refusals.one(refusal.code.wire());
            Ok(Answer::Deliver(respond::error(&to, &world.policy.load().tokens.issuer, &refusal)))
        }
    }
}

/// A request goes on: asks again what is needed next. The only dispatcher: no page decides what
/// comes after it.
///
/// # Errors
/// [`Halt`].
pub async fn resume(
    world: &Arc<World>,
    interaction: Interaction,
    visit: &Visit,
    origin: &Origin,
) -> Result<Answer, Halt> {
    go_on(world, interaction, (visit, None), origin).await
}

/// A request goes on with a person who has signed in this very moment: their session is not looked
/// up again, and a code that was stored together with it is all that was missing.
///
/// # Errors
/// [`Halt`].
pub async fn resume_as(
    world: &Arc<World>,
    interaction: Interaction,
    (visit, signed): (&Visit, SignedIn),
    origin: &Origin,
) -> Result<Answer, Halt> {
    match signed.code {
        Some(code) => {
            issue::look_at_challenge(world, &interaction.asked, origin);
            Ok(delivered(world, &interaction, &code))
        }
        None => go_on(world, interaction, (visit, Some(signed.here)), origin).await,
    }
}

fn delivered(world: &World, interaction: &Interaction, code: &Secret<String>) -> Answer {
    let issuer = &world.policy.load().tokens.issuer;
    Answer::Deliver(respond::success(&interaction.asked.destination, issuer, code))
}

async fn go_on(
    world: &Arc<World>,
    interaction: Interaction,
    (visit, mut known): (&Visit, Option<Here>),
    origin: &Origin,
) -> Result<Answer, Halt> {
    let issuer = world.policy.load().tokens.issuer.clone();
    let registered = still_registered(world, &interaction).await?;
    // Twice, because session and consent may end, or change, between the look and the deed.
    for _ in 0..2 {
        let here = match known.take() {
            Some(here) => Some(here),
            None => visit::session(world, visit).await?,
        };
        let facts = facts(world, &interaction, registered.client(), here).await?;
        let page = match rule::next(&interaction.asked, &facts, world.now()) {
            Next::SignIn(why) => Page::SignIn(why),
            Next::SelectAccount => Page::SelectAccount,
            Next::Consent { .. } => Page::Consent,
            Next::Refuse(refusal) => {
                world.metrics.refusals.one(refusal.code.wire());
                return Ok(Answer::Deliver(respond::error(&interaction.asked.destination, &issuer, &refusal)));
            }
            Next::Approve => {
                let session = facts.session.ok_or_else(|| Fault::bare("an approval of nobody"))?;
                let stands_on = (session, facts.consent);
                match issue::run(world, interaction.asked.clone(), stands_on, origin).await? {
                    Some(code) => return Ok(delivered(world, &interaction, &code)),
                    None => continue,
                }
            }
        };
        return shown(world, &interaction, page, visit.newcomer);
    }
    Err(Fault::bare("a session or a consent that changes all the time").passing().into())
}

/// The client of a request that comes back from a page, if it is still there and may still be answered where it said.
async fn still_registered(world: &World, interaction: &Interaction) -> Result<Listed, Halt> {
    let Some(registered) = clients::find(world, &interaction.asked.client).await? else {
        return Err(Halt::Dead(Dead::new("the application is no longer registered here")));
    };
    if interaction.asked.destination.still_registered(registered.client()).is_err() {
        return Err(Halt::Dead(Dead::new("the application's redirect_uri is no longer registered")));
    }
    Ok(registered)
}

/// A page, with the request sealed for it; a refusal where no page could bring that back: it is too
/// long, or it was too long to be asked again by GET, and came without the browser's cookie.
fn shown(world: &World, interaction: &Interaction, page: Page, newcomer: Newcomer) -> Result<Answer, Halt> {
    let sealed = interaction.seal(world)?;
    if sealed.len() <= MAX_TEXT && newcomer != Newcomer::Unknown {
        return Ok(Answer::Page(page, sealed));
    }
    world.metrics.refusals.one(InvalidRequest.wire());
    let refusal = Refusal::new(InvalidRequest, "the request is too long to be answered by way of a page");
    Ok(Answer::Deliver(respond::error(&interaction.asked.destination, &world.policy.load().tokens.issuer, &refusal)))
}

/// The person said no (RFC 6749 §4.1.2.1).
///
/// # Errors
/// [`Halt`], where the client may not be answered any more.
pub async fn deny(
    world: &World,
    interaction: &Interaction,
    user: Option<&UserId>,
    origin: &Origin,
) -> Result<Answer, Halt> {
    let asked = &interaction.asked;
    if let Some(user) = user {
        let event =
            Event::ConsentDenied { user: user.clone(), client: asked.client.clone(), scope: asked.scope.clone() };
        world.note(origin, event);
    }
    still_registered(world, interaction).await?;
    let refusal = Refusal::new(AccessDenied, "the person declined");
    Ok(Answer::Deliver(respond::error(&asked.destination, &world.policy.load().tokens.issuer, &refusal)))
}

/// What is known of whoever is here when the question is asked.
///
/// # Errors
/// A fault of the store.
pub async fn facts(
    world: &Arc<World>,
    interaction: &Interaction,
    client: &Client,
    here: Option<Here>,
) -> Result<Facts, Fault> {
    let Some(here) = here else {
        return Ok(Facts { session: None, consent: None, trust: client.trust, reachable_acr: Vec::new() });
    };
    let (user, id) = (here.user.id.clone(), client.id.clone());
    let consent = if rule::asks_for_consent(&interaction.asked, client.trust) {
        let find = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.consents().find(&user, &id)?);
        world.store.read("find_consent", find).await.map_err(only_fault)?
    } else {
        None
    };
    Ok(known(interaction, client.trust, here, consent))
}

/// The same, from what was found.
fn known(interaction: &Interaction, trust: Trust, here: Here, consent: Option<ConsentRow>) -> Facts {
    // One that was taken back counts for nothing.
    let consent = consent.filter(|c| c.withdrawn_at.is_none());
    let chosen_at = interaction.chosen.as_ref().filter(|c| c.session == here.session.id).map(|c| c.at);
    Facts {
        session: Some(SessionFacts {
            user: here.user.id,
            session: here.session.id,
            auth_time: here.session.auth_time,
            acr: None,
            amr: here.session.amr.iter().map(|a| a.as_str().to_owned()).collect(),
            chosen_at,
        }),
        consent: consent.map(|c| ConsentFacts { scope: c.scope, resources: c.resources, given_at: c.given_at }),
        trust,
        reachable_acr: Vec::new(),
    }
}

/// Who is at the browser, for the pages.
pub use visit::Here;

/// The browser of a visit, for forms.
#[must_use]
pub fn form_token(world: &World, visit: &Visit, here: Option<&Here>) -> String {
    visit.browser.form_token(world, here.map(|h| &h.session.id))
}

/// Whether a form of ours was sent from the page that we showed to this browser in this session.
#[must_use]
pub fn form_sent(world: &World, browser: &Browser, here: Option<&Here>, token: &str) -> bool {
    browser.sent(world, here.map(|h| &h.session.id), token)
}
