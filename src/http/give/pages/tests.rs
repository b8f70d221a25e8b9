//! What must be true of every page.

use super::{
    samples::{Author, Sample, WEB, all, consent, portal},
    *,
};
use crate::{base::uri::RedirectUri, http::assets};
use askama::Template;
use std::collections::BTreeSet;

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
            // One that only leads on to another page changes nothing.
            if form.starts_with(" method=\"get\"") {
                assert!(form.matches(" name=\"").count() == 1 && form.contains("name=\"saved\""), "{name}");
                continue;
            }
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
    let files: Vec<_> = assets::all().collect();
    let weight = |url: &str| files.iter().find(|(u, _)| *u == url).map_or(0, |(_, body)| body.len());
    for Sample { name, html } in portal(Author::Friend, "") {
        let fetched: usize =
            tags(&html).iter().filter_map(|t| get(t, "src").or_else(|| get(t, "href"))).map(|u| weight(&u)).sum();
        assert!(html.len() + fetched < 10_000, "{name}: {} + {fetched}", html.len());
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
