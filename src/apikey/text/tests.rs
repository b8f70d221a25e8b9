//! Tests of the text: the published vectors, and what must never be taken for a key.

use super::*;
use crate::base::{
    base62::ALPHABET,
    credential::{Kind, well_formed},
    entropy::SeededEntropy,
};
use proptest::prelude::*;
use std::collections::HashSet;

const SAMPLE: &str = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";

#[test]
fn the_published_vectors_hold() {
    let cases = [
        (SAMPLE, RANDOM, true),
        ("kw_test_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj40f3FwZ", RANDOM, true),
        ("kw_live_7Qm2ZcV0aXyT9LhN4RkWb8sJdE1fGuPoI6nCzMvB3xK3N0NZw", RANDOM, true),
        ("kw_live_00000000000000000000000000000000000000000000AwA6B", RANDOM, true),
        ("kw_live_AwU75gCiOZHroBVVsv7oWD0WgD7H", 22, true),
        ("kw_live_AwU75gCiOZHroBVVsv7oWD0WgD7H", RANDOM, false),
        // The environment was edited.
        ("kw_test_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd", RANDOM, false),
        // One character less, one more.
        ("kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417caw", RANDOM, false),
        ("kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawdd", RANDOM, false),
    ];
    for (text, length, good) in cases {
        assert_eq!(KeyText::parse(text, length).is_some(), good, "{text} of {length}");
    }
    assert_eq!(checksum("123456789"), "3jZRME");
}

/// Their checksums are good, but they are other credentials.
#[test]
fn credentials_of_other_kinds_are_no_api_keys() {
    let others = [
        "kw_rt_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj44XGuhs",
        "kw_cs_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj43bsjYX",
        "kw_pat_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj40VughP",
    ];
    for text in others {
        let (front, sum) = text.split_at(text.len() - CHECKSUM);
        assert_eq!(checksum(front), sum, "{text}");
        assert!(KeyText::parse(text, RANDOM).is_none(), "{text}");
    }
    assert!(well_formed(Kind::ClientSecret, others[1]) && !well_formed(Kind::ClientSecret, SAMPLE));
}

#[test]
fn every_single_change_is_turned_away() {
    for at in 0..SAMPLE.len() {
        for c in ALPHABET.iter().chain(b"_- \0") {
            let mut text = SAMPLE.as_bytes().to_vec();
            if text[at] != *c {
                text[at] = *c;
                assert!(KeyText::parse(std::str::from_utf8(&text).unwrap(), RANDOM).is_none(), "{at} {c}");
            }
        }
    }
}

#[test]
fn a_hint_shows_four_characters_only_where_128_bits_stay_hidden() {
    assert_eq!(KeyText::parse(SAMPLE, RANDOM).unwrap().hint(), "kw_live_AwU7…");
    let dice = SeededEntropy::new(7);
    for (length, shown) in [(22, 0), (25, 0), (26, 4), (43, 4)] {
        let key = KeyText::mint("kw", "live", length, &dice).unwrap();
        assert_eq!(key.hint().chars().count(), "kw_live_…".chars().count() + shown, "{length}");
        assert!(bits(length - shown) >= 128.0);
        assert!(key.text().expose().starts_with(key.hint().trim_end_matches('…')));
    }
}

#[test]
fn no_environment_has_a_reserved_word_and_no_prefix_a_capital() {
    for word in RESERVED {
        assert!(!is_environment(word), "{word}");
    }
    for (word, good) in [("live", true), ("eu", true), ("x", false), ("longenough", false), ("e2e", false)] {
        assert_eq!(is_environment(word), good, "{word}");
    }
    for (word, good) in [("kw", true), ("a1", true), ("1a", false), ("Kw", false), ("a_b", false), ("k", false)] {
        assert_eq!(is_prefix(word), good, "{word}");
    }
    assert!(is_prefix("abcdefghijkl") && !is_prefix("abcdefghijklm"));
}

#[test]
fn r036_what_is_not_allowed_is_not_minted() {
    let dice = SeededEntropy::new(1);
    for (prefix, environment, length) in [("K", "live", 43), ("kw", "rt", 43), ("kw", "live", 21), ("kw", "live", 129)]
    {
        assert!(KeyText::mint(prefix, environment, length, &dice).is_err(), "{prefix} {environment} {length}");
    }
}

#[test]
fn r037_a_key_never_prints_and_no_two_share_more_than_their_head() {
    let dice = SeededEntropy::new(3);
    let key = KeyText::mint("weather", "live", RANDOM, &dice).unwrap();
    let secret = key.text().expose().clone();
    let printed = format!("{key:?}");
    assert!(!printed.contains(&secret[13..]), "{printed}");
    let random: HashSet<String> = (0..1000)
        .map(|_| KeyText::mint("kw", "live", RANDOM, &dice).unwrap().text().expose()[8..16].to_owned())
        .collect();
    assert_eq!(random.len(), 1000);
}

proptest! {
    #[test]
    fn reading_is_total(text in "\\PC{0,90}", length in 0usize..200) {
        let _ = KeyText::parse(&text, length);
    }

    #[test]
    fn what_is_minted_is_read_back(
        prefix in "[a-z][a-z0-9]{1,11}", environment in "[a-z]{2,8}", length in 22usize..=128, seed: u64,
    ) {
        prop_assume!(is_environment(&environment));
        let key = KeyText::mint(&prefix, &environment, length, &SeededEntropy::new(seed)).unwrap();
        let text = key.text().expose();
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let read = KeyText::parse(text, length).unwrap();
        prop_assert_eq!((read.prefix(), read.environment()), (prefix.as_str(), environment.as_str()));
        prop_assert!(KeyText::parse(text, length + 1).is_none() && KeyText::parse(&text[1..], length).is_none());
    }
}
