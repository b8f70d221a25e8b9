//! `keywright leaks`, run as people and programs run it, in a repository of git.

use crate::{
    keys::Keys,
    world::{Server, each},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use keywright::{apikey::text::KeyText, base::entropy::OsEntropy};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

fn minted(prefix: &str) -> String {
    KeyText::mint(prefix, "live", 43, &OsEntropy).unwrap().text().expose().clone()
}

fn run(folder: &Path, program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "A").env(format!("GIT_{role}_EMAIL"), "a@example.org");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = run(folder, "git", arguments, b"");
    assert!(done.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&done.stderr));
}

/// The exit code, and all that was printed.
fn leaks(folder: &Path, arguments: &[&str], input: &[u8]) -> (i32, String) {
    let done = run(folder, env!("CARGO_BIN_EXE_keywright"), &[&["leaks"], arguments].concat(), input);
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn r021_a_planted_key_is_found_in_a_directory_and_its_text_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let (at, key) = (folder.path(), minted("kw"));
    fs::create_dir_all(at.join("src/deep")).unwrap();
    fs::create_dir_all(at.join(".git")).unwrap();
    fs::write(at.join("src/good.py"), "key = os.environ['KEY']  # kw_live_…\n".repeat(1000)).unwrap();
    assert_eq!(leaks(at, &["scan", "."], b"").0, 0);
    fs::write(at.join(".git/config"), &key).unwrap();
    fs::write(at.join("picture.png"), &key).unwrap();
    std::os::unix::fs::symlink("/", at.join("src/link")).unwrap();
    let (code, said) = leaks(at, &["scan"], b"");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 files skipped"), "{said}");
    fs::write(at.join("src/deep/x.py"), format!("\nkey = '{key}'\n")).unwrap();
    for arguments in
        [&["scan", "."][..], &["scan", "src/deep/x.py"], &["scan", "--format", "json"], &["scan", "-o", "json"]]
    {
        let (code, said) = leaks(at, arguments, b"");
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(&key[..12]) && !said.contains(&key[..16]), "{said}");
    }
    assert!(leaks(at, &["scan", "."], b"").1.starts_with("src/deep/x.py:2:8: api_key kw_live_"));
    let (code, said) = leaks(at, &["scan", "--format", "sarif"], b"");
    let sarif: Value = serde_json::from_str(&said).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!((code, &place["artifactLocation"]["uri"]), (3, &Value::from("src/deep/x.py")));
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&2.into(), &8.into()));
    assert_eq!(leaks(at, &["scan", "--exclude", "deep"], b"").0, 0);
    assert_eq!(leaks(at, &["scan", "nowhere"], b"").0, 1);
    let own = minted("acme");
    assert_eq!(leaks(at, &["scan", "-"], own.as_bytes()).0, 0, "a prefix that nobody named");
    assert_eq!(leaks(at, &["scan", "--prefix", "acme", "-"], own.as_bytes()).0, 3);
}

#[test]
fn r021_what_cannot_be_read_is_told_and_counted_and_a_huge_line_needs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let key = minted("kw");
    fs::create_dir(at.join("sub")).unwrap();
    fs::write(at.join("sub/huge"), format!("{}{key}{}", "x".repeat(40_000_000), "y".repeat(1_000_000))).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(at.join("sub/socket")).unwrap();
    let limited = format!("ulimit -v 200000; exec '{}' leaks scan -o json sub", env!("CARGO_BIN_EXE_keywright"));
    let done = run(at, "sh", &["-c", &limited], b"");
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&told["found"][0]["line"], &told["found"][0]["column"]), (&1.into(), &40_000_001.into()));
    assert_eq!((&told["files"], &told["skipped"]), (&1.into(), &1.into()), "{told}");
    drop(socket);
    // A link to itself cannot even be looked at where it is named; root reads everything else.
    std::os::unix::fs::symlink("loop", at.join("loop")).unwrap();
    assert_eq!(leaks(at, &["scan", "loop"], b"").0, 1);
}

#[test]
fn r051_what_base64_writes_is_found() {
    let (folder, key) = (tempfile::tempdir().unwrap(), minted("kw"));
    for input in [format!("{}\n", BASE64_STANDARD.encode(&key)), BASE64_STANDARD.encode(format!("ann:{key}"))] {
        let (code, said) = leaks(folder.path(), &["scan", "-"], input.as_bytes());
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("in base64"), "{said}");
    }
}

#[test]
fn r021_a_planted_commit_is_found_and_the_hook_refuses_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (at, key) = (folder.path(), minted("kw"));
    git(at, &["init", "-q", "-b", "main"]);
    fs::write(at.join("a.txt"), "one\ntwo\n").unwrap();
    git(at, &["add", "a.txt"]);
    git(at, &["commit", "-q", "-m", "first"]);
    git(at, &["checkout", "-q", "-b", "work"]);
    fs::write(at.join("a.txt"), format!("one\ntwo\nkey {key}\n")).unwrap();
    git(at, &["commit", "-q", "-a", "-m", "second"]);
    fs::write(at.join("a.txt"), "one\ntwo\n").unwrap();
    git(at, &["commit", "-q", "-a", "-m", "taken out again"]);
    assert_eq!(leaks(at, &["scan", "."], b"").0, 0, "it is in no file any more");
    let (code, said) = leaks(at, &["scan", "--git", "main..HEAD"], b"");
    assert_eq!(code, 3, "{said}");
    assert!(said.starts_with("a.txt:3:5: api_key") && said.contains(", commit "), "{said}");
    assert!(!said.contains(&key));
    assert_eq!(leaks(at, &["scan", "--git", "main"], b"").0, 0);
    git(at, &["commit", "-q", "--allow-empty", "-m", &format!("see {key}")]);
    let (code, said) = leaks(at, &["scan", "--git", "HEAD~1..HEAD"], b"");
    assert!(code == 3 && said.starts_with("(message):1:5"), "{said}");
    for range in ["--output=/tmp/x", "", "nothing..HEAD"] {
        assert!([1, 2].contains(&leaks(at, &["scan", "--git", range], b"").0), "{range}");
    }

    assert_eq!(leaks(at, &["install-hook"], b"").0, 0);
    assert_eq!(leaks(at, &["install-hook"], b"").0, 0, "twice is once");
    fs::write(at.join("b.txt"), format!("{key}\n")).unwrap();
    git(at, &["add", "b.txt"]);
    assert_eq!(leaks(at, &["scan", "--staged"], b"").0, 3);
    let refused = run(at, "git", &["commit", "-m", "third"], b"");
    assert!(
        !refused.status.success()
            && String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).contains("b.txt:1:1")
    );
    fs::write(at.join("b.txt"), format!("{key} keywright:allow\n")).unwrap();
    git(at, &["add", "b.txt"]);
    git(at, &["commit", "-q", "-m", "third"]);
    fs::write(at.join(".git/hooks/pre-commit"), "#!/bin/sh\nexit 0\n").unwrap();
    let (code, said) = leaks(at, &["install-hook"], b"");
    assert!(code == 1 && said.contains("not ours"), "{said}");
}

/// Python's patterns are near enough to RE2 for what these use.
const MATCHES: &str = "
import re, sys, tomllib
rules = tomllib.load(open(sys.argv[1], 'rb'))['rules']
text = sys.argv[2]
print([rule['id'] for rule in rules if any(word in text for word in rule['keywords']) and re.search(rule['regex'], text)])
";

#[test]
fn r021_rules_for_others_find_what_we_make() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (code, rules) = leaks(at, &["rules", "--format", "gitleaks", "--prefix", "acme"], b"");
    assert_eq!(code, 0);
    assert!(rules.contains("regex = '''\\b((?:kw|acme)_(?:live|test)_[0-9A-Za-z]{49})\\b'''"), "{rules}");
    fs::write(at.join("rules.toml"), &rules).unwrap();
    let found = |text: &str| {
        let done = run(at, "python3", &["-c", MATCHES, "rules.toml", text], b"");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    if Command::new("python3").args(["-c", "import tomllib"]).status().is_ok_and(|status| status.success()) {
        assert_eq!(found(&format!("x = '{}'", minted("acme"))), "['kw-api-key']");
        let secret = keywright::base::credential::mint(keywright::base::credential::Kind::ClientSecret, &OsEntropy);
        assert_eq!(found(secret.unwrap().expose()), "['kw-credential']");
        assert_eq!(found(&minted("other")), "[]");
    } else {
        println!("skipped: no Python with tomllib");
    }
    let (_, rules) = leaks(at, &["rules", "--format", "trufflehog", "--issuer", "https://id.example"], b"");
    assert!(rules.contains("endpoint: 'https://id.example/v1/leaks/trufflehog'"), "{rules}");
    assert_eq!(leaks(at, &["rules", "--format", "gitleaks", "--environment", "rt"], b"").0, 2);
}

#[test]
fn r022_a_running_server_is_asked_whether_keys_are_still_good_and_told_of_them() {
    each(|database| {
        let server = Server::on(database);
        let (keys, app) = (Keys::at(&server, json!({})), server.machine());
        let (made, strange) = (keys.key(&server, &app, json!({})), minted("kw"));
        let own = made["key"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (at, url) = (folder.path(), format!("http://{}", server.address));
        fs::write(at.join("a.env"), format!("A={own}\n")).unwrap();
        fs::write(at.join("b.env"), format!("B={strange}\nagain={own}\n")).unwrap();
        let scan = |more: &[&str]| {
            let (code, said) = leaks(at, &[&["scan", ".", "--format", "json"], more].concat(), b"");
            assert!(!said.contains(own) && !said.contains(&strange), "{said}");
            assert_eq!(code, 3, "{said}");
            serde_json::from_str::<Value>(&said).unwrap()
        };
        let states = |told: &Value| {
            let found = told["found"].as_array().unwrap();
            let mut all: Vec<_> = found
                .iter()
                .map(|one| {
                    (one["file"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap(), one["state"].clone())
                })
                .collect();
            all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            all.into_iter().map(|(_, _, state)| state).collect::<Vec<_>>()
        };
        let unasked = scan(&[]);
        assert_eq!((states(&unasked), &unasked["reported"]), (vec![Value::Null; 3], &Value::Null));
        let asked = scan(&["--check", &url]);
        assert_eq!(states(&asked), ["live", "dead", "live"]);
        assert_eq!(keys.ask(&server, own, json!({}))["code"], "ok", "asking ends nothing");
        let told = scan(&["--check", &url, "--report", &url]);
        assert_eq!((states(&told), &told["reported"]), (vec!["live".into(), "dead".into(), "live".into()], &json!(2)));
        assert_eq!(keys.ask(&server, own, json!({}))["code"], "key_revoked");
        let again = scan(&["--check", &url]);
        assert_eq!(states(&again), ["dead"; 3]);
        let (code, said) = leaks(at, &["scan", ".", "--report", "http://127.0.0.1:9"], b"");
        assert_eq!(code, 1, "{said}");
        let (code, said) = leaks(at, &["scan", ".", "--check", "http://keys.example"], b"");
        assert!(code == 2 && said.contains("https"), "keys are not sent in the clear: {code} {said}");
    });
}
