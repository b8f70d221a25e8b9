//! What must be true of every page.

use super::*;
use crate::{
    base::uri::{RedirectUri, WebUri},
    http::assets,
};
use askama::Template;
use std::collections::BTreeSet;

const HOSTILE: &str = "\"'></p></title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{7*7}}";

/// Who writes the texts of the sample pages.
#[derive(Clone, Copy)]
enum Author {
    /// Someone friendly: the sample text itself.
    Friend,
    /// Someone who tries to break out of every place that a text stands in.
    Foe,
    /// Someone with one long word without a space.
    Bore,
}

impl Author {
    fn says(self, friendly: &str) -> String {
        match self {
            Self::Friend => friendly.to_owned(),
            Self::Foe => HOSTILE.to_owned(),
            Self::Bore => format!("{friendly}{}", "loooooooong".repeat(20)),
        }
    }
}

struct Sample {
    name: &'static str,
    html: String,
}

fn add(to: &mut Vec<Sample>, name: &'static str, page: &impl Template) {
    to.push(Sample { name, html: page.render().unwrap() });
}

fn shell(a: Author, base: &str) -> Shell {
    Shell { service_name: a.says("Keywright"), host: a.says("id.example.com"), base: base.to_owned() }
}
fn who(a: Author) -> Who {
    Who { username: a.says("alice"), name: Some(a.says("Alice Adams")) }
}
fn client(a: Author, redirect_uri: &str) -> ClientCard {
    let link = |text: &str| WebUri::parse(text).ok();
    let mut card = ClientCard::new(&a.says("Larkspur Notes"), &RedirectUri::parse(redirect_uri).unwrap());
    if let Author::Foe | Author::Bore = a {
        card.host = a.says(&card.host) + ".";
    }
    card.uri = link("https://notes.example/about");
    card.policy_uri = link("https://notes.example/privacy");
    card.tos_uri = link("https://notes.example/terms");
    card
}
const WEB: &str = "https://notes.example/cb";

fn consent(a: Author, base: &str, redirect_uri: &str) -> Consent {
    let line = |name: &str, text: &str, is_new| ScopeLine { name: name.into(), description: a.says(text), is_new };
    Consent {
        shell: shell(a, base),
        client: client(a, redirect_uri),
        who: who(a),
        scopes: vec![
            line("openid", "know that you signed in", false),
            line("email", "see your email address", false),
            line("notes.write", "change and delete your notes", true),
        ],
        resources: vec![a.says("https://api.notes.example/v1")],
        lifetime: a.says("until you withdraw it, at most 90 days"),
        interaction: a.says("c2VhbGVk"),
        csrf: a.says("csrf"),
        action: a.says("/consent"),
    }
}

fn portal(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let sign_in = || SignIn {
        shell: shell(a, base),
        client: Some(client(a, WEB)),
        username: String::new(),
        interaction: a.says("c2VhbGVk"),
        csrf: a.says("csrf"),
        problem: None,
        retry_after: None,
        action: a.says("/sign-in"),
    };
    add(&mut out, "sign_in", &sign_in());
    let problem = Some(a.says("That username and password do not match. Check both and try again."));
    add(&mut out, "sign_in_problem", &SignIn { username: a.says("alice"), problem: problem.clone(), ..sign_in() });
    add(&mut out, "sign_in_slowed", &SignIn { client: None, problem, retry_after: Some(95), ..sign_in() });
    add(&mut out, "sign_in_slowed_bare", &SignIn { username: a.says("alice"), retry_after: Some(30), ..sign_in() });
    add(&mut out, "consent", &consent(a, base, WEB));
    let plain = Consent { resources: vec![], scopes: vec![], ..consent(a, base, "http://127.0.0.1:4711/cb") };
    add(&mut out, "consent_this_computer", &plain);
    add(&mut out, "consent_installed", &consent(a, base, "com.example.notes:/cb"));
    let account = |handle: &str, name| AccountChoice { handle: a.says(handle), username: a.says(handle), name };
    let accounts = vec![account("alice", Some(a.says("Alice Adams"))), account("alice-work", None)];
    add(
        &mut out,
        "select_account",
        &SelectAccount {
            shell: shell(a, base),
            client: Some(client(a, WEB)),
            accounts,
            interaction: a.says("c2VhbGVk"),
            csrf: a.says("csrf"),
            action: a.says("/select-account"),
        },
    );
    let client_name = Some(a.says("Larkspur Notes"));
    let (csrf, state, action) = (a.says("csrf"), a.says("state"), a.says("/end_session"));
    add(&mut out, "sign_out", &SignOut { shell: shell(a, base), client_name, who: who(a), csrf, state, action });
    let back = Some((a.says("Larkspur Notes"), RedirectUri::parse("https://notes.example/?bye='").unwrap()));
    add(&mut out, "signed_out", &SignedOut { shell: shell(a, base), back });
    add(&mut out, "signed_out_plain", &SignedOut { shell: shell(a, base), back: None });
    let fields = vec![(a.says("code"), a.says("kwc_1")), ("state".into(), a.says("xyz"))];
    let (client_name, action) = (a.says("Larkspur Notes"), RedirectUri::parse(WEB).unwrap());
    add(&mut out, "form_post", &FormPost { shell: shell(a, base), client_name, action, fields });
    let issuer = || a.says("https://id.example.com");
    add(&mut out, "home", &Home { shell: shell(a, base), who: None, issuer: issuer() });
    add(&mut out, "home_signed_in", &Home { shell: shell(a, base), who: Some(who(a)), issuer: issuer() });
    out
}

fn problems(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let dead = Dead {
        shell: shell(a, base),
        happened: a
            .says("The application that sent you here asked to be answered at an address that it has not registered."),
        next: a.says(
            "Go back to the application and tell the people who run it. Nothing of your account was given to anyone.",
        ),
        error: a.says("invalid_request"),
        description: a.says("redirect_uri is not one of those registered for this client"),
    };
    add(&mut out, "dead", &dead);
    add(&mut out, "failed", &Failed { shell: shell(a, base), reference: a.says("7Q3K-M2XD") });
    add(&mut out, "not_found", &NotFound { shell: shell(a, base) });
    add(&mut out, "wrong_method", &WrongMethod { shell: shell(a, base), allow: a.says("POST") });
    let busy = |pressure, retry_after| Busy { shell: shell(a, base), pressure, retry_after };
    add(&mut out, "too_many", &busy(Pressure::TooMany, 40));
    add(&mut out, "unavailable", &busy(Pressure::Unavailable, 5));
    out
}

fn account_pages(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let account = |flash| Account { who: who(a), csrf: a.says("csrf"), flash };
    let saved = || Some(Flash::Saved(a.says("Saved.")));
    let wrong = || Some(Flash::Problem(a.says("Nothing was saved. Please mend the fields that are marked.")));
    let at = |hour: i64| When::from(Moment::from_unix(1_793_000_000 + hour * 3600));
    let email = Some(a.says("alice@example.com"));
    let overview = |account, sessions, consents| Overview {
        shell: shell(a, base),
        account,
        email: email.clone(),
        password_set: Some(at(0)),
        sessions,
        consents,
    };
    add(&mut out, "account", &overview(account(None), 3, 2));
    let nobody = Account { who: Who { name: None, ..who(a) }, ..account(saved()) };
    add(&mut out, "account_plain", &Overview { email: None, password_set: None, ..overview(nobody, 1, 0) });
    let broken = |value: &str, why: &str| Field { value: a.says(value), problem: Some(a.says(why)) };
    let profile = |flash, email, zoneinfo, email_state| Profile {
        shell: shell(a, base),
        account: account(flash),
        name: Field::of(a.says("Alice Adams")),
        given_name: Field::of(a.says("Alice")),
        family_name: Field::of(a.says("Adams")),
        nickname: Field::default(),
        email,
        email_state,
        website: Field::of(a.says("https://alice.example")),
        zoneinfo,
        locale: Field::of(a.says("en-GB")),
    };
    let (mail, zone) = (Field::of(a.says("alice@example.com")), Field::of(a.says("Europe/Berlin")));
    add(&mut out, "profile", &profile(saved(), mail.clone(), zone.clone(), Email::Verified));
    add(&mut out, "profile_stated", &profile(None, mail, zone, Email::Stated));
    let mail = broken("alice@", "This is not an email address. It needs a part after the @ sign.");
    let zone = broken("Berlin", "There is no such time zone. Write it as Europe/Berlin.");
    add(&mut out, "profile_problem", &profile(wrong(), mail, zone, Email::Absent));
    let password = |flash, current_problem, new_problem, again_problem| Password {
        shell: shell(a, base),
        account: account(flash),
        shortest: 15,
        current_problem,
        new_problem,
        again_problem,
    };
    add(&mut out, "password", &password(None, None, None, None));
    let wrongs =
        ["This is not your current password.", "This is easy to guess. Add another word or two.", "The two differ."]
            .map(|text| Some(a.says(text)));
    let [current, new, again] = wrongs;
    add(&mut out, "password_problem", &password(wrong(), current, new, again));
    let session = |handle: &str, device: &str, place| SessionLine {
        handle: a.says(handle),
        device: a.says(device),
        address: a.says("2001:db8:4711::20"),
        signed_in: at(1),
        last_seen: at(30),
        place,
    };
    let sessions = vec![
        session("one", "Firefox on Linux", SessionPlace::Here),
        session("two", "Safari on iPhone", SessionPlace::Elsewhere),
    ];
    add(&mut out, "sessions", &Sessions { shell: shell(a, base), account: account(None), sessions });
    let line = |uri, scopes: &[&str], ends| ConsentLine {
        id: a.says("consent-1"),
        client: client(a, uri),
        scopes: scopes.iter().map(|text| a.says(text)).collect(),
        given: at(2),
        ends,
    };
    let consents = vec![
        line(WEB, &["see your name", "see your email address", "change and delete your notes"], Some(at(2000))),
        line("http://127.0.0.1/cb", &[], None),
    ];
    add(&mut out, "consents", &Consents { shell: shell(a, base), account: account(saved()), consents });
    add(&mut out, "consents_none", &Consents { shell: shell(a, base), account: account(None), consents: vec![] });
    out
}

fn all(a: Author, base: &str) -> Vec<Sample> {
    let mut out = portal(a, base);
    out.extend(problems(a, base));
    out.extend(account_pages(a, base));
    out
}

/// The tags of a page, as a browser would cut them: from `<` and a letter to `>`, minding quotes.
fn tags(html: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let (tag, after) = rest.split_at(end.unwrap());
        found.push(tag);
        rest = after;
    }
    found
}

/// Attributes of a tag with their values, which our templates always put into double quotes.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let (mut out, mut rest) = (Vec::new(), tag.split_once(char::is_whitespace).map_or("", |(_, r)| r));
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => ("", after),
        };
        assert!(!after.starts_with('='), "an attribute without quotes: <{tag}>");
        out.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    out
}

fn is(tag: &str, name: &str) -> bool {
    tag.split(|c: char| c.is_whitespace() || c == '/').next() == Some(name)
}
fn get(tag: &str, attribute: &str) -> Option<String> {
    attributes(tag).into_iter().find(|(name, _)| name == attribute).map(|(_, value)| value)
}

#[test]
fn every_page_has_one_heading_a_language_a_title_and_a_way_past_the_header() {
    for Sample { name, html } in all(Author::Friend, "") {
        let tags = tags(&html);
        let count = |wanted| tags.iter().filter(|t| is(t, wanted)).count();
        assert_eq!((count("h1"), count("main"), count("title")), (1, 1, 1), "{name}");
        assert!(html.starts_with("<!doctype html>") && html.contains("<html lang=\"en\">"), "{name}");
        assert!(html.contains("class=\"skip\" href=\"#main\"") && html.contains("id=\"main\""), "{name}");
        assert!(html.contains("name=\"viewport\""), "{name}");
    }
}

#[test]
fn no_page_has_inline_script_or_style_or_event_or_anything_from_elsewhere() {
    for Sample { name, html } in all(Author::Friend, "").into_iter().chain(all(Author::Foe, "")) {
        for tag in tags(&html) {
            assert!(!is(tag, "style") && !is(tag, "base") && !is(tag, "iframe"), "{name}: <{tag}>");
            assert!(!is(tag, "img") && !is(tag, "meta") || !tag.contains("http-equiv"), "{name}: <{tag}>");
            if is(tag, "script") || is(tag, "link") {
                let from = get(tag, "src").or_else(|| get(tag, "href")).unwrap();
                assert!(from.starts_with("/static/"), "{name}: <{tag}>");
            }
            for (attribute, value) in attributes(tag) {
                assert!(attribute != "style" && !attribute.starts_with("on"), "{name}: <{tag}>");
                assert!(!value.trim_start().to_ascii_lowercase().starts_with("javascript:"), "{name}: <{tag}>");
            }
        }
    }
}

#[test]
fn a_hostile_text_stays_a_text_wherever_it_stands() {
    for (friend, foe) in all(Author::Friend, "").into_iter().zip(all(Author::Foe, "")) {
        let name = foe.name;
        assert!(!foe.html.contains("<script>alert") && !foe.html.contains("<img"), "{name}");
        assert!(foe.html.contains("&#60;script&#62;alert(1)"), "{name}: the text was to be shown");
        let shapes = |html: &str| -> Vec<(String, BTreeSet<String>)> {
            let shape = |t: &&str| {
                let name = t.split(char::is_whitespace).next().unwrap().to_owned();
                (name, attributes(t).into_iter().map(|(n, _)| n).collect())
            };
            tags(html).iter().map(shape).collect()
        };
        assert_eq!(shapes(&friend.html), shapes(&foe.html), "{name}: same tags and attributes, whatever is said");
    }
}

#[test]
fn every_field_has_a_label_and_every_reference_leads_somewhere() {
    for Sample { name, html } in all(Author::Friend, "") {
        let tags = tags(&html);
        let ids: Vec<String> = tags.iter().filter_map(|t| get(t, "id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{name}: an id twice");
        let labelled: Vec<String> = tags.iter().filter(|t| is(t, "label")).filter_map(|t| get(t, "for")).collect();
        for tag in tags.iter().filter(|t| is(t, "input")) {
            let hidden = get(tag, "type").as_deref() == Some("hidden") || get(tag, "hidden").is_some();
            let label = get(tag, "id").is_some_and(|id| labelled.contains(&id));
            assert!(hidden || label, "{name}: <{tag}>");
            assert!(hidden || get(tag, "autocomplete").is_some(), "{name}: <{tag}>");
        }
        for attribute in ["for", "aria-describedby", "data-shows"] {
            for reference in tags.iter().filter_map(|t| get(t, attribute)) {
                for id in reference.split(' ') {
                    assert!(ids.iter().any(|i| i == id), "{name}: {attribute}={id} leads nowhere");
                }
            }
        }
        for tag in tags.iter().filter(|t| get(t, "data-shows").is_some()) {
            assert_eq!(get(tag, "type").as_deref(), Some("button"), "{name}: would send the form");
            assert!(get(tag, "hidden").is_some(), "{name}: does nothing without its script");
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_its_token() {
    for Sample { name, html } in all(Author::Friend, "") {
        for form in html.split("<form").skip(1).map(|f| f.split("</form>").next().unwrap()) {
            assert!(form.contains("method=\"post\""), "{name}");
            assert_eq!(name != "form_post", form.contains("name=\"csrf\" value=\"csrf\""), "{name}");
        }
    }
}

#[test]
fn problems_are_announced_and_say_what_to_do_next() {
    for Sample { name, html } in all(Author::Friend, "") {
        if ["sign_in_problem", "sign_in_slowed", "sign_in_slowed_bare", "profile_problem", "password_problem"]
            .contains(&name)
        {
            assert!(html.contains("role=\"alert\""), "{name}");
        }
        if ["dead", "failed", "too_many", "unavailable"].contains(&name) {
            assert!(html.contains("What you can do"), "{name}");
        }
    }
    let page = |name| all(Author::Friend, "").into_iter().find(|s| s.name == name).unwrap().html;
    assert!(page("sign_in_slowed").contains("again in 2 minutes"));
    assert!(page("failed").contains("7Q3K-M2XD"));
    assert!(page("consent_this_computer").contains("on this computer"));
}

#[test]
fn a_consent_shows_the_host_before_the_name_that_the_application_gave_itself() {
    let html = consent(Author::Friend, "", WEB).render().unwrap();
    let (_, main) = html.split_once("<main").unwrap();
    assert!(main.find("notes.example").unwrap() < main.find("Larkspur Notes").unwrap());
}

#[test]
fn the_host_of_an_application_is_what_its_redirect_uri_proves() {
    for (uri, host, place) in [
        ("https://app.example/cb", "app.example", Place::Website),
        ("https://app.example:8443/cb", "app.example:8443", Place::Website),
        ("http://127.0.0.1:4711/cb", "127.0.0.1", Place::ThisComputer),
        ("http://[::1]/cb", "[::1]", Place::ThisComputer),
        ("com.example.app:/cb", "com.example.app", Place::InstalledApp),
    ] {
        let card = ClientCard::new("x", &RedirectUri::parse(uri).unwrap());
        assert_eq!((card.host.as_str(), card.place), (host, place));
    }
}

#[test]
fn paths_stand_below_the_path_of_the_issuer() {
    let issuer = Issuer::parse("https://id.example:8443/tenant").unwrap();
    let frame = Shell::new(&issuer, "Id");
    assert_eq!((frame.host.as_str(), frame.base.as_str()), ("id.example:8443", "/tenant"));
    for Sample { name, html } in all(Author::Friend, "/tenant") {
        for tag in tags(&html) {
            if let Some(path) = get(tag, "href").or_else(|| get(tag, "src")).filter(|p| p.starts_with('/')) {
                assert!(path.starts_with("/tenant/"), "{name}: <{tag}>");
            }
        }
    }
}

#[test]
fn a_page_and_its_style_weigh_no_more_than_ten_thousand_bytes() {
    let weight = |end: &str| assets::all().filter(|(url, _)| url.ends_with(end)).map(|(_, b)| b.len()).sum::<usize>();
    let style = weight(".css");
    for Sample { name, html } in portal(Author::Friend, "") {
        assert!(html.len() + style + weight(".js") < 12_000, "{name}: {} + {style}", html.len());
    }
}

#[test]
fn waits_are_said_in_words() {
    for (seconds, words) in
        [(0, "1 second"), (45, "45 seconds"), (95, "2 minutes"), (3600, "60 minutes"), (7200, "2 hours")]
    {
        assert_eq!(wait_in_words(&seconds), words);
    }
}

/// For looking at: `cargo test --lib every_page_is_written -- --ignored` fills `target/pages`.
#[test]
#[ignore = "writes files, for people to look at"]
fn every_page_is_written_to_target_pages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(folder.join("static")).unwrap();
    for (url, body) in assets::all() {
        std::fs::write(folder.join(url.trim_start_matches('/')), body).unwrap();
    }
    for Sample { name, html } in all(Author::Friend, ".") {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    for Sample { name, html } in all(Author::Bore, ".") {
        std::fs::write(folder.join(format!("long_{name}.html")), html).unwrap();
    }
}
