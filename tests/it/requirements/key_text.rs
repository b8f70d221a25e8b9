//! The text of a key: R35 to R38, and R112, what it takes to guess one.

use crate::{
    commands,
    keys::Keys,
    world::{Server, each},
};
use keywright::{apikey::text::KeyText, base::entropy::OsEntropy};
use serde_json::{Value, json};
use std::{collections::HashSet, fs, path::Path};

/// The random characters of a key.
const RANDOM: usize = 43;

fn minted() -> String {
    KeyText::mint("kw", "live", RANDOM, &OsEntropy).unwrap().text().expose().clone()
}

fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else {
            into.push(fs::read_to_string(path).unwrap_or_default());
        }
    }
}

#[test]
fn r035_keys_come_from_the_dice_of_the_operating_system_and_are_even() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    assert!(all.len() > 100);
    for word in ["thread_rng", "SmallRng", "StdRng", "fastrand"] {
        assert!(!all.iter().any(|text| text.contains(word)), "{word}");
    }
    let (mut seen, mut drawn) = ([0u32; 128], 0u32);
    while drawn < 1_000_000 {
        for byte in minted().bytes().skip("kw_live_".len()).take(RANDOM) {
            seen[usize::from(byte)] += 1;
            drawn += 1;
        }
    }
    let expected = f64::from(drawn) / 62.0;
    let used: Vec<f64> = seen.iter().copied().filter(|n| *n > 0).map(f64::from).collect();
    let chi: f64 = used.iter().map(|n| (n - expected).powi(2) / expected).sum();
    assert_eq!(used.len(), 62);
    assert!(chi < 130.0, "chi-square {chi} of 61 degrees of freedom");
}

#[test]
fn r036_r037_r038_a_key_has_256_bits_says_nothing_of_its_owner_and_is_safe_in_addresses_and_fields() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let texts: Vec<String> = (0..3)
            .map(|_| keys.key(&server, &app, json!({"name": "nightly"}))["key"].as_str().unwrap().to_owned())
            .collect();
        for text in &texts {
            let body = text.strip_prefix("kw_live_").unwrap();
            let bits = RANDOM as f64 * 62f64.log2();
            assert!(body.len() > RANDOM && bits >= 256.0, "{bits}");
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
            assert!(!text.contains("nightly") && !text.contains(&app.id));
        }
        let parts: HashSet<&str> = texts.iter().map(|text| &text[8..12]).collect();
        assert_eq!(parts.len(), 3, "nothing is shared but the head");
    });
}

#[test]
fn r112_who_guesses_keys_is_stopped_after_some_sixty_and_nobody_else() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let made = keys.key(&server, &app, json!({}));
        let guess = |ip: &str| keys.ask(&server, &minted(), json!({"request": {"ip": ip}}))["code"].clone();
        let looked_up = (0..100).filter(|_| guess("203.0.113.9") == "invalid_key").count();
        assert!((50..100).contains(&looked_up), "{looked_up} of 100 were looked for");
        assert_eq!(guess("203.0.113.9"), "rate_limited");
        assert_eq!(guess("203.0.113.10"), "invalid_key");
        let good = keys.ask(&server, made["key"].as_str().unwrap(), json!({"request": {"ip": "203.0.113.10"}}));
        assert_eq!(good["code"], "ok");
    });
}

#[test]
fn r036_a_length_below_128_bits_does_not_start_and_the_shortest_has_130_99() {
    commands::each(|it| {
        let with = |n: &str, args: &[&str], input: &str| {
            it.run_with(&[("KEYWRIGHT_API_KEYS_RANDOM_LENGTH", n)], &[args, &["-o", "json"]].concat(), input)
        };
        for n in ["16", "21"] {
            for command in ["serve", "migrate"] {
                let refused = with(n, &[command], "");
                let said = String::from_utf8_lossy(&refused.stderr).into_owned();
                assert!(!refused.status.success() && said.contains("api_keys.random_length"), "{command} {n}: {said}");
            }
        }
        let json = |n: &str, args: &[&str], input: &str| -> Value {
            let done = with(n, args, input);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            serde_json::from_slice(&done.stdout).unwrap()
        };
        json("22", &["user", "add", "ada", "--without-password"], "");
        json("22", &["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        for (n, bits) in [("22", 130.99), ("43", 256.03)] {
            let make = ["api-key", "create", "--api", "docs", "--owner", "user:ada", "--name", "job", "--anywhere"];
            let made = json(n, &make, "");
            let key = made["key"].as_str().unwrap();
            assert_eq!(key.len(), "kw_live_".len() + n.parse::<usize>().unwrap() + 6, "{key}");
            let told = json(n, &["api-key", "inspect"], key);
            assert_eq!((&told["bits"], &told["random"].to_string()), (&json!(bits), &n.to_owned()));
            let shown = String::from_utf8(it.run(&["api-key", "inspect"], key).stdout).unwrap();
            assert!(shown.contains(&format!("entropy={bits:.1}")), "{shown}");
        }
    });
}
