//! Every page with sample data, friendly, hostile and overlong.

use super::*;
use crate::base::uri::{RedirectUri, WebUri};
use askama::Template;

const HOSTILE: &str = "\"'></p></title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;{{7*7}}";

/// Who writes the texts of the sample pages.
#[derive(Clone, Copy)]
pub(super) enum Author {
    /// Someone friendly: the sample text itself.
    Friend,
    /// Someone who tries to break out of every place that a text stands in.
    Foe,
    /// Someone with one long word without a space.
    Bore,
}

impl Author {
    pub(super) fn says(self, friendly: &str) -> String {
        match self {
            Self::Friend => friendly.to_owned(),
            Self::Foe => HOSTILE.to_owned(),
            Self::Bore => format!("{friendly}{}", "loooooooong".repeat(20)),
        }
    }
}

pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) html: String,
}

pub(super) fn add(to: &mut Vec<Sample>, name: &'static str, page: &impl Template) {
    to.push(Sample { name, html: page.render().unwrap() });
}

pub(super) fn shell(a: Author, base: &str) -> Shell {
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
pub(super) const WEB: &str = "https://notes.example/cb";

pub(super) fn consent(a: Author, base: &str, redirect_uri: &str) -> Consent {
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

pub(super) fn portal(a: Author, base: &str) -> Vec<Sample> {
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
    add(&mut out, "sign_out", &SignOut { shell: shell(a, base), client_name, who: Some(who(a)), csrf, state, action });
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
    let dead = |stuck| Dead {
        shell: shell(a, base),
        stuck,
        happened: a
            .says("The application that sent you here asked to be answered at an address that it has not registered."),
        next: a.says(
            "Go back to the application and tell the people who run it. Nothing of your account was given to anyone.",
        ),
        error: a.says("invalid_request"),
        description: a.says("redirect_uri is not one of those registered for this client"),
    };
    add(&mut out, "dead", &dead(Stuck::SignIn));
    add(&mut out, "dead_sign_out", &dead(Stuck::SignOut));
    add(&mut out, "dead_request", &dead(Stuck::Request));
    add(&mut out, "failed", &Failed { shell: shell(a, base), reference: a.says("7Q3K-M2XD") });
    add(&mut out, "not_found", &NotFound { shell: shell(a, base) });
    add(&mut out, "wrong_method", &WrongMethod { shell: shell(a, base), allow: a.says("POST") });
    let busy = |pressure, retry_after| Busy { shell: shell(a, base), pressure, retry_after };
    add(&mut out, "too_many", &busy(Pressure::TooMany, 40));
    add(&mut out, "unavailable", &busy(Pressure::Unavailable, 5));
    out
}

pub(super) fn account(a: Author, flash: Option<Flash>) -> Account {
    Account { who: who(a), csrf: a.says("csrf"), flash }
}
pub(super) fn at(hour: i64) -> When {
    When::from(Moment::from_unix(1_793_000_000 + hour * 3600))
}

fn account_pages(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let account = |flash| account(a, flash);
    let saved = || Some(Flash::Saved(a.says("Saved.")));
    let wrong = || Some(Flash::Problem(a.says("Nothing was saved. Please mend the fields that are marked.")));
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
    out
}

fn account_lists(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let account = |flash| account(a, flash);
    let saved = || Some(Flash::Saved(a.says("Saved.")));
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

pub(super) fn all(a: Author, base: &str) -> Vec<Sample> {
    let mut out = portal(a, base);
    out.extend(problems(a, base));
    out.extend(account_pages(a, base));
    out.extend(account_lists(a, base));
    out.extend(super::key_samples::keys(a, base));
    out
}
