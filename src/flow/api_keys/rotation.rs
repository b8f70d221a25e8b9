//! How far a rotation is: whether the new key is used, and who still uses the old one and would be
//! cut off if it ended now.

use super::{
    life::reach,
    refused::{Refused, refuse},
    usage,
};
use crate::{
    apikey::{
        access::{Act, Caller},
        key::{ApiKey, State},
        rotate::is_live,
        words::{Instant, KeyIdentifier, whole},
    },
    base::{
        fault::Stop,
        id::ApiKeyId,
        moment::{Moment, Span},
    },
    flow::world::World,
    store::{
        Tx,
        key_lists::{KeyFilter, ListedKey},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

pub use crate::store::key_places::{Place, Seen};

/// How far back it is told from where the old key was used.
const BACK: Span = Span::hours(24);
/// The most keys of a family that are looked at: as many as there can be.
const LINE: i64 = 500;

/// A key and its successor.
#[derive(Debug)]
pub struct Rotation {
    /// The key that ends with the overlap.
    pub old: ListedKey,
    /// The key that took its place.
    pub new: ListedKey,
    /// From when on places are counted: a full hour.
    pub since: Moment,
    /// From where the old key was used since, the busiest first.
    pub places: Vec<(Place, Seen)>,
    /// Calls since from more places than are told apart.
    pub others: u64,
}

impl Rotation {
    /// Whether both keys are good now.
    #[must_use]
    pub fn overlaps(&self, now: Moment) -> bool {
        let good = |key: &ApiKey| is_live(key, now) && matches!(key.state, State::Active | State::Retiring);
        good(&self.old.key) && good(&self.new.key)
    }
}

/// The rotation that a key is in: as the one that ends, or else as the one that took its place. What
/// this node has counted is in it, what other nodes have within some seconds.
///
/// # Errors
/// [`Refused`] where the caller may not look, there is no such key, or it was never rotated.
pub async fn of(world: &World, caller: Caller, id: ApiKeyId) -> Result<Rotation, Stop<Refused>> {
    usage::flush(world).await?;
    let read = move |tx: &mut Tx<'_>| -> Result<Rotation, Stop<Refused>> {
        let facts = reach(tx, &caller, Act::Read, &id)?;
        let filter = KeyFilter { family: Some(facts.family.id), ..KeyFilter::default() };
        let line = tx.api_keys().list(&filter, None, LINE)?;
        let successor = facts.key.successor.as_ref();
        let old = line.iter().find(|one| match successor {
            Some(_) => one.key.id == id,
            None => one.key.successor.as_ref() == Some(&id),
        });
        let new = line.iter().find(|one| one.key.id == *successor.unwrap_or(&id));
        let (Some(old), Some(new)) = (old.cloned(), new.cloned()) else {
            return refuse(Refused::State("the key has no successor and took no other's place"));
        };
        let since = super::series::floor(tx.now() - BACK, Span::hours(1));
        let (places, others) = tx.key_places().of_key(&old.key.id, since)?;
        Ok(Rotation { old, new, since, places, others })
    };
    world.store.read("show_rotation", read).await
}

/// A rotation, as it is told.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rotation", transform = whole)]
pub struct Told<'a> {
    /// Whether both keys are good now.
    overlapping: bool,
    /// The key that ends with the overlap.
    old: Side<'a>,
    /// The key that took its place.
    new: Side<'a>,
    /// From when on it is told from where the old key was used: a full hour of the last day.
    #[schemars(with = "Instant")]
    since: String,
    /// From where the old key was used since, the busiest first.
    places: Vec<Whence<'a>>,
    /// Calls with the old key since from more places than are told apart: 32 an hour.
    elsewhere: u64,
}

/// A key in a rotation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RotationKey", transform = whole)]
struct Side<'a> {
    /// Its identifier.
    #[schemars(with = "KeyIdentifier")]
    id: &'a ApiKeyId,
    /// What people know it by.
    hint: &'a str,
    /// Where it is in its life.
    state: State,
    /// When it was made.
    #[schemars(with = "Instant")]
    created_at: String,
    /// Until when it is good; of the old key the end of the overlap.
    #[schemars(with = "Option<Instant>")]
    expires_at: Option<String>,
    /// When it was used first, as far as is known; null where it never was.
    #[schemars(with = "Option<Instant>")]
    first_used_at: Option<String>,
    /// When it was used last, to some seconds.
    #[schemars(with = "Option<Instant>")]
    last_used_at: Option<String>,
    /// From which address it was then.
    last_used_ip: Option<String>,
    /// What the program said then that it is (User-Agent).
    last_used_ua: Option<&'a str>,
}

impl<'a> Side<'a> {
    fn of(one: &'a ListedKey) -> Self {
        let (key, last) = (&one.key, one.last_use.as_ref());
        Self {
            id: &key.id,
            hint: &key.hint,
            state: key.state,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            first_used_at: last.map(|last| last.first.to_string()),
            last_used_at: last.map(|last| last.at.to_string()),
            last_used_ip: last.and_then(|last| last.address).map(|address| address.to_string()),
            last_used_ua: last.and_then(|last| last.agent.as_deref()),
        }
    }
}

/// From where a key was used.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RotationPlace", transform = whole)]
struct Whence<'a> {
    /// The address; null where it was not said.
    ip: Option<String>,
    /// What the program says it is (User-Agent); null where it did not.
    ua: Option<&'a str>,
    /// How many calls.
    calls: u64,
    /// When the last of them was.
    #[schemars(with = "Instant")]
    last_used_at: String,
}

impl<'a> Told<'a> {
    /// As it is told now.
    #[must_use]
    pub fn of(rotation: &'a Rotation, now: Moment) -> Self {
        let place = |(place, seen): &'a (Place, Seen)| {
            let (ip, ua) = match place {
                Place::Of { address, agent } => (address.map(|address| address.to_string()), agent.as_deref()),
                Place::Others => (None, None),
            };
            Whence { ip, ua, calls: seen.calls, last_used_at: seen.last.to_string() }
        };
        Self {
            overlapping: rotation.overlaps(now),
            old: Side::of(&rotation.old),
            new: Side::of(&rotation.new),
            since: rotation.since.to_string(),
            places: rotation.places.iter().map(place).collect(),
            elsewhere: rotation.others,
        }
    }
}
