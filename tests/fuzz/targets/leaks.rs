//! What is searched for credentials: files of anybody, and what git prints of them.

use super::Target;
use base64::{Engine, prelude::BASE64_STANDARD};
use keywright::{
    apikey::{
        scan::{Found, Prefixes, Scanner, What, patch::Patch},
        text::{KeyText, LEAST_RANDOM, MOST_RANDOM, well_formed},
    },
    base::{credential, entropy::SeededEntropy},
};
use std::sync::LazyLock;

static PREFIXES: LazyLock<Prefixes> = LazyLock::new(|| Prefixes::with(&["acme".to_owned()]).unwrap());
static KEY: LazyLock<String> =
    LazyLock::new(|| KeyText::mint("kw", "live", 43, &SeededEntropy::new(3)).unwrap().text().expose().clone());

fn scanned(text: &[u8], piece: usize) -> Vec<Found> {
    let mut scanner = Scanner::at_line(&PREFIXES, 1);
    text.chunks(piece).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

fn places(found: &[Found]) -> Vec<(u64, u64)> {
    found.iter().map(|one| (one.line, one.column)).collect()
}

/// What is found has the form to the last character, and is found in whatever pieces it comes; what is
/// planted is found, whatever stands around it and however it was encoded.
pub const SCANNED_TEXT: Target = Target {
    name: "scanned_text",
    run: |input| {
        let found = scanned(input, usize::MAX);
        for one in &found {
            let text = one.text.expose();
            assert!(match one.what {
                What::ApiKey => (LEAST_RANDOM..=MOST_RANDOM).any(|n| well_formed(text, n)),
                What::Credential(kind) => credential::well_formed(kind, text),
            });
            assert!(one.line > 0 && one.column > 0 && one.hint.len() + 32 < text.len());
        }
        assert_eq!(places(&found), places(&scanned(input, 5)));
        let escaped: String = KEY.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for planted in [KEY.as_str(), &BASE64_STANDARD.encode(&*KEY), &escaped] {
            let around = [input, planted.as_bytes(), input].concat();
            assert!(scanned(&around, usize::MAX).iter().any(|one| *one.text.expose() == *KEY), "{planted}");
        }
        let mut patch = Patch::new(&PREFIXES);
        patch.feed(input);
        let (added, skipped) = patch.finish();
        format!("{} {} {}", found.len().min(3), added.len().min(3), skipped.min(1))
    },
    seeds: || {
        let key = &*KEY;
        let hunk = "--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-old\n+";
        [
            format!("key = {key}\n"),
            BASE64_STANDARD.encode(format!("user:{key}")),
            format!("\0abc\n{key}\n\0\ndiff --git a/x b/x\n{hunk}{key}\n+more\n"),
            format!("kw%5Flive%5F{}", &key[8..]),
        ]
        .map(String::into_bytes)
        .to_vec()
    },
    words: &["kw_live_", "kw_", "_", "%5F", "%6b", "a3df", "t3X", "rd1", "\n+", "\0", "@@ -1 +1 @@", "+++ b/", "\r\n"],
};
