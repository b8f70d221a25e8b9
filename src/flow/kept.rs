//! What a person had typed into a form when they had to sign in again: sealed, so that their browser
//! carries it there and back, and nobody reads or changes it on the way.
//!
//! It fills the form again and does nothing by itself: the person looks at it and presses the button.

use super::{interaction::Browser, world::World};
use crate::{
    base::{
        fault::Fault,
        id::UserId,
        moment::{Moment, Span},
        secret::same,
    },
    oauth::params::Params,
};

/// How long it is kept.
const LIFE: Span = Span::hours(1);
/// The longest sealed text that is made or looked at, so that it fits into an address of 8 KiB.
pub const MAX_TEXT: usize = 6 * 1024;
/// What the seal is bound to besides its key.
const CONTEXT: &[u8] = b"kept form";

#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    browser: String,
    whose: Option<UserId>,
    at: Moment,
    form: String,
}

/// A form as the text that the browser carries; `None` where it is too long for that. Where
/// somebody is signed in, it is theirs alone.
///
/// # Errors
/// A fault of randomness or of the cipher.
pub fn seal(world: &World, browser: &Browser, whose: Option<&UserId>, form: &Params) -> Result<Option<String>, Fault> {
    let form = form.to_query();
    if form.len() > MAX_TEXT {
        return Ok(None);
    }
    let kept = Kept { browser: browser.mark(), whose: whose.cloned(), at: world.now(), form };
    let plain = serde_json::to_vec(&kept).map_err(|e| Fault::new("writing a form", e))?;
    let sealed = world.secrets.interactions.seal_text(CONTEXT, &plain, &*world.dice)?;
    Ok(Some(sealed).filter(|text| text.len() <= MAX_TEXT))
}

/// The form from that text: in the browser that it was sealed for, for the same person, while it is
/// not too old.
#[must_use]
pub fn open(world: &World, text: &str, browser: &Browser, whose: Option<&UserId>) -> Option<Params> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let plain = world.secrets.interactions.open_text(CONTEXT, text).ok()?;
    let kept: Kept = serde_json::from_slice(plain.expose()).ok()?;
    let here = same(kept.browser.as_bytes(), browser.mark().as_bytes());
    let theirs = kept.whose.is_none() || kept.whose.as_ref() == whose;
    let young = world.now().since(kept.at) <= LIFE;
    if here && theirs && young { Params::parse(kept.form.as_bytes()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::entropy::SeededEntropy, flow::sample::in_sample};

    #[test]
    fn what_was_typed_comes_back_to_the_same_person_in_the_same_browser() {
        in_sample(async |sample| {
            let world = &sample.world;
            let browser = |seed| Browser::new(&SeededEntropy::new(seed)).unwrap();
            let (here, there) = (browser(1), browser(2));
            let (ann, bob) = (UserId::from_u128(1), UserId::from_u128(2));
            let form = Params::from_pairs([("name", "a&b=c"), ("scope", "x"), ("scope", "y")]);
            let text = seal(world, &here, Some(&ann), &form).unwrap().unwrap();
            let opened = open(world, &text, &here, Some(&ann)).unwrap();
            assert_eq!(opened.to_query(), form.to_query());
            assert!(open(world, &text, &there, Some(&ann)).is_none());
            assert!(open(world, &text, &here, Some(&bob)).is_none());
            assert!(open(world, &text, &here, None).is_none());
            assert!(open(world, &text[1..], &here, Some(&ann)).is_none());
            let long = "x".repeat(MAX_TEXT);
            let long = Params::from_pairs([("name", long.as_str())]);
            assert!(seal(world, &here, None, &long).unwrap().is_none());
        });
    }
}
