//! What operators do to keys at the command line.

use crate::commands::each;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const UUID: &str = "018f4c1e-7b2a-7c3d-9e4f-0a1b2c3d4e5f";

#[test]
fn keys_are_made_brought_tried_and_ended_by_the_hundred() {
    each(|it| {
        it.json(&["migrate"], "");
        it.json(&["user", "add", "ada", "--password-stdin"], "violin cello harp drum\n");
        it.json(&["plan", "add", "--template", "free"], "");
        let api = ["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"];
        it.json(&[&api[..], &["--plan", "free"]].concat(), "");
        let of = ["--api", "docs", "--owner", "user:ada", "--name", "job", "--scope", "docs.read", "--anywhere"];
        let to = it.folder.path().join("keys");
        let many = ["api-key", "create", "--count", "250", "--to", to.to_str().unwrap()];
        assert_eq!(it.json(&[&many[..], &of[..]].concat(), "")["count"], 250);
        let written = std::fs::read_to_string(&to).unwrap();
        assert_eq!(written.lines().count(), 250);
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(it.failure(&[&many[..], &of[..]].concat(), "").0, 1, "a file that is there is not written over");
        let (id, text) = written.lines().next().unwrap().split_once('\t').unwrap();

        let told = it.json(&["api-key", "check", "--scope", "docs.read", "--ip", "192.0.2.1"], text);
        assert_eq!((&told["code"], &told["key"]["id"]), (&json!("ok"), &json!(id)));
        assert!(told["trace"].as_array().unwrap().iter().all(|one| one["passes"] == true), "{told}");
        let told = it.json(&["api-key", "check", id, "--scope", "docs.write"], "");
        assert_eq!(told["code"], "insufficient_scope");
        assert_eq!(it.json(&["api-key", "check"], "kw_live_nonsense")["code"], "invalid_key");
        let (code, said) = it.failure(&["api-key", "check", text], "");
        assert!(code == 2 && said.contains("never as an argument"), "{said}");
        assert_eq!(it.json(&["api-key", "inspect"], text)["entropy"], "256.0");
        assert_eq!(it.failure(&["api-key", "inspect"], "kw_live_nonsense").0, 1);

        let policy = r#"{"v": 1, "ip": {"allow": ["192.0.2.0/24"]}}"#;
        it.json(&["api-key", "change", id, "--name", "night", "--policy", "-"], policy);
        let told = it.json(&["api-key", "check", id, "--ip", "198.51.100.7"], "");
        assert_eq!((&told["code"], &told["rule"]), (&json!("restricted"), &json!("ip")));
        let quota = it.json(&["api-key", "quota", "top-up", id, "month", "500", "--reason", "a gift"], "");
        assert_eq!(quota["remaining"], 10_500);
        assert_eq!(it.json(&["api-key", "quota", "adjust", id, "month", "100"], "")["remaining"], 10_400);
        assert_eq!(it.json(&["api-key", "quota", "show", id], "")["quotas"][0]["granted"], 500);
        assert_eq!(it.json(&["api-key", "usage", id, "--days", "2"], "")["days"].as_array().unwrap().len(), 2);

        let (code, said) = it.failure(&["api-key", "revoke", "--owner", "user:ada"], "");
        assert!(code == 2 && said.contains("250 keys"), "{said}");
        assert_eq!(it.json(&["api-key", "revoke", "--owner", "user:ada", "--dry-run"], "")["count"], 250);
        assert_eq!(it.json(&["api-key", "revoke", "--owner", "user:ada", "--yes"], "")["count"], 250);
        assert_eq!(it.json(&["api-key", "check"], text)["code"], "key_revoked");
    });
}

#[test]
fn r052_lines_are_imported_and_what_cannot_be_is_told_by_its_line() {
    each(|it| {
        it.json(&["migrate"], "");
        it.json(&["user", "add", "ada", "--password-stdin"], "violin cello harp drum\n");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let of = ["--api", "docs", "--owner", "user:ada", "--name", "old", "--scope", "docs.read", "--anywhere"];
        let import =
            |more: &[&str], input: &str| -> Value { it.json(&[&["api-key", "import"], more, &of[..]].concat(), input) };
        let strong = "legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";
        let told = import(&[], &format!("{strong}\tnightly\n\nshort\n{strong}\n{UUID}\n"));
        assert_eq!(
            (&told["lines"], &told["imported"], &told["duplicates"], &told["refused"]),
            (&json!(5), &json!(1), &json!(1), &json!(2)),
            "{told}"
        );
        let lines: Vec<i64> =
            told["problems"].as_array().unwrap().iter().map(|one| one["line"].as_i64().unwrap()).collect();
        assert_eq!(lines, [3, 4, 5]);
        assert!(!told.to_string().contains(strong));
        assert_eq!(it.json(&["api-key", "check"], strong)["code"], "ok");
        let (code, _) = it.failure(&[&["api-key", "import", "--format", "uuid"], &of[..]].concat(), UUID);
        assert_eq!(code, 2);
        assert_eq!(import(&["--format", "uuid", "--weak"], UUID)["imported"], 1);
        let hashes: String = (0..2500).map(|n| format!("{n:064x}\n")).collect();
        assert_eq!(import(&["--format", "sha256"], &hashes)["imported"], 2500);
    });
}
