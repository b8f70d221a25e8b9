//! The text of what we mint.

use super::{Target, text};
use keywright::{
    apikey::text::KeyText,
    base::{
        credential::{Kind, RefreshKeys, RefreshToken, checksum, mint, well_formed},
        entropy::SeededEntropy,
        id::GrantId,
        secret::Secret,
    },
};
use std::sync::LazyLock;

const KINDS: [Kind; 5] = [Kind::Code, Kind::ClientSecret, Kind::RefreshToken, Kind::Session, Kind::Claim];
const WORDS: &[&str] =
    &["kw_", "kw_rt_", "kw_cs_", "kw_code_", "kw_ses_", "kw_claim_", "kw_live_", "_test_", "_", "000000", "zzzzzz"];

/// The text as it is, and with a checksum that is right: else nothing would get past it.
fn both(input: &[u8]) -> [String; 2] {
    let text = text(input);
    let front = text.char_indices().rev().nth(5).map_or("", |(at, _)| &text[..at]);
    let repaired = format!("{front}{}", checksum(front));
    [text, repaired]
}

/// A text is of one kind at most, begins with its word, has nothing but the alphabet behind it, and the checksum fits.
pub const CREDENTIAL_TEXT: Target = Target {
    name: "credential_text",
    run: |input| {
        let mut ending = String::new();
        for text in both(input) {
            let kinds: Vec<Kind> = KINDS.into_iter().filter(|kind| well_formed(*kind, &text)).collect();
            assert!(kinds.len() <= 1, "{kinds:?}");
            for kind in &kinds {
                let body = text.strip_prefix(&format!("kw_{}_", kind.word())).unwrap();
                assert!(body.bytes().all(|b| b.is_ascii_alphanumeric()) && text.len() < 128);
                let (front, sum) = text.split_at(text.len() - 6);
                assert_eq!(checksum(front), sum);
            }
            let key = KeyText::parse(&text, 43).inspect(|key| {
                assert_eq!(key.text().expose(), &text);
                assert!(kinds.is_empty(), "a key is no other credential");
                assert!(!format!("{key:?}").contains(&text), "a key prints");
            });
            ending.push_str(&format!("{kinds:?} {}", key.is_some()));
        }
        ending
    },
    seeds: || {
        let dice = SeededEntropy::new(1);
        let key = format!("kw_live_{}", "0".repeat(43));
        let key = format!("{key}{}", checksum(&key)).into_bytes();
        KINDS.iter().map(|kind| mint(*kind, &dice).unwrap().expose().clone().into_bytes()).chain([key]).collect()
    },
    words: WORDS,
};

struct Line {
    keys: RefreshKeys,
    tokens: Vec<RefreshToken>,
}

/// A line of tokens of one grant.
fn line() -> &'static Line {
    static LINE: LazyLock<Line> = LazyLock::new(|| {
        let keys = RefreshKeys { succession: Secret::new([1; 32]), mark: Secret::new([2; 32]) };
        let mut tokens =
            vec![RefreshToken::first(&GrantId::from_u128(1 << 100), &keys, &SeededEntropy::new(1)).unwrap()];
        for salt in 0..3u8 {
            let next = tokens.last().unwrap().successor(&keys, &[salt]).unwrap();
            tokens.push(next);
        }
        Line { keys, tokens }
    });
    &LINE
}

/// What is read prints as it was; and nobody makes up a grant or a place that bears our mark.
pub const REFRESH_TOKENS: Target = Target {
    name: "refresh_tokens",
    run: |input| {
        let mut ending = String::new();
        for text in both(input) {
            let Some(token) = RefreshToken::parse(&text) else {
                ending.push_str("none ");
                continue;
            };
            assert_eq!(token.text().expose(), &text);
            assert!(well_formed(Kind::RefreshToken, &text));
            assert_eq!(GrantId::parse(token.grant.as_str()).unwrap().to_u128(), token.grant.to_u128());
            let ours = line().tokens.iter().any(|t| (&t.grant, t.generation) == (&token.grant, token.generation));
            let authentic = token.authentic(&line().keys);
            assert!(!authentic || ours, "a mark was made up");
            ending.push_str(if authentic { "ours " } else { "not ours " });
        }
        ending
    },
    seeds: || line().tokens.iter().map(|token| token.text().expose().clone().into_bytes()).collect(),
    words: WORDS,
};
