//! The digests under which a text is known if it is an API key: under every pepper that there is, and, of a key that
//! was brought from elsewhere, in every form in which it may have been brought. One that was hashed with an older pepper
//! is found, and hashed anew.

use super::{
    directory::in_memory,
    guesses::looked_up,
    verify::{FOREIGN, Found},
};
use crate::{
    apikey::text::well_formed,
    base::{
        digest::{TokenHash, hex, sha256},
        fault::Fault,
    },
    flow::{secrets::rehash, world::World},
};
use std::net::IpAddr;

/// A digest that a text may be known by.
struct Name {
    digest: TokenHash,
    /// What it is of, where an older pepper made it.
    old: Option<String>,
}

/// What a text may be, by its form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No key.
    None,
    /// One of ours.
    Ours,
    /// One that was brought from elsewhere; also where it has our form, which another installation may have made.
    Brought,
}

fn shape(world: &World, text: &str) -> Shape {
    let brought = world.api_keys.directory.has_foreign() && FOREIGN.contains(&text.len());
    match (well_formed(text, world.api_keys.random_length), brought) {
        (false, false) => Shape::None,
        (true, false) => Shape::Ours,
        (_, true) => Shape::Brought,
    }
}

fn of_shape(world: &World, text: &str, shape: Shape) -> Vec<String> {
    match shape {
        Shape::None => Vec::new(),
        Shape::Ours => vec![text.to_owned()],
        Shape::Brought => every_form(world, text),
    }
}

/// What is hashed of this text if it is a key: itself first; nothing where it has the form of none.
pub(super) fn forms(world: &World, text: &str) -> Vec<String> {
    of_shape(world, text, shape(world, text))
}

/// What would be hashed of this text in whatever form it was brought: itself first.
pub(super) fn every_form(world: &World, text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), text_of_hash(&sha256(text.as_bytes()))];
    forms.extend(world.api_keys.directory.mac_keys().iter().map(|key| key.form(text)));
    forms
}

/// The digests of these, under each pepper.
pub(super) fn digests(world: &World, forms: &[String]) -> Vec<TokenHash> {
    forms.iter().flat_map(|form| world.secrets.pepper.hashes(form)).collect()
}

/// The key of a text: from memory, else by one query for all that it may be known by.
///
/// # Errors
/// As [`looked_up`].
pub(super) async fn found(world: &World, text: &str, address: Option<IpAddr>) -> Result<Found, Fault> {
    let shape = shape(world, text);
    if shape == Shape::None {
        return Ok(Found::Nothing);
    }
    // One that is in use costs one hash, where its text was brought or made here.
    let newest = world.secrets.pepper.hash(text);
    if let Some(Some(known)) = in_memory(world, &newest) {
        return Ok(Found::Key(known));
    }
    let forms = of_shape(world, text, shape);
    let names = names(world, forms);
    let digests: Vec<TokenHash> = names.iter().map(|name| name.digest).collect();
    let found = looked_up(world, digests, address).await?;
    if let Found::Key(entry) = &found
        && let Some(name) = names.iter().find(|name| name.digest == entry.key.digest)
        && let Some(text) = &name.old
    {
        rehash::api_key(world, &entry.key, name.digest, text).await;
    }
    Ok(found)
}

/// Under the pepper that hashes what is new first.
fn names(world: &World, forms: Vec<String>) -> Vec<Name> {
    let peppers = world.secrets.pepper.all();
    let Some((current, older)) = peppers.split_first() else { return Vec::new() };
    let mut names: Vec<Name> = forms.iter().map(|form| Name { digest: current.hash(form), old: None }).collect();
    for form in forms {
        names.extend(older.iter().map(|pepper| Name { digest: pepper.hash(&form), old: Some(form.clone()) }));
    }
    names
}

/// What is hashed of a key whose SHA-256 was brought: so a stolen database is no better a list of
/// keys than for any other.
#[must_use]
pub fn text_of_hash(hash: &[u8; 32]) -> String {
    format!("sha256:{}", hex(hash))
}
