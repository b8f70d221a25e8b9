//! That no row is forgotten: each row of RFC 9700 (B) and each advisory about another server (A)
//! has a test that begins with its number, here, in `oauth`, or beside the rule it is about; or a
//! reason why there is nothing to test yet.

use std::{collections::BTreeSet, fs, path::Path};

/// Rows without a test, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("b09", "tokens that are bound to a key of the client (DPoP, mTLS) are not built yet"),
    ("a30", "sign-in through other providers is not built yet"),
    ("a32", "SAML and sign-in through other providers are not built; SECURITY.md has a contact"),
    ("a33", "webhooks are not built; what the server calls today is guarded by tests in src/remote"),
    ("a36", "API keys have tests of their own"),
    ("a37", "the listener for forward-auth has tests of its own"),
    ("a38", "the listener for forward-auth has tests of its own"),
    ("a41", "the listener for forward-auth has tests of its own"),
    ("a56", "sign-in through other providers is not built yet"),
    ("a57", "a matter of versions, which deny.toml holds; bodies have caps (f14)"),
    ("a58", "a matter of versions, which deny.toml holds"),
    ("a59", "tokio-postgres is not used"),
    ("a61", "HTTP/2 is left to the proxy in front"),
    ("a62", "the crate is banned in deny.toml"),
    ("a63", "one-time passwords are not built; base62 has a property test"),
    ("a64", "a matter of versions, which deny.toml holds"),
];

/// The numbers at the beginning of the name of a function.
fn numbers(name: &str) -> impl Iterator<Item = String> {
    let is_number = |word: &&str| {
        let digits = word.strip_prefix(['a', 'b']).unwrap_or_default();
        digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())
    };
    name.split('_').take_while(move |word| is_number(word) || *word == "to").filter(is_number).map(str::to_owned)
}

fn tested() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/it"), root.join("src")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split("\nfn ").skip(1).chain(text.split("    fn ").skip(1));
                found.extend(names.flat_map(|rest| numbers(rest.split('(').next().unwrap_or_default())));
            }
        }
    }
    found
}

#[test]
fn each_row_has_a_test_or_a_reason() {
    assert_eq!(numbers("b01_a04_a16_a_redirect").collect::<Vec<_>>(), ["b01", "a04", "a16"]);
    let tested = tested();
    let rows = (1..=24).map(|n| format!("b{n:02}")).chain((1..=64).map(|n| format!("a{n:02}")));
    let forgotten: Vec<String> =
        rows.filter(|row| !tested.contains(row) && !WITHOUT.iter().any(|(known, _)| known == row)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    assert!(!tested.contains("b09"), "the search finds what there is, and not what there is not");
}

#[test]
fn a07_secrets_cannot_be_compared_by_the_operator_that_stops_at_the_first_difference() {
    use keywright::base::secret::{Secret, same};
    /// Compiles only as long as secrets have no `==`: with one there are two implementations to choose from.
    trait Comparable<Marker> {
        fn known() -> bool {
            true
        }
    }
    struct ByOperator;
    impl<T> Comparable<()> for T {}
    impl<T: PartialEq> Comparable<ByOperator> for T {}
    assert!(<Secret<String> as Comparable<_>>::known() && <Secret<[u8; 32]> as Comparable<_>>::known());
    assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"abc", b"ab"));
}
