//! The text of API keys, the policies that people write, and what callers say of their calls.

use super::{Target, seeds, text};
use keywright::{
    apikey::{
        call::Call,
        policy::{Document, Rule},
        text::{KeyText, LEAST_RANDOM, RANDOM},
    },
    base::{
        credential::{Kind, checksum, well_formed},
        entropy::SeededEntropy,
        id::ApiId,
        moment::Moment,
    },
};
use std::{net::IpAddr, sync::LazyLock};

const KINDS: [Kind; 4] = [Kind::Code, Kind::ClientSecret, Kind::RefreshToken, Kind::Session];

/// What is read as a key has its form to the last character, is no other credential, and its hint hides what it must.
pub const API_KEY_TEXT: Target = Target {
    name: "api_key_text",
    run: |input| {
        let text = text(input);
        let front = text.char_indices().rev().nth(5).map_or("", |(at, _)| &text[..at]);
        let repaired = format!("{front}{}", checksum(front));
        let mut ending = String::new();
        for text in [&text, &repaired] {
            for length in [LEAST_RANDOM, RANDOM] {
                let Some(key) = KeyText::parse(text, length) else { continue };
                assert_eq!(key.text().expose(), text);
                assert_eq!(text.len(), key.head().len() + 1 + length + 6);
                assert!(text.starts_with(&key.head()) && text.starts_with(key.hint().trim_end_matches('…')));
                let shown = key.hint().len() - "…".len() - key.head().len() - 1;
                assert!(length - shown >= LEAST_RANDOM);
                assert!(KINDS.iter().all(|kind| !well_formed(*kind, text)));
                ending.push_str(key.environment());
            }
        }
        ending
    },
    seeds: || {
        let dice = SeededEntropy::new(1);
        let key = |prefix, environment, length| KeyText::mint(prefix, environment, length, &dice).unwrap();
        [key("kw", "live", RANDOM), key("weather", "test", RANDOM), key("kw", "live", LEAST_RANDOM)]
            .iter()
            .map(|key| key.text().expose().clone().into_bytes())
            .collect()
    },
    words: &["kw_live_", "kw_test_", "kw_rt_", "kw_code_", "_", "a_aa_", "000000"],
};

const POLICY: &str = r#"{"v":1,"ip":{"allow":["203.0.113.0/24","2001:db8::/48"],"deny":["203.0.113.66"]},
"geo":{"allow":["US","CA"]},"referrer":{"allow":["https://app.example.com"]},
"user_agent":{"allow":["partner-sync/*"],"deny":["*sqlmap*"]},
"time":{"windows":[{"days":"mon-fri","from":"07:00","to":"19:00","tz":"Europe/Berlin"}]},
"routes":[{"methods":["GET"],"path":"/v1/docs/**"},{"path":"/v1/*.json"}]}"#;

static API: LazyLock<ApiId> = LazyLock::new(|| ApiId::from_u128(1));

fn findings(document: &Document, call: &Call<'_>) -> String {
    let told = |rule: &Rule| match document.finding(*rule, call) {
        None => "-",
        Some(Ok(())) => "+",
        Some(Err(reason)) => reason.as_str(),
    };
    Rule::ORDER.iter().map(told).collect::<Vec<_>>().join(" ")
}

/// A policy is read or refused by the name of a member; and of what is read, every restriction but the hours refuses a
/// call of which nothing is said, unless it says otherwise.
pub const KEY_POLICIES: Target = Target {
    name: "key_policies",
    run: |input| {
        let Ok(json) = serde_json::from_slice::<serde_json::Map<_, _>>(input) else { return "no object".to_owned() };
        match Document::read(&json) {
            Err(invalid) => {
                let member = invalid.member();
                let named = |name: &String| member.starts_with(name.as_str());
                assert!(member.is_empty() || member == "v" || json.keys().any(named), "{invalid}");
                format!("refused {}", invalid.why().split(' ').next().unwrap_or_default())
            }
            Ok(document) => {
                let call = Call::new(&API, Moment::from_unix(1_778_752_800));
                for rule in [Rule::Ip, Rule::Route] {
                    assert_ne!(document.finding(rule, &call), Some(Ok(())), "{rule:?}");
                }
                findings(&document, &call)
            }
        }
    },
    seeds: || {
        seeds(&[
            POLICY,
            r#"{"v":1,"rate":[{"name":"burst","by":"family","limit":20,"per":"1s","burst":40}],"quota":[{"name":"month","limit":1000,"per":"month@15","unit":"content-bytes","on_exceed":"alert"}],"binding":{"dpop":"optional"}}"#,
        ])
    },
    words: &[
        "\"allow\":",
        "\"deny\":",
        "\"unknown\":\"allow\"",
        "\"missing\":\"allow\"",
        "\"require\":false",
        "[]",
        "{}",
        "null",
        "::/0",
        "0.0.0.0/0",
        "**",
        "24:00",
        "month@31",
        "once",
        "\"by\":\"ip\"",
        "4294967295",
    ],
};

/// What is said of a call, one thing on a line: whatever it is, what passes is what the policy means.
pub const KEY_CALLS: Target = Target {
    name: "key_calls",
    run: |input| {
        static DOCUMENT: LazyLock<Document> =
            LazyLock::new(|| Document::read(&serde_json::from_str(POLICY).unwrap()).unwrap());
        let text = text(input);
        let mut said = text.split('\n').map(|line| Some(line).filter(|line| *line != "-"));
        let mut next = || said.next().flatten();
        let at = Moment::from_unix(1_778_752_800);
        let (address, country, method, path) = (next(), next(), next(), next());
        let (user_agent, origin, referer) = (next(), next(), next());
        let call = Call { address, country, method, path, user_agent, origin, referer, ..Call::new(&API, at) };
        let passes = |rule| DOCUMENT.finding(rule, &call) == Some(Ok(()));
        if passes(Rule::Ip) {
            let canonical = address.unwrap().parse::<IpAddr>().unwrap().to_canonical().to_string();
            assert!(canonical.starts_with("203.0.113.") || canonical.starts_with("2001:db8:"), "{canonical}");
        }
        if passes(Rule::Route) {
            let path = path.unwrap().split('?').next().unwrap().to_ascii_lowercase();
            assert!(path.starts_with("/v1/") || path.contains('%'), "{path}");
            for odd in
                ["//", "/../", "/./", "\\", ";", "#", "%2f", "%5c", "%3b", "%00", "%0a", "%252f", "/%2e%2e/", "/%2e/"]
            {
                assert!(!path.contains(odd), "{odd} in {path}");
            }
        }
        if passes(Rule::Referrer) {
            let page = origin.filter(|t| !t.is_empty()).or(referer).unwrap().to_ascii_lowercase();
            let rest = page.strip_prefix("https://app.example.com").unwrap_or_else(|| panic!("{page}"));
            assert!(rest.is_empty() || rest.starts_with(['/', ':', '?', '#']), "{page}");
        }
        if passes(Rule::UserAgent) {
            let agent = user_agent.unwrap().to_ascii_lowercase();
            assert!(agent.starts_with("partner-sync/") && !agent.contains("sqlmap"), "{agent}");
        }
        findings(&DOCUMENT, &call)
    },
    seeds: || {
        seeds(&[
            "203.0.113.9\nUS\nGET\n/v1/docs/7?x=1\npartner-sync/2\nhttps://app.example.com\nhttps://app.example.com/page",
            "::ffff:203.0.113.66\nXX\nPOST\n/v1/a.json\nsqlmap\n-\nhttps://app.example.com:443/page",
            "2001:db8::1\n-\n-\n/v1/docs/%64/\n-\nnull\n-",
        ])
    },
    words: &[
        "%2f",
        "%2e",
        "..",
        "//",
        "\\",
        ";",
        "%25",
        "%00",
        "::ffff:",
        "203.0.113.",
        "@",
        "https://",
        "https://app.example.com",
        ".evil",
        "/v1/docs/",
        "partner-sync/",
        "-",
        "null",
    ],
};
