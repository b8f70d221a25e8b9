//! After everything that can be done with a secret was done, it is nowhere: not in the database,
//! not in the files, not in the logs of the most talkative level (A14, A55, R24). The program runs
//! as operators run it.

use super::memory::{self, Wanted};
use crate::{
    commands::{Installation, Serving, each},
    world::{
        App, Auth, Browser, Key, Person, Reply, Request,
        busy::{LONG, within},
        database::{self, Backdoor},
        get,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use diesel::{Connection, PgConnection};
use keywright::{
    base::{digest::ForeignMac, entropy::OsEntropy, fault::Stop, moment::SystemClock, secret::Secret},
    flow::secrets::{self, Given, Keks},
    store::{Store, Tx, sealed::Column, signing_keys::KeyRow},
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Thirty-two times the same byte: no such run is in anything else.
const FIRST_KEK: &str = "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f";
const SECOND_KEK: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";
const PASSPHRASE: &str = "a passphrase of eleven words that is only for backups";
const PASSWORD: &str = "violin cello harp drum";
const NEW_PASSWORD: &str = "seven amber kites over Lisbon";
const WRONG_PASSWORD: &str = "hunter2 hunter2 hunter2";
/// Typed into the wrong field by somebody in a hurry.
const IN_THE_WRONG_FIELD: &str = "umbrella-Quartz-1871";

/// What must not be found, and what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn keep(&mut self, what: &str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() >= 12, "{what} is too short to look for: {secret}");
        self.0.push((what.to_owned(), secret));
    }

    /// A token, and the part of a JWT without which it is nothing.
    fn keep_token(&mut self, what: &str, token: &str) {
        self.keep(what, token);
        if let Some((_, signature)) = token.rsplit_once('.') {
            self.keep(&format!("the signature of {what}"), signature);
        }
    }

    fn keep_tokens(&mut self, what: &str, reply: &Reply) -> crate::world::Tokens {
        let tokens = reply.tokens();
        self.keep_token(&format!("the access token of {what}"), &tokens.access);
        for (name, token) in [("refresh token", &tokens.refresh), ("ID token", &tokens.id)] {
            if !token.is_empty() {
                self.keep_token(&format!("the {name} of {what}"), token);
            }
        }
        tokens
    }

    fn keep_cookies(&mut self, browser: &Browser) {
        for (name, value) in &browser.cookies {
            self.keep(&format!("the cookie {name}"), value);
        }
    }

    /// Looks for each in clear and in the spellings that databases and logs have.
    fn are_not_in(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            let bytes = secret.as_bytes();
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let form = url::form_urlencoded::byte_serialize(bytes).collect::<String>();
            let json = Value::String(secret.clone()).to_string();
            let spelt = [
                secret.clone(),
                hex.to_uppercase(),
                hex,
                form.replace('+', "%20"),
                form,
                json.trim_matches('"').to_owned(),
                BASE64_STANDARD.encode(bytes).trim_end_matches('=').to_owned(),
                BASE64_URL_SAFE_NO_PAD.encode(bytes),
            ];
            for text_of_it in spelt {
                assert!(!text.contains(&text_of_it), "{what} is in {place}, as {text_of_it}");
            }
        }
    }
}

/// What the server was given and has handed out is gone from its memory when it was answered: a core of it would hold
/// only what it works with, the keys. Which these are is in `in_use`.
fn none_is_in_memory(serving: &Serving, secrets: &Secrets, basic: &str, issuer: &str) {
    let in_use = ["the first key above all", "the second key above all", "a passphrase"];
    let mut texts = vec![("THE ISSUER".to_owned(), issuer.as_bytes().to_vec())];
    texts.push(("the client's secret as HTTP has it".to_owned(), basic.as_bytes().to_vec()));
    for (what, secret) in secrets.0.iter().filter(|(what, _)| !in_use.contains(&what.as_str())) {
        texts.push((what.clone(), secret.as_bytes().to_vec()));
        let form = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
        if form != *secret {
            texts.push((format!("{what}, as forms have it"), form.into_bytes()));
        }
    }
    let wanted = Wanted::new(texts);
    let mut last = Vec::new();
    let gone = within(LONG, || {
        let Some(found) = memory::holds(serving.id(), &wanted) else {
            println!("skipped: the memory of a process is shown to root alone");
            return true;
        };
        assert!(found.iter().any(|what| what == "THE ISSUER"), "the search sees what there is");
        last = found.into_iter().filter(|what| what != "THE ISSUER").collect();
        last.is_empty()
    });
    assert!(gone, "in the memory of the process: {last:#?}");
}

/// All that a dump of the database and of the directory of data shows.
fn dumps(it: &Installation) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&it.folder.path().join("data"), &mut found);
    if let Some(path) = it.database.strip_prefix("sqlite:") {
        for end in ["", "-wal", "-shm"] {
            if let Ok(bytes) = fs::read(format!("{path}{end}")) {
                found.push((format!("the file of the database{end}"), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    } else {
        let mut door = Backdoor::Pg(PgConnection::establish(&it.database).unwrap());
        let tables = door.texts("SELECT tablename::text AS text FROM pg_tables WHERE schemaname = current_schema()");
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let rows = door.texts(&format!("SELECT t::text AS text FROM \"{table}\" t"));
            found.push((format!("the table {table}"), rows.join("\n")));
        }
    }
    found
}

/// The same as bytes: what is no text must be found too.
fn raw_dumps(it: &Installation, texts: &[(String, String)]) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> =
        texts.iter().map(|(place, text)| (place.clone(), text.clone().into_bytes())).collect();
    let database = it.database.strip_prefix("sqlite:").map(PathBuf::from);
    for path in database.into_iter().chain([it.folder.path().join("data/a-backup")]) {
        found.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    found
}

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_name().is_none_or(|name| name != "kek") {
            found.push((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
}

/// A command, whose complaints are looked at too.
fn command(it: &Installation, arguments: &[&str], input: &str, logs: &mut String) -> Value {
    let done = it.run(&[arguments, &["-o", "json"]].concat(), input);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?} {told}");
    logs.push_str(&told);
    serde_json::from_slice(&done.stdout).unwrap()
}

/// The clients: one of the web, and one with a key.
struct Cast {
    web: App,
    keyed: App,
}

fn register(it: &Installation, secrets: &mut Secrets, logs: &mut String) -> Cast {
    let place: (SocketAddr, &str) = (([127, 0, 0, 1], it.port).into(), &it.at(""));
    command(it, &["user", "add", "ada", "--password-stdin"], &format!("{PASSWORD}\n"), logs);
    let metadata = json!({
        "client_name": "web", "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid profile offline_access",
    });
    let web = command(it, &["client", "add", "--metadata", "-"], &metadata.to_string(), logs);
    let id = web["client_id"].as_str().unwrap();
    secrets.keep("the first secret of the client", web["client_secret"].as_str().unwrap());
    let web = command(it, &["client", "rotate-secret", id, "--overlap", "1h"], "", logs);
    let secret = web["client_secret"].as_str().unwrap().to_owned();
    secrets.keep("the second secret of the client", &secret);
    let key = Key::new();
    let metadata = json!({
        "client_name": "keyed", "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks(),
    });
    let keyed = command(it, &["client", "add", "--metadata", "-"], &metadata.to_string(), logs);
    Cast {
        web: App::outside(place, id, Auth::Basic(secret), "https://app.example/cb").scope("openid offline_access"),
        keyed: App::outside(place, keyed["client_id"].as_str().unwrap(), Auth::Key(key), ""),
    }
}

/// Ada signs in, after somebody failed to, and lets the application in.
fn sign_in(browser: &mut Browser, web: &App, secrets: &mut Secrets) -> crate::world::Tokens {
    let ada = Person { name: "ada".to_owned(), password: PASSWORD.to_owned(), id: String::new() };
    let attempt = web.begin();
    let page = browser.visit(&attempt.url());
    secrets.keep("the sealed state of the sign-in", page.form().field("interaction").unwrap());
    secrets.keep("the token of a form", page.form().field("csrf").unwrap());
    for wrong in [
        Person { password: WRONG_PASSWORD.to_owned(), ..ada.clone() },
        Person { name: IN_THE_WRONG_FIELD.to_owned(), ..ada.clone() },
    ] {
        assert_eq!(browser.type_in(&page, &wrong).status, 200);
    }
    let callback = browser.approve(&attempt, &ada);
    secrets.keep("a code", callback.code());
    secrets.keep("a verifier", &attempt.verifier);
    let tokens = secrets.keep_tokens("the sign-in", &web.redeem(&attempt, callback.code()));
    let unused = web.begin();
    secrets.keep("a code that nobody used", browser.approve(&unused, &ada).code());
    secrets.keep("its verifier", &unused.verifier);
    let again = web.redeem(&unused, "kw_code_wrong-wrong-wrong");
    assert_eq!(again.status, 400);
    secrets.keep("a code that is none", "kw_code_wrong-wrong-wrong");
    tokens
}

/// Whatever else is done with tokens and secrets, right and wrong.
fn use_them(to: SocketAddr, cast: &Cast, tokens: &crate::world::Tokens, secrets: &mut Secrets) {
    let web = &cast.web;
    let second = secrets.keep_tokens("the refresh", &web.refresh(&tokens.refresh));
    secrets.keep_tokens("the retry", &web.refresh(&tokens.refresh));
    let third = secrets.keep_tokens("the second refresh", &web.refresh(&second.refresh));
    assert!(web.sees_live(&third.access) && web.sees_live(&third.refresh));
    assert_eq!(web.userinfo(&third.access).status, 200);
    let in_the_url = get(&format!("/userinfo?access_token={}", third.access)).send(to);
    assert_eq!(in_the_url.status, 400);
    assert_eq!(get(&format!("/nothing/{}", third.refresh)).send(to).status, 404);
    let mut wrong = web.clone();
    wrong.auth = Auth::Post("kw_cs_wrong-wrong-wrong".to_owned());
    secrets.keep("a secret that is none", "kw_cs_wrong-wrong-wrong");
    assert_eq!(wrong.refresh(&third.refresh).status, 401);
    let broken = Request::new("POST", "/token").body("text/plain", format!("refresh_token={}", third.refresh));
    assert_eq!(broken.send(to).status, 415);
    let Auth::Key(key) = &cast.keyed.auth else { panic!("it has a key") };
    let assertion = key.sign(&cast.keyed.assertion_claims());
    secrets.keep_token("an assertion", &assertion);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", crate::world::JWT_BEARER),
        ("client_assertion", &assertion),
    ];
    secrets.keep_tokens("the machine", &crate::world::post("/token", &form).send(to));
    assert_eq!(crate::world::post("/token", &form).send(to).status, 401, "used twice");
    assert_eq!(web.revoke(&third.access).status, 200);
}

/// Keys made, rotated and claimed in the browser, with all that is carried on the way.
fn keys(it: &Installation, browser: &mut Browser, secrets: &mut Secrets, logs: &mut String) {
    let api = ["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"];
    command(it, &api, "", logs);
    let form = browser.visit("/account/keys/new?api=docs&for=job").form().fill("name", "nightly");
    let id = shown(&browser.post(&form), "a key", secrets);
    let id = id.unwrap();
    let form = browser.visit(&format!("/account/keys/{id}/rotate")).form();
    shown(&browser.post(&form), "its successor", secrets);
    let make = ["api-key", "claim-link", "--api", "docs", "--name", "partner", "--anywhere", "--owner", "user:ada"];
    for (more, what) in [(None, "a claimed key"), (Some("--sign-in"), "a key that she claimed")] {
        let link = command(it, &make.iter().copied().chain(more).collect::<Vec<_>>(), "", logs);
        let link = link["link"].as_str().unwrap();
        secrets.keep(&format!("what stands in the link of {what}"), link.split_once('#').unwrap().1);
        // Signed out, she is sent to sign in, and the link with her, sealed.
        let mut other = Browser::outside(([127, 0, 0, 1], it.port).into(), &it.at(""));
        let page = other.visit("/claim");
        let mut page = other.submit(&page.form().fill("code", link).fill("step", "look"));
        if more.is_some() {
            let ada = Person { name: "ada".to_owned(), password: PASSWORD.to_owned(), id: String::new() };
            let action = page.form().action;
            secrets.keep("a form that was kept", action.split_once("&kept=").unwrap().1);
            page = other.type_in(&page, &ada);
            page = other.submit(&page.form().press("Go on"));
        }
        shown(&other.post(&page.form().press("Make the key")), what, secrets);
        secrets.keep_cookies(&other);
    }
}

/// The text of a key is on this page; and where it is the person's own, so is its handle.
fn shown(page: &Reply, what: &str, secrets: &mut Secrets) -> Option<String> {
    let html = page.text();
    let (_, rest) = html.split_once("class=\"secret\"").unwrap_or_else(|| panic!("{} {}", page.status, page.words()));
    let text = rest.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")).unwrap().0;
    secrets.keep(what, text);
    let (_, rest) = html.split_once("/account/keys/key_")?;
    Some(format!("key_{}", rest.split(['?', '"', '/']).next()?))
}

fn change_password(browser: &mut Browser, secrets: &mut Secrets) {
    let page = browser.visit("/account/password");
    let form = page.form().fill("current_password", PASSWORD).fill("new_password", NEW_PASSWORD);
    let page = browser.submit(&form.fill("new_password_again", NEW_PASSWORD));
    assert!(page.says("Your password is changed"), "{}", page.words());
    secrets.keep_cookies(browser);
    let out = browser.visit("/end_session");
    browser.submit(&out.form().press("Sign out"));
}

/// A key is brought by its HMAC, with the key of that.
fn brought(it: &Installation, secrets: &mut Secrets, logs: &mut String) {
    const THEIR_KEY: &str = "a key of HMAC that another system has";
    const THEIR_TEXT: &str = "legacy-AwU75gCiOZHroBVVsv7oWD2xu4QZMllVFsXC";
    let mac = ForeignMac::new(&Secret::new(THEIR_KEY.as_bytes().to_vec())).of(THEIR_TEXT);
    let list = it.folder.path().join("list");
    fs::write(&list, BASE64_STANDARD.encode(mac)).unwrap();
    let import = ["api-key", "import", "--format", "hmac-sha256", "--hmac-key-file", "-", list.to_str().unwrap()];
    let of = ["--api", "docs", "--owner", "user:ada", "--name", "old", "--scope", "docs.read", "--anywhere"];
    assert_eq!(command(it, &[&import[..], &of].concat(), THEIR_KEY, logs)["imported"], 1);
    assert_eq!(command(it, &["api-key", "check"], THEIR_TEXT, logs)["code"], "ok");
    secrets.keep("a key of HMAC of another system", THEIR_KEY);
    secrets.keep("what it has hashed", THEIR_TEXT);
    secrets.keep("the HMAC itself", BASE64_STANDARD.encode(mac));
}

/// The keys above all keys: another key-encryption key while the server runs, another pepper, a backup.
fn keys_above_keys(it: &Installation, serving: &Serving, secrets: &mut Secrets, logs: &mut String) {
    fs::write(it.folder.path().join("keks"), format!("{SECOND_KEK}\n{FIRST_KEK}\n")).unwrap();
    serving.reload();
    let log = || fs::read_to_string(it.folder.path().join("log")).unwrap();
    assert!(within(LONG, || log().contains("the settings were read again")), "{}", log());
    brought(it, secrets, logs);
    assert_eq!(command(it, &["secrets", "rewrap"], "", logs)["kek"], 2);
    command(it, &["secrets", "rotate-pepper"], "", logs);
    command(it, &["keys", "rotate"], "", logs);
    command(it, &["secrets", "status"], "", logs);
    let backup = it.folder.path().join("data/a-backup");
    command(it, &["backup", backup.to_str().unwrap(), "--password-stdin"], PASSPHRASE, logs);
    command(it, &["restore", backup.to_str().unwrap(), "--verify", "--password-stdin"], PASSPHRASE, logs);
    for (what, secret) in
        [("the first key above all", FIRST_KEK), ("the second key above all", SECOND_KEK), ("a passphrase", PASSPHRASE)]
    {
        secrets.keep(what, secret);
    }
    let shown = it.run(&["config", "show"], "");
    logs.push_str(&String::from_utf8_lossy(&shown.stdout));
}

/// The private halves of all signing keys, opened as the server opens them: none stands anywhere as it is.
fn no_private_half_is_in(it: &Installation, dumps: &[(String, Vec<u8>)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let halves = runtime.block_on(async {
        let settings = database::settings(it.database.clone());
        let store = Store::open(&settings, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
        let keks = Keks::new([Secret::new([0x5e; 32])]);
        let opened = secrets::open(&store, Given { keks, peppers: Vec::new() }, Arc::new(SystemClock)).await.unwrap();
        let list = |tx: &mut Tx<'_>| Ok::<_, Stop<Infallible>>(tx.signing_keys().list()?);
        let rows = store.read("list", list).await.map_err(|_| "a fault").unwrap();
        store.close();
        let open = |row: &KeyRow| {
            let private = opened.envelope.open(Column::SigningKeys, row.record.kid.as_str(), &row.sealed).unwrap();
            private.expose().clone()
        };
        rows.iter().filter(|row| !row.sealed.is_empty()).map(open).collect::<Vec<Vec<u8>>>()
    });
    assert!(halves.len() >= 4, "{}", halves.len());
    for private in halves.iter().chain([&vec![0x1f; 32], &vec![0x5e; 32]]) {
        // PKCS #8: the scalar of P-256 stands at 36; the seed of Ed25519 at the end.
        let parts = [private.get(36..60), private.get(private.len() - 24..)];
        for part in parts.into_iter().flatten() {
            let hex: String = part.iter().map(|b| format!("{b:02x}")).collect();
            let base64 = BASE64_STANDARD.encode(part);
            for (place, bytes) in dumps {
                for spelt in [part, hex.as_bytes(), base64.as_bytes()] {
                    assert!(!bytes.windows(spelt.len()).any(|there| there == spelt), "a private key is in {place}");
                }
            }
        }
    }
}

/// No core of the server can be written, whoever asks the kernel for one.
fn no_core_is_written(serving: &Serving) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

#[test]
fn a14_a55_r024_r058_no_secret_is_in_clear_in_the_database_in_files_or_in_logs_whatever_was_done_with_it() {
    each(|it| {
        let settings = "[log]\nlevel = \"trace\"\nformat = \"json\"\n\
            [secrets]\nkek = \"cmd:head -n 1 keks\"\nolder_keks = [\"cmd:tail -n 1 keks\"]\n";
        fs::write(it.folder.path().join("keywright.toml"), settings).unwrap();
        fs::write(it.folder.path().join("keks"), format!("{FIRST_KEK}\n")).unwrap();
        let (mut secrets, mut logs) = (Secrets::default(), String::new());
        let cast = register(it, &mut secrets, &mut logs);
        let serving = it.serve();
        secrets.keep("the first key above all", FIRST_KEK);
        let to = ([127, 0, 0, 1], it.port).into();
        let mut browser = Browser::outside(to, &it.at(""));
        let tokens = sign_in(&mut browser, &cast.web, &mut secrets);
        secrets.keep_cookies(&browser);
        use_them(to, &cast, &tokens, &mut secrets);
        keys(it, &mut browser, &mut secrets, &mut logs);
        change_password(&mut browser, &mut secrets);
        for (what, password) in [
            ("the password", PASSWORD),
            ("the new password", NEW_PASSWORD),
            ("a wrong password", WRONG_PASSWORD),
            ("a password in the field of the name", IN_THE_WRONG_FIELD),
        ] {
            secrets.keep(what, password);
        }
        keys_above_keys(it, &serving, &mut secrets, &mut logs);
        no_core_is_written(&serving);
        let Auth::Basic(secret) = &cast.web.auth else { panic!("it has a secret") };
        let basic = BASE64_STANDARD.encode(format!("{}:{secret}", cast.web.id));
        none_is_in_memory(&serving, &secrets, &basic, &it.at(""));
        // While it runs, so that what was not moved from the log of the database yet is seen too.
        let before = dumps(it);
        serving.end();
        logs.push_str(&fs::read_to_string(it.folder.path().join("log")).unwrap());
        let all: Vec<_> = before.into_iter().chain(dumps(it)).collect();
        let found = |text: &str| all.iter().any(|(_, dump)| dump.contains(text));
        assert!(found("ada") && found(&cast.web.id) && found("grant"), "the search sees what there is");
        assert!(logs.contains("\"level\":\"TRACE\"") && logs.contains("\"serving\""), "the logs are talkative");
        for (place, dump) in &all {
            secrets.are_not_in(place, dump);
        }
        secrets.are_not_in("the logs", &logs);
        let mut raw = raw_dumps(it, &all);
        raw.push(("the logs".to_owned(), logs.into_bytes()));
        no_private_half_is_in(it, &raw);
        assert!(secrets.0.len() > 30, "{}", secrets.0.len());
    });
}
