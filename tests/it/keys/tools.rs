//! What operators do to keys at the command line.

use crate::commands::{Installation, each};
use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use keywright::{
    apikey::latency::bucket,
    base::{
        digest::ForeignMac,
        fault::Stop,
        id::ApiKeyId,
        moment::{Clock, Moment, Span, SystemClock},
        secret::Secret,
    },
    store::{
        Tx,
        usage::{Counts, UsageRow},
    },
};
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
        for command in ["check", "inspect", "show", "revoke", "no-such-command"] {
            let (code, said) = it.failure(&["api-key", command, text], "");
            assert!(code == 2 && said.contains("never as an argument") && !said.contains(&text[8..]), "{said}");
        }
        for (command, code) in [("check", 1), ("inspect", 2)] {
            let (found, said) = it.failure(&["api-key", command, &text[..text.len() - 1]], "");
            assert!(found == code && !said.contains(&text[8..30]), "{said}");
        }
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

#[test]
fn keys_are_brought_by_their_hmac_and_known_under_the_next_key_encryption_key_too() {
    const FIRST: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const SECOND: &str = "2222222222222222222222222222222222222222222222222222222222222222";
    let theirs = Secret::new(b"their key of HMAC".to_vec());
    let mac =
        |text: &str| -> String { ForeignMac::new(&theirs).of(text).iter().map(|byte| format!("{byte:02x}")).collect() };
    each(|it| {
        it.set("KEYWRIGHT_KEK", FIRST);
        it.json(&["migrate"], "");
        it.json(&["user", "add", "ada", "--password-stdin"], "violin cello harp drum\n");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let of = ["--api", "docs", "--owner", "user:ada", "--name", "old", "--scope", "docs.read", "--anywhere"];
        let import = ["api-key", "import", "--format", "hmac-sha256"];
        let texts: Vec<String> = (0..3).map(|n| format!("legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZM{n}")).collect();
        let file = it.folder.path().join("hmac.key");
        let list = it.folder.path().join("list");
        std::fs::write(&file, "their key of HMAC\n").unwrap();
        std::fs::write(&list, format!("{}\n", mac(&texts[2]))).unwrap();
        let (file, list) = (file.to_str().unwrap(), list.to_str().unwrap());
        let brought = |more: &[&str], input: &str| it.json(&[&import[..], more, &of[..]].concat(), input);
        let told = brought(&["--hmac-key-file", file], &format!("{}\nnonsense\n", mac(&texts[0])));
        assert_eq!((&told["imported"], &told["refused"]), (&json!(1), &json!(1)), "{told}");
        it.set("THEIR_KEY", STANDARD.encode(theirs.expose()));
        let from_variable = ["--hmac-key-env", "THEIR_KEY", "--hmac-key-form", "base64", "--weak"];
        assert_eq!(brought(&from_variable, &mac(&texts[1]))["imported"], 1);
        assert_eq!(brought(&["--hmac-key-file", "-", list], "their key of HMAC\n")["imported"], 1);
        assert_eq!(brought(&["--hmac-key-file", file, list], "")["duplicates"], 1);
        let all_good = || {
            for text in &texts {
                assert_eq!(it.json(&["api-key", "check"], text)["code"], "ok", "{text}");
            }
        };
        all_good();
        for (more, input) in [
            (&["--hmac-key-file", "-"][..], "x"),
            (&[][..], "x"),
            (&["--hmac-key-env", "NO_SUCH_VARIABLE"][..], "x"),
            (&["--hmac-key-file", file, "--format", "sha256"][..], "x"),
        ] {
            let first: &[&str] = if more.contains(&"--format") { &["api-key", "import"] } else { &import };
            assert_eq!(it.failure(&[first, more, &of[..]].concat(), input).0, 2, "{more:?}");
        }
        it.set("KEYWRIGHT_KEK", SECOND);
        it.set("KEYWRIGHT_SECRETS_OLDER_KEKS", FIRST);
        assert_eq!(it.json(&["secrets", "rewrap"], "")["kek"], 2);
        it.unset("KEYWRIGHT_SECRETS_OLDER_KEKS");
        all_good();
        it.json(&["secrets", "rotate-pepper"], "");
        all_good();
        let keys = it.json(&["api-key", "hmac-keys"], "")["hmac_keys"].clone();
        assert_eq!((keys.as_array().unwrap().len(), &keys[0]["api_keys"]), (1, &json!(3)), "{keys}");
        let id = keys[0]["id"].as_str().unwrap();
        let (code, told) = it.failure(&["api-key", "remove-hmac-key", id], "");
        assert!(code == 1 && told.contains("alone 3 API keys are known"), "{told}");
        for key in it.json(&["api-key", "list", "--owner", "user:ada"], "")["keys"].as_array().unwrap() {
            it.json(&["api-key", "revoke", key["id"].as_str().unwrap(), "--reason", "over"], "");
        }
        assert_eq!(it.json(&["api-key", "remove-hmac-key", id], ""), json!({"id": id, "removed": true}));
        assert_eq!(it.failure(&["api-key", "remove-hmac-key", id], "").0, 1);
    });
}

#[test]
fn r004_a_template_for_partners_is_a_plan_and_addresses_and_is_tried_without_a_trace() {
    each(|it| {
        let alone = it.json(&["api-key", "create", "--template", "partner-server", "--dry-run"], "");
        assert!(alone["policy"]["ip"].is_object() && alone["plan"] == "basic" && alone["kind"] == "server", "{alone}");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
        let owner = format!("client:{}", client["client_id"].as_str().unwrap());
        let template = ["api-key", "create", "--template", "partner-server", "--api", "docs", "--owner", &owner];
        let template = [&template[..], &["--name", "partner", "--scope", "docs.read"]].concat();
        let with = |more: &[&'static str]| [&template[..], more].concat();
        let (code, said) = it.failure(&with(&["--dry-run"]), "");
        assert!(code == 2 && said.contains("--ip is needed"), "{said}");
        let (code, said) = it.failure(&with(&["--ip", "203.0.113.0/24", "--dry-run"]), "");
        assert!(code == 1 && said.contains("plan"), "a plan of that name must be there: {said}");
        let plan = it.json(&["plan", "add", "--template", "basic"], "");
        let count = || {
            let kinds = String::from_utf8(it.run(&["audit", "list", "-o", "json"], "").stdout).unwrap();
            (it.json(&["api-key", "list"], "")["keys"].as_array().unwrap().len(), kinds.lines().count())
        };
        let before = count();
        let tried = it.json(&with(&["--ip", "203.0.113.0/24", "--ip", "2001:db8::/48", "--dry-run"]), "");
        assert_eq!(tried["policy"]["ip"]["allow"], json!(["203.0.113.0/24", "2001:db8::/48"]));
        assert_eq!(
            (&tried["plan"], &tried["owner"]["id"], &tried["dry_run"]),
            (&plan["id"], &client["client_id"], &json!(true))
        );
        assert!(tried.get("key").is_none() && tried.get("id").is_none(), "{tried}");
        assert_eq!(count(), before, "nothing was stored");
        for bad in [["--ip", "nonsense"], ["--scope", "docs.write"]] {
            let of = ["--ip", "203.0.113.0/24", "--dry-run"];
            let all: Vec<&str> = [&template[..], &of[..]]
                .concat()
                .into_iter()
                .filter(|one| bad[0] != "--scope" || !matches!(*one, "--scope" | "docs.read"))
                .collect();
            assert_eq!(it.failure(&[&all[..], &bad[..]].concat(), "").0, 1, "{bad:?} is found without making anything");
        }
        let made = it.json(&with(&["--ip", "203.0.113.0/24"]), "");
        assert_eq!((&made["policy"]["ip"]["allow"], &made["plan"]), (&json!(["203.0.113.0/24"]), &plan["id"]));
        let code =
            |ip: &str| it.json(&["api-key", "check", made["id"].as_str().unwrap(), "--ip", ip], "")["code"].clone();
        assert_eq!((code("203.0.113.9"), code("198.51.100.7")), (json!("ok"), json!("restricted")));
    });
}

#[test]
fn r070_the_plans_that_we_suggest_have_quotas_of_calls_and_of_bytes() {
    each(|it| {
        let check = |listed: &Value| {
            let plans = listed["plans"].as_array().unwrap();
            let mut names: Vec<&str> = plans.iter().map(|plan| plan["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["basic", "free", "premium"]);
            for plan in plans {
                let units: Vec<&str> = plan["policy"]["quota"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|quota| quota["unit"].as_str().unwrap_or("requests"))
                    .collect();
                assert!(units.contains(&"requests") && units.contains(&"content-bytes"), "{plan}");
            }
        };
        check(&it.json(&["plan", "list", "--templates"], ""));
        for template in ["free", "basic", "premium"] {
            it.json(&["plan", "add", "--template", template], "");
        }
        check(&it.json(&["plan", "list"], ""));
    });
}

#[test]
fn r070_a_server_that_is_told_to_end_gives_back_at_once_what_it_holds_of_a_quota() {
    each(|it| {
        let policy = json!({
            "v": 1, "rate": [{"name": "calls", "by": "key", "limit": 1000, "per": "1s"}],
            "quota": [{"name": "all", "limit": 1_000_000, "per": "once"}],
        });
        it.json(
            &[
                "api",
                "add",
                "--name",
                "docs",
                "--audience",
                "https://docs.example",
                "--scope",
                "docs.read",
                "--policy",
                "-",
            ],
            &policy.to_string(),
        );
        let client = it.json(&["client", "add", "--name", "partner", "--grant", "client_credentials"], "");
        let owner = format!("client:{}", client["client_id"].as_str().unwrap());
        let make = ["api-key", "create", "--api", "docs", "--owner", &owner, "--name", "job"];
        let key = it.json(&[&make[..], &["--anywhere", "--scope", "docs.read"]].concat(), "");
        let asks = it.json(&[&make[..], &["--kind", "verifier"]].concat(), "")["key"].as_str().unwrap().to_owned();
        let used =
            || it.json(&["api-key", "quota", "show", key["id"].as_str().unwrap()], "")["quotas"][0]["used"].clone();
        let serving = it.serve();
        let ask = ureq::post(it.at("/v1/keys/verify")).header("X-API-Key", &asks);
        let told = ask.header("Content-Type", "application/json").send(json!({"key": key["key"]}).to_string()).unwrap();
        assert_eq!(told.status(), 200);
        assert!(used().as_u64().unwrap() > 1, "it holds more than it has served");
        serving.end();
        assert_eq!(used(), 1);
    });
}

#[test]
fn r079_no_key_lives_for_ever_unless_somebody_who_may_says_so() {
    each(|it| {
        it.json(&["user", "add", "ada", "--without-password"], "");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let make = ["api-key", "create", "--api", "docs", "--owner", "user:ada", "--name", "job", "--anywhere"];
        it.json(&make, "");
        let endless = || it.json(&["api-key", "list", "--no-expiry"], "")["keys"].clone();
        assert_eq!(endless(), json!([]), "on defaults there is none");
        let made = it.json(&[&make[..], &["--never-expires"]].concat(), "");
        assert_eq!((endless()[0]["id"].clone(), endless()[0]["expires_at"].clone()), (made["id"].clone(), Value::Null));
        it.json(&["api-key", "revoke", made["id"].as_str().unwrap()], "");
        assert_eq!(endless(), json!([]), "one that was ended is no danger");
    });
}

#[test]
fn links_are_made_listed_and_taken_back_and_what_is_claimed_is_of_whoever_claims_it() {
    each(|it| {
        it.json(&["user", "add", "ada", "--without-password"], "");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let of = ["--api", "docs", "--name", "partner", "--scope", "docs.read", "--anywhere"];
        let link = |more: &[&str]| it.json(&[&["api-key", "claim-link"], &of[..], more].concat(), "");
        let (anybody, adas) = (link(&["--link-expires-in", "10m"]), link(&["--owner", "user:ada", "--sign-in"]));
        let text = anybody["link"].as_str().unwrap();
        assert!(text.starts_with(&it.at("/claim#kw_claim_")), "{text}");
        assert_eq!(it.json(&["api-key", "list"], "")["keys"], json!([]), "a link is no key");
        let listed = it.json(&["api-key", "claim-links"], "");
        let ids: Vec<&Value> = listed["claims"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [&anybody["id"], &adas["id"]]);
        assert!(!listed.to_string().contains("kw_claim_"), "{listed}");
        let after = it.json(&["api-key", "claim-links", "--after", anybody["id"].as_str().unwrap()], "");
        assert_eq!(after["claims"].as_array().unwrap().len(), 1);
        let withdraw = ["api-key", "withdraw-link", anybody["id"].as_str().unwrap()];
        it.json(&withdraw, "");
        assert_eq!(it.failure(&withdraw, "").0, 1, "it is gone");
        for bad in [
            &["--link-expires-in", "25h"][..],
            &["--link-expires-in", "1s"],
            &["--owner", "user:nobody"],
            &["--sign-in"],
        ] {
            let (code, said) = it.failure(&[&["api-key", "claim-link"], &of[..], bad].concat(), "");
            assert!(code == 1 || code == 2, "{bad:?}: {said}");
        }
        let kinds = String::from_utf8(it.run(&["audit", "list", "-o", "json"], "").stdout).unwrap();
        for (kind, n) in [("api_key.claim_made", 2), ("api_key.claim_withdrawn", 1)] {
            assert_eq!(kinds.matches(&format!("\"{kind}\"")).count(), n, "{kind}");
        }
    });
}

/// Counts this as if it had been called, and reported.
fn called(it: &Installation, rows: Vec<UsageRow>, took: Vec<(ApiKeyId, Moment, u8)>) {
    let store = it.store();
    let write = move |tx: &mut Tx<'_>| -> Result<(), Stop<()>> {
        tx.usage().add(&rows)?;
        Ok(tx.usage_reports().add_latencies(&took.iter().map(|one| (one.clone(), 10)).collect())?)
    };
    store.write_blocking("test", write).unwrap();
    store.close();
}

fn row(key: &str, minute: Moment, outcome: &str, counts: Counts) -> UsageRow {
    UsageRow { key: ApiKeyId::parse(key).unwrap(), minute, outcome: outcome.to_owned(), counts }
}

/// An API with a plan of 60 calls a minute for each family, and three keys.
fn three_keys(it: &Installation) -> [String; 3] {
    it.json(&["migrate"], "");
    it.json(&["user", "add", "ada", "--password-stdin"], "violin cello harp drum\n");
    let policy = r#"{"v": 1, "rate": [{"name": "minute", "by": "family", "limit": 60, "per": "1m"},
        {"name": "address", "by": "ip", "limit": 1, "per": "1m"}]}"#;
    it.json(&["plan", "add", "--name", "small", "--policy", "-"], policy);
    let api = ["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"];
    it.json(&[&api[..], &["--plan", "small"]].concat(), "");
    let make = ["api-key", "create", "--api", "docs", "--owner", "user:ada", "--anywhere", "--name"];
    ["busy", "quiet", "new"].map(|name| it.json(&[&make[..], &[name]].concat(), "")["id"].as_str().unwrap().to_owned())
}

#[test]
fn r129_a_limit_is_advised_from_what_was_called_and_what_is_too_strict_or_too_loose_is_told() {
    each(|it| {
        let [busy, quiet, new] = three_keys(it);
        let now = SystemClock.now();
        let calls = |calls| Counts { calls, ..Counts::default() };
        let mut rows = Vec::new();
        for n in 0..200 {
            let minute = now - Span::days(9) + Span::hours(n);
            rows.push(row(&busy, minute, "ok", calls(if n == 7 { 950 } else { 50 })));
            rows.push(row(&busy, minute, "rate_limited", calls(50)));
            rows.push(row(&busy, minute, "restricted", calls(5000)));
            rows.push(row(&quiet, minute, "ok", calls(3)));
        }
        rows.extend((0..5).map(|n| row(&new, now - Span::minutes(n + 1), "ok", calls(1))));
        rows.push(row(&busy, now - Span::days(40), "ok", calls(1_000_000)));
        called(it, rows, Vec::new());

        let told = it.json(&["limits", "advise"], "");
        let of = |told: &Value, id: &str| {
            let all = ["plans", "apis", "keys"].map(|kind| told[kind].as_array().unwrap().clone()).concat();
            all.into_iter().find(|one| one["id"] == id || one["name"] == id).unwrap()
        };
        let said = |id: &str| {
            let one = of(&told, id);
            let measured = &one["measured"];
            let (p99, most) =
                (measured["p99_per_minute"].as_u64().unwrap(), measured["most_per_minute"].as_u64().unwrap());
            (one["finding"].as_str().unwrap().to_owned(), p99, most, one["advised_per_minute"].as_u64())
        };
        assert_eq!(said(&busy), ("too_strict".to_owned(), 100, 1000, Some(200)));
        assert_eq!(said(&quiet), ("too_loose".to_owned(), 3, 3, Some(6)));
        assert_eq!(said(&new), ("too_little_data".to_owned(), 1, 1, None));
        assert_eq!(said("small"), ("too_strict".to_owned(), 100, 1000, Some(200)));
        assert_eq!(said("docs"), ("no_limit".to_owned(), 103, 1003, Some(210)));
        let busy_one = of(&told, &busy);
        assert_eq!((&busy_one["headroom_percent"], &busy_one["limit"]["per_minute"]), (&json!(-67), &json!(60)));
        assert_eq!((&busy_one["limit"]["level"], &busy_one["limit"]["name"]), (&json!("plan"), &json!("minute")));
        assert_eq!(busy_one["measured"]["rate_limited"], 200 * 50);
        assert_eq!(of(&told, &quiet)["headroom_percent"], 95);

        let short = it.json(&["limits", "advise", "--days", "1", "--limit", "1"], "");
        assert_eq!(
            (short["keys"].as_array().unwrap().len(), &of(&short, &busy)["finding"]),
            (1, &json!("too_little_data"))
        );
        let words = String::from_utf8(it.run(&["limits", "advise"], "").stdout).unwrap();
        for word in ["P99/MIN", "too strict", "too loose", "too little data", "no limit", "-67 %"] {
            assert!(words.contains(word), "{word}: {words}");
        }
    });
}

#[test]
fn what_was_reported_of_a_key_is_shown_beside_its_calls() {
    each(|it| {
        let [busy, quiet, _] = three_keys(it);
        let now = SystemClock.now();
        let reported =
            Counts { calls: 12, reported: 10, errors_4: 2, errors_5: 1, bytes_in: 100, bytes_out: 5000, millis: 120 };
        let refused = Counts { calls: 3, ..Counts::default() };
        let took = (ApiKeyId::parse(&busy).unwrap(), now, bucket(Span::millis(12)));
        called(it, vec![row(&busy, now, "ok", reported), row(&busy, now, "restricted", refused)], vec![took]);
        let told = it.json(&["api-key", "usage", &busy, "--days", "2"], "");
        let sum = |name: &str| -> u64 {
            told["days"].as_array().unwrap().iter().map(|day| day[name].as_u64().unwrap()).sum()
        };
        let names = ["allowed", "denied", "reported", "errors_4xx", "errors_5xx", "bytes_in", "bytes_out"];
        assert_eq!(names.map(sum), [12, 3, 10, 2, 1, 100, 5000]);
        assert_eq!(told["latency"]["avg_ms"], 12);
        let half = told["latency"]["p50_ms"].as_f64().unwrap();
        assert!((9.6..=14.4).contains(&half), "{told}");
        let words = String::from_utf8(it.run(&["api-key", "usage", &busy, "--days", "2"], "").stdout).unwrap();
        assert!(words.contains("4XX") && words.contains("10 calls took: p50"), "{words}");
        let none = it.json(&["api-key", "usage", &quiet], "");
        assert_eq!((&none["latency"]["p50_ms"], none["days"].as_array().unwrap().len()), (&Value::Null, 14));
    });
}
