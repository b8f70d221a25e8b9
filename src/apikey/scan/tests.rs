//! What is found, what is not, and where.

use super::{
    patch::{FORMAT, Patch},
    *,
};
use crate::base::entropy::SeededEntropy;
use ::base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

const LIVE: &str = "kw_live_AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXCLDj9vj417cawd";
const SHORT: &str = "kw_live_AwU75gCiOZHroBVVsv7oWD0WgD7H";

fn scanned(text: impl AsRef<[u8]>) -> Vec<Found> {
    let prefixes = Prefixes::with(&["acme".to_owned()]).unwrap();
    let mut scanner = Scanner::at_line(&prefixes, 1);
    scanner.feed(text.as_ref());
    scanner.finish()
}

fn places(text: impl AsRef<[u8]>) -> Vec<(u64, u64, Encoding)> {
    scanned(text).iter().map(|found| (found.line, found.column, found.encoding)).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn a_key_is_found_wherever_it_stands_and_told_by_its_hint() {
    for around in ["{}", "key = '{}'", "my_{}", "x{}y", "KEY={}\\n", "kw_kw_{}", "\u{0}\u{ff}{}\u{0}"] {
        let found = scanned(around.replace("{}", LIVE));
        assert_eq!(found.len(), 1, "{around}");
        assert_eq!((found[0].what, found[0].hint.as_str()), (What::ApiKey, "kw_live_AwU7…"), "{around}");
        assert_eq!(found[0].text.expose(), LIVE);
    }
    assert_eq!(places(format!("one\ntwo ä {LIVE}\n\n{SHORT}")), [(2, 7, Encoding::Plain), (4, 1, Encoding::Plain)]);
    assert!(!format!("{:?}", scanned(LIVE)).contains("AwU75"));
}

#[test]
fn what_only_looks_like_one_is_not_found() {
    for at in 0..LIVE.len() {
        let mut text = LIVE.as_bytes().to_vec();
        text[at] = if text[at] == b'x' { b'y' } else { b'x' };
        assert!(scanned(&text).is_empty(), "{at}");
    }
    for text in [&LIVE[..LIVE.len() - 1], &LIVE[1..], &LIVE.replace("live", "test"), "kw_", "kw_live_", "kw__", ""] {
        assert!(scanned(text).is_empty(), "{text}");
    }
}

#[test]
fn every_kind_of_credential_is_found_and_every_prefix_that_was_named() {
    let dice = SeededEntropy::new(5);
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::RefreshToken) {
        let text = credential::mint(*kind, &dice).unwrap();
        let found = scanned(format!("<{}>", text.expose()));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].what, found[0].text.expose()), (What::Credential(*kind), text.expose()));
        assert!(found[0].hint.starts_with(&format!("kw_{}_", kind.word())) && found[0].hint.chars().count() < 16);
    }
    for (prefix, environment, random) in [("kw", "eu", 22), ("acme", "live", 43), ("acme", "sandbox", 128)] {
        let key = KeyText::mint(prefix, environment, random, &dice).unwrap();
        assert_eq!(scanned(key.text().expose()).len(), 1, "{prefix} {environment} {random}");
    }
    let other = KeyText::mint("other", "live", 43, &dice).unwrap();
    assert!(scanned(other.text().expose()).is_empty());
    assert!(Prefixes::with(&["No".to_owned()]).is_none());
}

#[test]
fn r051_base64_and_escapes_hide_nothing() {
    for before in ["", "a", "ab", "abc", "user:"] {
        let text = format!("{before}{LIVE}, and more after it that makes it long");
        for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
            let found = scanned(format!("data: \"{encoded}\""));
            assert_eq!(found.len(), 1, "{before}");
            assert_eq!((found[0].encoding, found[0].text.expose().as_str()), (Encoding::Base64, LIVE), "{before}");
        }
    }
    for text in
        [escaped(LIVE), LIVE.replace('_', "%5F"), format!("?key%3D{LIVE}%26x"), format!("%zz%{}", escaped(LIVE))]
    {
        let found = scanned(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].text.expose(), LIVE, "{text}");
    }
    assert_eq!(places(format!("a\nk={}", escaped(LIVE))), [(2, 3, Encoding::Percent)]);
    assert!(scanned(BASE64_STANDARD.encode(BASE64_STANDARD.encode(LIVE))).is_empty(), "one level is what is promised");
}

#[test]
fn r051_base64_is_found_across_the_ends_of_its_lines_wherever_they_fall() {
    for before in 0..60 {
        let encoded = BASE64_STANDARD.encode(format!("{}{LIVE}{}", "x".repeat(before), "y".repeat(60)));
        for (width, end) in [(76, "\n"), (64, "\r\n"), (60, "\n    ")] {
            let lines: Vec<&str> =
                encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            assert_eq!(scanned(lines.join(end)).len(), 1, "{before} {width}");
        }
    }
}

#[test]
fn wherever_a_block_ends_each_is_found_once() {
    for encoded in [LIVE.to_owned(), escaped(LIVE), BASE64_STANDARD.encode(LIVE)] {
        for at in (0..80).step_by(9).chain([BLOCK - OVERLAP, BLOCK - OVERLAP + MARGIN, BLOCK - 1, BLOCK]) {
            let before = " ".repeat(BLOCK - OVERLAP + MARGIN - 40 + at);
            let found = places(format!("{before}{encoded} {}", ".".repeat(3 * BLOCK)));
            let column = u64::try_from(before.len()).unwrap() + 1;
            assert_eq!(found.iter().map(|one| one.1).collect::<Vec<_>>(), [column], "{at} {encoded}");
        }
    }
    let prefixes = Prefixes::with(&[]).unwrap();
    let mut scanner = Scanner::at_line(&prefixes, 7);
    format!("\n{LIVE}").bytes().for_each(|byte| scanner.feed(&[byte]));
    assert_eq!(scanner.finish().first().map(|one| one.line), Some(8), "byte by byte");
}

#[test]
fn a_line_may_say_that_what_it_holds_may_be_known() {
    let found = scanned(format!("{LIVE} # keywright:allow\n{LIVE}\n# keywright:allow"));
    assert_eq!(found.iter().map(|one| one.allowed).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn files_that_show_no_text_are_known_by_their_names() {
    assert!(is_opaque("a/b.PNG") && is_opaque("x.tar.gz"));
    assert!(!is_opaque("png") && !is_opaque("a.png/b") && !is_opaque("core.rs"));
}

fn added(patch: &str) -> Vec<(Option<String>, String, u64)> {
    let prefixes = Prefixes::with(&[]).unwrap();
    // In pieces of any size, as a pipe gives them.
    for size in [1, 7, 4096] {
        let mut reader = Patch::new(&prefixes);
        patch.as_bytes().chunks(size).for_each(|piece| reader.feed(piece));
        let (found, _) = reader.finish();
        let found: Vec<_> = found.into_iter().map(|one| (one.commit, one.path, one.found.line)).collect();
        if size == 4096 {
            return found;
        }
        assert!(found.len() < 10);
    }
    Vec::new()
}

#[test]
fn of_a_patch_only_what_is_added_counts_and_messages_do() {
    assert!(FORMAT.contains("%x00%H%n%B%x00"));
    let patch = format!(
        "\0abc\nsubject\n\n+++ b/{LIVE}\n\0\n\ndiff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n\
         @@ -10,2 +10,3 @@ fn f() {{\n-old {LIVE}\n-++ {LIVE}\n+one\n+++ b/fake {LIVE}\n+three\n\
         @@ -20 +21 @@\n-{LIVE}\n+{LIVE}\n\\ No newline at end of file\n\
         diff --git a/p.png b/p.png\n--- /dev/null\n+++ b/p.png\n@@ -0,0 +1 @@\n+{LIVE}\n"
    );
    let at = |path: &str, line| (Some("abc".to_owned()), path.to_owned(), line);
    assert_eq!(added(&patch), [at("(message)", 3), at("x", 11), at("x", 21)]);
}

#[test]
fn lines_around_a_change_are_counted_and_not_scanned() {
    let patch = format!("+++ b/my file\t\n@@ -1,3 +1,4 @@\n {LIVE}\n b\n+{LIVE}\n c\n");
    assert_eq!(added(&patch), [(None, "my file".to_owned(), 3)]);
}
