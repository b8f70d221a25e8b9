//! Rotating the key-encryption key while everything goes on. First, in one transaction, every key that
//! rests under the older one is sealed under the newest, and a new data key is made; then, in small
//! transactions, every value moves to it. Each value says what it is under, so that whoever is
//! killed in between goes on where it was, and nobody who reads meets a value that does not open.

use super::{
    Keks, Known, fits,
    made::{self, bare},
    read,
};
use crate::{
    audit::{Actor, Event},
    base::{
        fault::{Fault, Stop},
        moment::Span,
    },
    flow::{
        journal::own_work,
        world::{World, note, only_fault},
    },
    store::{
        Tx,
        feed::{Change, Subject},
        key_versions::{KeyVersion, Kind},
        sealed::Column,
    },
};
use std::convert::Infallible;

/// Values in one transaction.
const BATCH: i64 = 100;
/// For how long a data key is kept that holds nothing any more: a transaction that had begun before
/// it was replaced may still seal a value under it.
const KEPT: Span = Span::days(1);

/// What is wanted besides what must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    AsNeeded,
    /// A new data key, though the key-encryption key is the one that it was.
    NewDataKey,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many values were moved.
    pub moved: u64,
    /// How many are left.
    pub left: u64,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The version of the key-encryption key in force before.
    pub kek_before: i32,
    /// The version in force now.
    pub kek: i32,
    /// The data key in force now.
    pub data_key: i32,
    /// How many values were moved to it.
    pub moved: u64,
    /// Data keys that held nothing any more, and are gone.
    pub dropped: Vec<i32>,
    /// Values that do not open, and stayed as they are: column and row.
    pub stuck: Vec<String>,
}

/// Does it. May be called as often as one likes, on any node.
///
/// # Errors
/// A fault of the store, or one that says which key-encryption key is missing. What was moved stays moved.
pub async fn run(world: &World, wanted: Wanted, by: Actor, told: &mut dyn FnMut(Progress)) -> Result<Done, Fault> {
    let envelope = &world.secrets.envelope;
    let prepare = Prepare { keks: envelope.keks(), wanted, node: world.node.to_string(), by: by.clone() };
    let work = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(prepare.run(tx)?);
    let mut done = world.store.write("rewrap_keys", work).await.map_err(only_fault)?;
    world.secrets.learn(&world.store).await?;
    for column in Column::ALL {
        column_to(world, *column, &mut done, told).await?;
    }
    let (node, target, moved) = (world.node.to_string(), done.data_key, done.moved);
    let finish = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(finish(tx, target, moved, (&node, &by))?);
    done.dropped = world.store.write("drop_data_keys", finish).await.map_err(only_fault)?;
    Ok(done)
}

/// The first transaction, with all it needs: it may run more than once.
struct Prepare {
    keks: Keks,
    wanted: Wanted,
    node: String,
    by: Actor,
}

impl Prepare {
    fn run(&self, tx: &mut Tx<'_>) -> Result<Done, Fault> {
        tx.key_versions().lock()?;
        let Known { mut rows, before } = read(tx)?;
        if rows.is_empty() {
            made::adopt(tx, &self.keks, &before.unwrap_or_default())?;
            rows = tx.key_versions().list()?;
        }
        let kek_before = newest(&rows, Kind::Kek)?.version;
        let changed = self.newest_kek(tx, &rows)?;
        rows = tx.key_versions().list()?;
        if changed || self.wanted == Wanted::NewDataKey {
            let made = made::next_data_key(tx, &self.keks, &rows)?;
            self.note(tx, |by| Event::DataKeyMade { version: number(made.version), by })?;
            rows = tx.key_versions().list()?;
        }
        tx.feed().add(&Change::about(Subject::SigningKeys, "all"))?;
        let (kek, data_key) = (newest(&rows, Kind::Kek)?.version, newest(&rows, Kind::Data)?.version);
        Ok(Done { kek_before, kek, data_key, moved: 0, dropped: Vec::new(), stuck: Vec::new() })
    }

    /// Seals every key under the newest key-encryption key that is given; false where it was already.
    fn newest_kek(&self, tx: &mut Tx<'_>, rows: &[KeyVersion]) -> Result<bool, Fault> {
        let (given, last) = (self.keks.newest()?, newest(rows, Kind::Kek)?);
        if fits(&last.proof, &given) {
            // One that was made while this key took the place of the one before may be under that still.
            self.reseal(tx, rows, last)?;
            return Ok(false);
        }
        if let Some(older) = rows.iter().find(|row| row.kind == Kind::Kek && fits(&row.proof, &given)) {
            return Err(Fault::bare(format!(
                "secrets.kek is version {} of the key-encryption key, which version {} has replaced. Nothing was \
                 changed: give version {} in secrets.kek, or a new one there and version {} in secrets.older_keks",
                older.version, last.version, last.version, last.version
            )));
        }
        let next = bare(Kind::Kek, last.version.saturating_add(1), &given, tx.now());
        tx.key_versions().insert(&next)?;
        self.reseal(tx, rows, &next)?;
        let now = tx.now();
        tx.key_versions().retire_before(Kind::Kek, next.version, now)?;
        let (from, to) = (number(last.version), number(next.version));
        self.note(tx, |by| Event::KeyEncryptionKeyReplaced { from, to, by })?;
        Ok(true)
    }

    /// Seals under this key whatever is under another.
    fn reseal(&self, tx: &mut Tx<'_>, rows: &[KeyVersion], kek: &KeyVersion) -> Result<(), Fault> {
        for row in rows.iter().filter(|row| row.sealed_by.is_some_and(|by| by != kek.version)) {
            let key = self.keks.open(rows, row)?;
            let sealed = self.keks.seal(kek, (row.kind, row.version), &key, tx.dice())?;
            made::spend(tx, Kind::Kek, kek.version, 1)?;
            tx.key_versions().reseal(row.kind, row.version, kek.version, &sealed)?;
        }
        Ok(())
    }

    fn note(&self, tx: &mut Tx<'_>, event: impl FnOnce(Actor) -> Event) -> Result<(), Fault> {
        note(tx, &own_work(&self.node), event(self.by.clone()))
    }
}

/// A version as events have it.
pub(super) fn number(version: i32) -> u32 {
    u32::try_from(version).unwrap_or(0)
}

fn newest(rows: &[KeyVersion], kind: Kind) -> Result<&KeyVersion, Fault> {
    let row = rows.iter().rfind(|row| row.kind == kind);
    row.ok_or_else(|| Fault::bare(format!("this database has no {}", kind.in_words())))
}

/// Moves the values of a column, batch by batch.
async fn column_to(
    world: &World,
    column: Column,
    done: &mut Done,
    told: &mut dyn FnMut(Progress),
) -> Result<(), Fault> {
    let (store, envelope, target) = (&world.store, &world.secrets.envelope, done.data_key);
    let count = move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.sealed().count(column)?);
    let counted = store.read("count_sealed", count).await.map_err(only_fault)?;
    let mut left: u64 = counted
        .iter()
        .filter(|(version, _)| *version != Some(target))
        .map(|(_, n)| u64::try_from(*n).unwrap_or(0))
        .sum();
    let mut after = String::new();
    loop {
        let from = after.clone();
        let list =
            move |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.sealed().elsewhere(column, target, &from, BATCH)?);
        let batch = store.read("list_sealed", list).await.map_err(only_fault)?;
        let Some((last, _)) = batch.last() else { return Ok(()) };
        after.clone_from(last);
        let read = u64::try_from(batch.len()).unwrap_or(0);
        let mut plain = Vec::new();
        for (row, sealed) in batch {
            match envelope.open(column, &row, &sealed) {
                Ok(opened) => plain.push((row, sealed, opened)),
                Err(_) => done.stuck.push(format!("{} {row}", column.place("").table)),
            }
        }
        let envelope = envelope.clone();
        let reseal = move |tx: &mut Tx<'_>| -> Result<u64, Stop<Infallible>> {
            let values: Vec<(&str, &[u8])> =
                plain.iter().map(|(row, _, plain)| (row.as_str(), plain.expose().as_slice())).collect();
            let mut moved = 0;
            for ((row, before, _), sealed) in plain.iter().zip(envelope.seal_many(tx, column, &values)?) {
                // One that somebody has changed since is theirs.
                moved += u64::from(tx.sealed().replace(column, row, before, &sealed)?);
            }
            Ok(moved)
        };
        done.moved += store.write("rewrap_values", reseal).await.map_err(only_fault)?;
        left = left.saturating_sub(read);
        told(Progress { moved: done.moved, left });
    }
}

/// Forgets the data keys that hold nothing any more, and records what was done.
fn finish(tx: &mut Tx<'_>, target: i32, moved: u64, (node, by): (&str, &Actor)) -> Result<Vec<i32>, Fault> {
    tx.key_versions().lock()?;
    let mut used = Vec::new();
    for column in Column::ALL {
        used.extend(tx.sealed().count(*column)?.into_iter().filter_map(|(version, _)| version));
    }
    let since = tx.now() - KEPT;
    let idle = |row: &KeyVersion| {
        row.kind == Kind::Data
            && row.version != target
            && row.retired_at.is_some_and(|at| at < since)
            && !used.contains(&row.version)
    };
    let dropped: Vec<i32> = tx.key_versions().list()?.iter().filter(|row| idle(row)).map(|row| row.version).collect();
    for version in &dropped {
        tx.key_versions().delete(Kind::Data, *version)?;
    }
    if moved > 0 {
        note(tx, &own_work(node), Event::SecretsRewrapped { values: moved, version: number(target), by: by.clone() })?;
    }
    Ok(dropped)
}
