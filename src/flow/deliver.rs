//! Tells clients that a session has ended (OpenID Connect Back-Channel Logout 1.0): what is to be
//! told is stored with the end itself, and delivered afterwards, again and again if need be.

use super::{
    clients, follow,
    journal::own_work,
    pace::{Ending, goes_on, has_ended},
    rotate_keys, signing,
    world::{World, note, only_fault},
};
use crate::{
    audit::Event,
    base::{
        entropy::{self, Entropy},
        fault::{Fault, Stop},
        id::{ClientId, SessionId, UserId},
        moment::Span,
        secret::Secret,
    },
    jose::Typ,
    oauth::client::BackchannelLogout,
    oidc::logout_token::LogoutToken,
    remote::LOGOUTS_AT_ONCE,
    store::{Tx, outbox::Message},
};
use std::{collections::BTreeMap, convert::Infallible, sync::Arc};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, timeout_at},
};

/// The kind of these messages in the outbox.
const KIND: &str = "backchannel_logout";
/// How often the outbox is looked at.
const EVERY: Span = Span::seconds(1);
/// Messages under way to one client at once: one that does not answer must not keep the others from hearing.
const TO_ONE: usize = 2;
/// For how long a message is nobody else's: far longer than the longest call, a minute, and what precedes it.
const LEASE: Span = Span::minutes(3);
/// When to give up.
const MOST_ATTEMPTS: u32 = 10;
const LONGEST: Span = Span::hours(24);
/// The first pause between two attempts; each is twice the one before, up to the longest.
const FIRST_PAUSE: Span = Span::seconds(5);
const LONGEST_PAUSE: Span = Span::hours(1);

/// What is to be told, as it is stored.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Payload {
    client: ClientId,
    sid: SessionId,
    sub: UserId,
}

/// Puts into the outbox that a session has ended: a message for each client that the person used
/// in it and that wants to hear. To be called in the transaction that ends the session.
///
/// # Errors
/// A fault of the store.
pub fn enqueue(tx: &mut Tx<'_>, user: &UserId, session: &SessionId) -> Result<(), Fault> {
    for client in tx.grants().clients_of_session(session)? {
        let Some(row) = tx.clients().find(&client)? else { continue };
        if row.disabled_at.is_some() || clients::read(&row)?.client().backchannel_logout.is_none() {
            continue;
        }
        let payload = Payload { client, sid: session.clone(), sub: user.clone() };
        let payload = serde_json::to_value(&payload).map_err(|e| Fault::new("writing a message", e))?;
        tx.outbox().add(KIND, &payload)?;
    }
    Ok(())
}

/// Delivers what is due until the server ends; what is under way then is finished.
pub async fn run(world: Arc<World>, mut ending: Ending) {
    let mut away = false;
    while goes_on(&mut ending, EVERY).await {
        match round(&world, &ending).await {
            Ok(()) => away = false,
            Err(fault) if away => tracing::debug!(error = %fault, "the outbox can still not be read"),
            Err(fault) => {
                away = true;
                tracing::warn!(error = %fault, "the outbox cannot be read");
            }
        }
    }
}

/// Messages under way, and to whom.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<(String, Result<(), Fault>)>,
    to: BTreeMap<String, usize>,
}

impl UnderWay {
    /// Those who are told as much at once as one may be.
    fn full(&self) -> Vec<String> {
        self.to.iter().filter(|(_, calls)| **calls >= TO_ONE).map(|(client, _)| client.clone()).collect()
    }
    fn start(&mut self, world: &Arc<World>, message: Message) {
        let client = message.to().to_owned();
        *self.to.entry(client.clone()).or_default() += 1;
        let handled = handle(Arc::clone(world), message);
        self.calls.spawn(async move { (client, handled.await) });
    }
    fn ended(&mut self, done: Result<(String, Result<(), Fault>), JoinError>) -> Result<(), Fault> {
        let (client, handled) = done.map_err(|e| Fault::new("delivering a message", e))?;
        if let Some(calls) = self.to.get_mut(&client) {
            *calls = calls.saturating_sub(1);
        }
        self.to.retain(|_, calls| *calls > 0);
        handled
    }
}

/// Delivers everything that is due now, or becomes so while something is under way. After a fault
/// nothing more is begun, and what is under way is finished.
async fn round(world: &Arc<World>, ending: &Ending) -> Result<(), Fault> {
    let (mut under_way, mut outcome) = (UnderWay::default(), Ok(()));
    // A call that ended makes room for one other. Whether there is more for others than those who are told
    // enough is looked at every second only: past many messages to one client that is a long look.
    let (mut looks, mut look_at) = (0, Instant::now());
    loop {
        if Instant::now() >= look_at {
            (looks, look_at) = (LOGOUTS_AT_ONCE, Instant::now() + EVERY.to_std());
        }
        while looks > 0 && outcome.is_ok() && under_way.calls.len() < LOGOUTS_AT_ONCE && !has_ended(ending) {
            match claim(world, under_way.full()).await {
                Ok(Some(message)) => {
                    under_way.start(world, message);
                    looks -= 1;
                }
                Ok(None) => looks = 0,
                Err(fault) => outcome = Err(fault),
            }
        }
        match timeout_at(look_at, under_way.calls.join_next()).await {
            Ok(Some(done)) => {
                outcome = outcome.and(under_way.ended(done));
                looks += 1;
            }
            Ok(None) => return outcome,
            Err(_) => {}
        }
    }
}

/// A message that is due, to none of these clients.
async fn claim(world: &World, but: Vec<String>) -> Result<Option<Message>, Fault> {
    let but = Arc::new(but);
    let same = Arc::clone(&but);
    let any = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.outbox().any_due(&but)?);
    if !world.store.read("look_into_outbox", any).await.map_err(only_fault)? {
        return Ok(None);
    }
    let claim = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.outbox().claim_due(1, &same, LEASE)?);
    Ok(world.store.write("claim_messages", claim).await.map_err(only_fault)?.pop())
}

/// What came of an attempt.
#[derive(Clone, Debug)]
enum Attempt {
    Delivered,
    /// It may be tried again.
    Failed(&'static str, String),
    /// There is nothing to try.
    Hopeless(&'static str),
}

async fn handle(world: Arc<World>, message: Message) -> Result<(), Fault> {
    let read = (message.kind == KIND).then(|| serde_json::from_value::<Payload>(message.payload.clone()));
    let Some(Ok(payload)) = read else {
        let error = format!("a message of kind {} that this version cannot read", message.kind);
        let dead = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.outbox().dead(&message.id, &error)?);
        return world.store.write("bury_message", dead).await.map_err(only_fault);
    };
    let attempt = match attempt(&world, &payload).await {
        Ok(attempt) => attempt,
        Err(fault) => {
            tracing::error!(error = %fault, message.id = %message.id, "a logout token could not be made");
            Attempt::Failed("fault", "a fault of ours".to_owned())
        }
    };
    settle(&world, message, payload, attempt).await
}

async fn attempt(world: &Arc<World>, payload: &Payload) -> Result<Attempt, Fault> {
    let Some(listed) = clients::find(world, &payload.client).await? else {
        return Ok(Attempt::Hopeless("the client is no longer registered"));
    };
    let Some(BackchannelLogout { uri, .. }) = &listed.client().backchannel_logout else {
        return Ok(Attempt::Hopeless("the client no longer wants to hear"));
    };
    let alg = listed.client().id_token_alg;
    follow::awake(world).await;
    rotate_keys::ensure(world, alg).await?;
    let issuer = world.policy.load().tokens.issuer.clone();
    let claims = LogoutToken::of(&issuer, &payload.client, (&payload.sub, &payload.sid), world.now(), &*world.dice)?;
    let keyring = world.keyring.load_full();
    let key = keyring.signer(alg).ok_or_else(|| Fault::bare(format!("there is no signing key for {alg}")))?;
    let token = Secret::new(signing::sign(world, key, Typ::LogoutToken, &claims).await?);
    Ok(match world.outbound.post_logout_token(uri, token).await {
        Ok(()) => Attempt::Delivered,
        Err(failed) => Attempt::Failed(failed.word(), failed.to_string()),
    })
}

async fn settle(world: &World, message: Message, payload: Payload, attempt: Attempt) -> Result<(), Fault> {
    let attempts = u32::try_from(message.attempts).unwrap_or(1);
    let pause = pause(attempts, &*world.dice)?;
    let spent = attempts >= MOST_ATTEMPTS || world.now().since(message.created_at) >= LONGEST;
    let result = match &attempt {
        Attempt::Delivered => "delivered",
        Attempt::Failed(..) if !spent => "retried",
        Attempt::Failed(..) | Attempt::Hopeless(_) => "abandoned",
    };
    world.metrics.logout_deliveries.one(result);
    let node = world.node.clone();
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<Infallible>> {
        let (client, user) = (payload.client.clone(), Some(payload.sub.clone()));
        let event = match &attempt {
            Attempt::Delivered => {
                tx.outbox().done(&message.id)?;
                Event::LogoutDelivered { client, user, attempts }
            }
            Attempt::Failed(_, error) if !spent => {
                let at = tx.now() + pause;
                return Ok(tx.outbox().retry(&message.id, at, error)?);
            }
            Attempt::Failed(why, error) => {
                tx.outbox().dead(&message.id, error)?;
                Event::LogoutDeliveryFailed { client, user, attempts, why }
            }
            Attempt::Hopeless(why) => {
                tx.outbox().dead(&message.id, why)?;
                Event::LogoutDeliveryFailed { client, user, attempts, why }
            }
        };
        Ok(note(tx, &own_work(&node), event)?)
    };
    world.store.write("settle_message", write).await.map_err(only_fault)
}

/// How long to wait after this many attempts: half of it certain, half of it chance, so that the
/// messages of an outage do not all come back at once.
fn pause(attempts: u32, dice: &dyn Entropy) -> Result<Span, Fault> {
    let doubled = 1i64.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(i64::MAX);
    let full = FIRST_PAUSE.as_micros().saturating_mul(doubled).min(LONGEST_PAUSE.as_micros());
    let chance = i64::from(u16::from_be_bytes(entropy::bytes(dice)?));
    Ok(Span::millis((full / 2 + full / 2 * chance / i64::from(u16::MAX)) / 1000))
}

#[cfg(test)]
mod tests;
