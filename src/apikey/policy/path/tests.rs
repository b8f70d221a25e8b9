//! Tests of paths: what is not read, and what patterns fit.

use super::*;
use proptest::prelude::*;

#[test]
fn a_path_that_others_might_read_otherwise_is_not_read() {
    let odd = [
        "",
        "v1/docs",
        "*",
        "http://a/b",
        "//",
        "//v1",
        "/v1//docs",
        "/v1/./docs",
        "/v1/../admin",
        "/..",
        "/.",
        "/v1/%2e%2e/admin",
        "/v1/%2E./x",
        "/v1%2fdocs",
        "/v1%2Fdocs",
        "/v1/%5cadmin",
        "/v1\\admin",
        "/v1;x=1/docs",
        "/v1/%3bx",
        "/v1/%00",
        "/v1/%0a",
        "/v1/\u{7f}",
        "/v1/ docs",
        "/v1/é",
        "/v1/%ff",
        "/v1/%c2%85",
        "/v1/%",
        "/v1/%2",
        "/v1/%zz",
        "/v1/%252e%252e/x",
        "/v1/%252f",
        "/v1#x",
        "/v1\r\n",
    ];
    for path in odd {
        assert_eq!(segments(path), None, "{path:?}");
    }
    assert_eq!(segments(&format!("/{}", "a".repeat(4096))), None);
    assert_eq!(segments(&"/a".repeat(257)), None);
}

#[test]
fn plain_paths_are_decoded_once_and_cut_from_their_query() {
    let cases: &[(&str, &[&str])] = &[
        ("/", &[""]),
        ("/v1/docs/7", &["v1", "docs", "7"]),
        ("/v1/docs/", &["v1", "docs", ""]),
        ("/v1/%64ocs?a=../b;c", &["v1", "docs"]),
        ("/v1/caf%C3%A9", &["v1", "café"]),
        ("/v1/100%25", &["v1", "100%"]),
        ("/v1/a...b/..c", &["v1", "a...b", "..c"]),
    ];
    for (path, wanted) in cases {
        assert_eq!(
            segments(path).as_deref(),
            Some(wanted.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice())
        );
    }
}

#[test]
fn patterns_fit_as_the_table_says() {
    let cases = [
        ("/v1/docs", "/v1/docs", true),
        ("/v1/docs", "/v1/docs/", false),
        ("/v1/docs", "/v1/Docs", false),
        ("/v1/docs/", "/v1/docs/", true),
        ("/v1/docs/*", "/v1/docs/7", true),
        ("/v1/docs/*", "/v1/docs/", false),
        ("/v1/docs/*", "/v1/docs/7/x", false),
        ("/v1/doc*", "/v1/docs", true),
        ("/v1/*.json", "/v1/a.json", true),
        ("/v1/*.json", "/v1/a/b.json", false),
        ("/v1/docs/**", "/v1/docs", true),
        ("/v1/docs/**", "/v1/docs/", true),
        ("/v1/docs/**", "/v1/docs/7/parts/1", true),
        ("/v1/docs/**", "/v1/docsx", false),
        ("/**/parts/*", "/v1/docs/7/parts/1", true),
        ("/**/parts/*", "/parts/1", true),
        ("/**/parts/*", "/v1/parts/1/2", false),
        ("/**/a/**/b", "/a/a/x/b/b", true),
        ("/**", "/", true),
        ("/", "/", true),
        ("/", "/x", false),
    ];
    for (pattern, path, wanted) in cases {
        let pattern = Pattern::read(pattern).unwrap();
        assert_eq!(pattern.fits(&segments(path).unwrap()), wanted, "{pattern:?} {path}");
    }
}

#[test]
fn a_pattern_that_could_never_fit_is_refused() {
    for text in ["", "v1", "/v1//x", "/../x", "/./x", "/v1/a**", "/v1/%41", "/v1;x", "/v1?x", "/a\\b", "/a\nb", "/a#b"]
    {
        assert!(Pattern::read(text).is_err(), "{text:?}");
    }
    assert!(Pattern::read(&format!("/{}", "a".repeat(256))).is_err());
}

/// What a pattern means, by trying everything.
fn means(parts: &[&str], segments: &[String]) -> bool {
    match parts.split_first() {
        None => segments.is_empty(),
        Some((&"**", rest)) => (0..=segments.len()).any(|n| means(rest, &segments[n..])),
        Some((part, rest)) => segments
            .split_first()
            .is_some_and(|(first, left)| (*part == "*" && !first.is_empty() || part == first) && means(rest, left)),
    }
}

proptest! {
    #[test]
    fn reading_is_total(path in "\\PC{0,60}") {
        let _ = segments(&path);
    }

    #[test]
    fn a_pattern_fits_what_it_means(
        parts in proptest::collection::vec(prop_oneof!["a", "b", Just("*".to_owned()), Just("**".to_owned())], 1..6),
        path in proptest::collection::vec("[ab]", 1..8),
    ) {
        let pattern = Pattern::read(&format!("/{}", parts.join("/"))).unwrap();
        let wanted = means(&parts.iter().map(String::as_str).collect::<Vec<_>>(), &path);
        prop_assert_eq!(pattern.fits(&path), wanted);
    }
}
