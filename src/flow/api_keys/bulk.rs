//! Many keys at once: made here in batches, or brought from where they were made before. A batch is
//! one transaction and one event.

use super::{
    apis::Done,
    create::{Create, Held, Place, endless, key, parties, place},
    mac_keys::{self, Given},
    refused::{Refused, refuse},
    under_peppers::{self, text_of_hash},
    verify::FOREIGN,
};
use crate::{
    apikey::{
        access::{self, Act, Caller, NotAllowed},
        create::{Ending, longest},
        family::Family,
        foreign::{self, Strength},
        key::{ApiKey, Origin},
        text::KeyText,
        wanted::{self, Admitted, Unfit},
    },
    audit::Event,
    base::{
        digest::TokenHash,
        fault::{Fault, Stop},
        id::{ApiKeyId, FamilyId},
        secret::Secret,
    },
    flow::world::World,
    store::{
        Tx,
        feed::{Change, Subject},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// The most keys of one batch.
pub const BATCH: usize = 2000;

/// A key that was just made, with others: its handle, and its text to be shown this once.
pub type Made = (ApiKeyId, Secret<String>);

/// Makes so many keys, at most [`BATCH`], that differ in nothing but their text; each has a family of
/// its own. What an owner may have at most does not count: this is for those who may do it for everybody.
///
/// # Errors
/// [`Refused`] where the caller may not, anything named is not there, or anything in it cannot be.
pub async fn create(
    world: &Arc<World>,
    caller: Caller,
    (create, n): (Create, usize),
    done: Done,
) -> Result<Vec<Made>, Stop<Refused>> {
    for_everybody(&caller, Act::Create)?;
    let held = Arc::clone(world);
    let write = move |tx: &mut Tx<'_>| -> Result<Vec<Made>, Stop<Refused>> {
        let place = place(tx, &caller, &create)?;
        let admitted = admit(tx, &create, &place)?;
        let (mut batch, mut made) = (Batch::default(), Vec::with_capacity(n));
        for _ in 0..n.min(BATCH) {
            let text = KeyText::mint(&place.api.prefix, &admitted.environment, held.api_keys.random_length, tx.dice())?;
            let pepper = held.secrets.pepper.current();
            let digest = pepper.hash(text.text().expose());
            let kept = Held { digest, pepper: pepper.version(), hint: text.hint().to_owned(), origin: Origin::Minted };
            let id = batch.add(tx, (&place, &create), (admitted.clone(), kept), None)?;
            made.push((id, text.text().clone()));
        }
        batch.save(tx)?;
        let (user, client) = parties(&place.family.owner);
        let (api, count, kind) = (place.api.id, size(made.len()), create.wanted.kind.as_str());
        done.note(tx, |by| Event::ApiKeysCreated { api, count, user, client, kind, by })?;
        Ok(made)
    };
    world.store.write("create_api_keys", write).await
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

pub(super) fn for_everybody(caller: &Caller, act: Act) -> Result<(), Stop<Refused>> {
    caller.may(act).map_err(|not| Stop::Refusal(not.into()))?;
    if caller.only().is_some() { refuse(NotAllowed::Lacks(access::ANY)) } else { Ok(()) }
}

fn admit(tx: &Tx<'_>, create: &Create, place: &Place) -> Result<Admitted, Stop<Refused>> {
    wanted::admit(&create.wanted, &place.api, tx.now()).map_err(|unfit| Stop::Refusal(unfit.into()))
}

/// Keys and their families, to be stored together.
#[derive(Default)]
struct Batch {
    families: Vec<Family>,
    keys: Vec<ApiKey>,
    /// The digests that were brought as HMACs, also of keys that are there already.
    macs: Vec<TokenHash>,
}

impl Batch {
    fn add(
        &mut self,
        tx: &Tx<'_>,
        (place, create): (&Place, &Create),
        (admitted, kept): (Admitted, Held),
        name: Option<&str>,
    ) -> Result<ApiKeyId, Fault> {
        let (now, dice) = (tx.now(), tx.dice());
        let name = name.map_or_else(|| place.family.name.clone(), str::to_owned);
        let family = Family { id: FamilyId::mint(now, dice)?, name, ..place.family.clone() };
        let id = ApiKeyId::mint(now, dice)?;
        self.keys.push(key(tx, (id.clone(), &family, &create.wanted), admitted, kept));
        self.families.push(family);
        Ok(id)
    }

    /// Stores all of it. What is there already was looked for, so a text that is taken was brought
    /// by somebody else at the same time: all of it is to be done again.
    fn save(&self, tx: &mut Tx<'_>) -> Result<(), Fault> {
        tx.key_families().insert_many(&self.families)?;
        let refused = tx.api_keys().insert_many(&self.keys)?;
        if refused.is_empty() { Ok(()) } else { Err(Fault::bare("the text of a key is there already").passing()) }
    }

    /// Writes down by which key of HMAC they are known.
    fn hang(&self, tx: &mut Tx<'_>, mac_key: Option<&Given>) -> Result<(), Fault> {
        mac_key.map_or(Ok(()), |key| tx.mac_keys().makes_known(&key.id, &self.macs))
    }
}

/// What is brought of a key that was made elsewhere.
#[derive(Clone, Debug)]
pub enum Brought {
    /// Its text, which is hashed at once.
    Text(Secret<String>),
    /// The SHA-256 of its text.
    Sha256([u8; 32]),
    /// The HMAC-SHA-256 of its text, under the key that comes with the import.
    Hmac([u8; 32]),
}

/// A key that is brought.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is brought of it.
    pub brought: Brought,
    /// What its owner calls it; as the others where nothing is said.
    pub name: Option<String>,
}

/// Keys that are brought together, at most [`BATCH`].
#[derive(Clone, Debug)]
pub struct Import {
    /// What they have in common.
    pub like: Create,
    /// What is said of how hard they are to guess.
    pub strength: Strength,
    /// Under which key HMACs among them were made.
    pub mac_key: Option<Secret<Vec<u8>>>,
    /// Each of them.
    pub items: Vec<Item>,
}

/// What became of one that was brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a key from now on.
    Imported(ApiKeyId),
    /// It was there before, or comes twice.
    Duplicate,
    /// It cannot be, and why.
    Refused(&'static str),
}

/// Brings keys that were made elsewhere; what became of each, in their order. Those that are refused
/// or there already hinder no other.
///
/// # Errors
/// [`Refused`] where the caller may not, anything named is not there, or what they have in common cannot be.
pub async fn import(
    world: &Arc<World>,
    caller: Caller,
    import: Import,
    done: Done,
) -> Result<Vec<Outcome>, Stop<Refused>> {
    for_everybody(&caller, Act::Import)?;
    if import.mac_key.is_some() {
        // So that those that are there can be told from a new one.
        world.secrets.learn(&world.store).await?;
    }
    let held = Arc::clone(world);
    let import = Arc::new(import);
    let write = move |tx: &mut Tx<'_>| -> Result<Vec<Outcome>, Stop<Refused>> {
        endless(&caller, &import.like, tx.now())?;
        let place = place(tx, &trusted(&caller), &import.like)?;
        let admitted = within_strength(tx, &import, &place)?;
        let mac_key = mac_key(tx, &held, &import)?;
        let (batch, outcomes) = sorted(tx, (&held, &import), (&place, &admitted), mac_key.as_ref())?;
        let count = size(batch.keys.len());
        if count == 0 {
            batch.hang(tx, mac_key.as_ref())?;
            return Ok(outcomes);
        }
        let new = mac_key.as_ref().filter(|key| key.is_new);
        if let (Some(new), Some(key)) = (&new, &import.mac_key) {
            mac_keys::add(tx, &held.secrets.envelope, (&new.id, key))?;
        }
        if new.is_some() || !tx.api_keys().any_foreign()? {
            // Nodes that know of none look for them when they hear of a changed API, and for keys of HMAC.
            tx.feed().add(&Change::about(Subject::Api, place.api.id.as_str()))?;
        }
        batch.save(tx)?;
        batch.hang(tx, mac_key.as_ref())?;
        let (user, client) = parties(&place.family.owner);
        let (api, strength) = (place.api.id, import.strength.as_str());
        done.note(tx, |by| Event::ApiKeysImported { api, count, user, client, strength, by })?;
        Ok(outcomes)
    };
    let outcomes = world.store.write("import_api_keys", write).await?;
    super::life::heard(world).await;
    Ok(outcomes)
}

/// Which key of HMAC the import is under, where anything in it is.
fn mac_key(tx: &mut Tx<'_>, world: &World, import: &Import) -> Result<Option<Given>, Stop<Refused>> {
    let needed = import.items.iter().any(|item| matches!(item.brought, Brought::Hmac(_)));
    let key = import.mac_key.as_ref().filter(|_| needed);
    key.map(|key| mac_keys::given(tx, &world.secrets.envelope, key)).transpose()
}

/// Tells what is new among what is brought from what is there or cannot be.
fn sorted(
    tx: &mut Tx<'_>,
    (world, import): (&World, &Import),
    (place, admitted): (&Place, &Admitted),
    mac_key: Option<&Given>,
) -> Result<(Batch, Vec<Outcome>), Fault> {
    let read: Vec<Result<Kept, &'static str>> =
        import.items.iter().map(|item| kept(world, item, import.strength, mac_key)).collect();
    let digests: Vec<TokenHash> = read.iter().flatten().flat_map(|kept| &kept.names).copied().collect();
    let mut seen: BTreeSet<[u8; 32]> = tx.api_keys().taken(&digests)?;
    let (mut batch, mut outcomes) = (Batch::default(), Vec::with_capacity(read.len()));
    for (item, read) in import.items.iter().zip(read) {
        let kept = match read {
            Ok(kept) => kept,
            Err(why) => {
                outcomes.push(Outcome::Refused(why));
                continue;
            }
        };
        let known = kept.names.iter().any(|digest| seen.contains(digest.as_bytes()));
        seen.extend(kept.names.iter().map(|digest| *digest.as_bytes()));
        if matches!(item.brought, Brought::Hmac(_)) {
            batch.macs.extend(&kept.names);
        }
        outcomes.push(if known {
            Outcome::Duplicate
        } else {
            let which = (place, &import.like);
            let id = batch.add(tx, which, (admitted.clone(), kept.held), item.name.as_deref())?;
            Outcome::Imported(id)
        });
    }
    Ok((batch, outcomes))
}

/// Who may bring keys may make them too, for that.
fn trusted(caller: &Caller) -> Caller {
    match caller {
        Caller::Token { owner, scope, fresh } => {
            let create = crate::base::scope::Scope::parse(&format!("{scope} {}", Act::Create.scope()));
            Caller::Token { owner: owner.clone(), scope: create.unwrap_or_else(|_| scope.clone()), fresh: *fresh }
        }
        Caller::Operator | Caller::Person { .. } => caller.clone(),
    }
}

/// What such keys will be: those that may be easy to guess do not live long.
fn within_strength(tx: &Tx<'_>, import: &Import, place: &Place) -> Result<Admitted, Stop<Refused>> {
    let admitted = admit(tx, &import.like, place)?;
    if import.strength == Strength::Vouched {
        return Ok(admitted);
    }
    let end = longest(place.api.settings.sensitivity, Origin::Imported).map(|longest| tx.now() + longest);
    match (admitted.expires_at, end) {
        (Some(wanted), Some(end)) if wanted <= end => Ok(admitted),
        (_, Some(end)) if import.like.wanted.ending == Ending::Usual => {
            Ok(Admitted { expires_at: Some(end), ..admitted })
        }
        _ => refuse(Unfit::Member("expires_at", "of weak keys must be within 30 days".to_owned())),
    }
}

/// What is kept of a key that was brought, and every digest under which it would be if it had been brought
/// before: either way, with any pepper.
struct Kept {
    held: Held,
    names: Vec<TokenHash>,
}

fn kept(world: &World, item: &Item, strength: Strength, mac_key: Option<&Given>) -> Result<Kept, &'static str> {
    if item.name.as_deref().is_some_and(|name| wanted::name(name).is_err()) {
        return Err("its name cannot be");
    }
    match &item.brought {
        Brought::Sha256(hash) => Ok(digest(world, strength, (text_of_hash(hash), foreign::hint_of_hash(hash)))),
        Brought::Hmac(mac) => {
            let key = mac_key.ok_or("is an HMAC, whose key was not given")?;
            Ok(digest(world, strength, (mac_keys::form(&key.id, mac), foreign::hint_of_mac(mac))))
        }
        Brought::Text(text) => text_itself(world, strength, text.expose()),
    }
}

/// Of a key of which a digest was brought.
fn digest(world: &World, strength: Strength, (text, hint): (String, String)) -> Kept {
    let origin = if strength == Strength::Weak { Origin::Imported } else { Origin::ImportedHash };
    let pepper = world.secrets.pepper.current();
    let (digest, names) = (pepper.hash(&text), world.secrets.pepper.hashes(&text));
    Kept { held: Held { digest, pepper: pepper.version(), hint, origin }, names }
}

/// Of a key of which the text was brought.
fn text_itself(world: &World, strength: Strength, text: &str) -> Result<Kept, &'static str> {
    let weak = strength == Strength::Weak;
    if !FOREIGN.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must have 16 to 512 visible characters of ASCII, or nobody would find it");
    }
    if !weak && !foreign::is_strong(text) {
        return Err("may be easy to guess: bring it as weak, or make a new one");
    }
    let own = KeyText::parse(text, world.api_keys.random_length).map(|own| own.hint().to_owned());
    let hint = own.unwrap_or_else(|| foreign::hint(text));
    let origin = if weak { Origin::Imported } else { Origin::ImportedText };
    let pepper = world.secrets.pepper.current();
    let names = under_peppers::digests(world, &under_peppers::every_form(world, text));
    Ok(Kept { held: Held { digest: pepper.hash(text), pepper: pepper.version(), hint, origin }, names })
}
