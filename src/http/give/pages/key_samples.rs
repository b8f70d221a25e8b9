//! The pages of API keys with sample data: every state that their templates tell apart.

use super::{
    samples::{Author, Sample, account, add, at, shell},
    *,
};
use crate::base::secret::Secret;

fn chart() -> Chart {
    Chart::of((0..7).map(|day| {
        (at(day * 24), [0, 3, 120, 90, 0, 44, 12][usize::try_from(day).unwrap()], u64::try_from(day % 3).unwrap() * 7)
    }))
}

const ACTIVE: Badge = Badge { word: "active", tone: Tone::Good };
const ENDING: Badge = Badge { word: "ending", tone: Tone::Warn };
const REVOKED: Badge = Badge { word: "revoked", tone: Tone::Over };

fn line(a: Author, badge: Badge, moments: bool) -> KeyLine {
    let when = |hour| moments.then(|| at(hour));
    KeyLine {
        id: a.says("key_1"),
        name: a.says("Nightly backup"),
        hint: a.says("kw_live_a1B2"),
        badge,
        last_used: when(30),
        expires: when(3000),
        chart: chart(),
    }
}

fn head(a: Author, badge: Badge) -> KeyHead {
    KeyHead {
        id: a.says("key_1"),
        name: a.says("Nightly backup"),
        hint: a.says("kw_live_a1B2"),
        api: a.says("weather"),
        environment: a.says("live"),
        badge,
        reason: None,
        scopes: vec![a.says("weather.read"), a.says("weather.write")],
        made: at(0),
        last_used: Some(at(30)),
        expires: Some(at(3000)),
    }
}

fn choices(a: Author, values: &[&str]) -> Vec<Choice> {
    let choice =
        |(n, value): (usize, &&str)| Choice { value: a.says(value), label: a.says(value), tick: Tick::when(|| n == 0) };
    values.iter().enumerate().map(choice).collect()
}

fn new(a: Author, base: &str, purpose: Purpose) -> KeyNew {
    KeyNew {
        shell: shell(a, base),
        account: account(a, None),
        api: a.says("weather"),
        purpose,
        name: Field::of(a.says("Nightly backup")),
        environments: choices(a, &["live", "test"]),
        scopes: choices(a, &["weather.read", "weather.write"]),
        scope_problem: None,
        addresses: Field::of(a.says("203.0.113.9")),
        anywhere: Tick::Off,
        pages: Field::of(a.says("https://app.example")),
        reading: Tick::On,
        days: choices(a, &["30 days", "90 days"]),
        days_problem: None,
        once: a.says("req_1"),
    }
}

fn making(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let keys = |keys, next, offer| Keys { shell: shell(a, base), account: account(a, None), keys, next, offer };
    let all = vec![line(a, ACTIVE, true), line(a, ENDING, true), line(a, REVOKED, false)];
    add(&mut out, "keys", &keys(all, Some(a.says("key_9")), Offer::Open));
    add(&mut out, "keys_none", &keys(vec![], None, Offer::Open));
    add(&mut out, "keys_closed", &keys(vec![], None, Offer::Closed));
    let api = |plan: Option<&str>, purposes: &[Purpose]| ApiCard {
        name: a.says("weather"),
        audience: a.says("https://weather.example/v1"),
        plan: plan.map(|plan| a.says(plan)),
        purposes: purposes.to_vec(),
    };
    let apis = vec![api(Some("free"), Purpose::ALL), api(None, &[Purpose::Server])];
    add(&mut out, "key_for", &KeyFor { shell: shell(a, base), account: account(a, None), apis });
    add(&mut out, "key_for_none", &KeyFor { shell: shell(a, base), account: account(a, None), apis: vec![] });
    add(&mut out, "key_new", &new(a, base, Purpose::Server));
    let plain = KeyNew { environments: vec![], scopes: vec![], reading: Tick::Off, ..new(a, base, Purpose::Job) };
    add(&mut out, "key_new_plain", &plain);
    add(&mut out, "key_new_page", &new(a, base, Purpose::Page));
    let broken = |value: &str, why: &str| Field { value: a.says(value), problem: Some(a.says(why)) };
    let why = |text: &str| Some(a.says(text));
    let problem = KeyNew {
        account: account(a, Some(Flash::Problem(a.says("No key was made yet. See below what to mend.")))),
        name: broken("", "It must have 1 to 100 characters."),
        addresses: broken("nonsense", "Entry 1 is no address."),
        scope_problem: why("It has what the API does not offer."),
        days_problem: why("It must be one of those offered."),
        ..new(a, base, Purpose::Server)
    };
    add(&mut out, "key_new_problem", &problem);
    let made = |instead_of| KeyMade {
        shell: shell(a, base),
        account: account(a, None),
        id: a.says("key_1"),
        name: a.says("Nightly backup"),
        text: Secret::new(a.says("kw_live_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3")),
        variable: variable("weather"),
        snippets: snippets("weather", "https://weather.example/v1"),
        instead_of,
    };
    add(&mut out, "key_made", &made(None));
    add(&mut out, "key_made_again", &made(Some((a.says("kw_live_z9Y8"), at(24)))));
    out
}

fn one(a: Author, base: &str, steps: &[Step]) -> Key {
    let quota = |name: &str, used, share| QuotaBar {
        name: a.says(name),
        used,
        limit: 10_000,
        share,
        resets: a.says("anew in 12 days"),
    };
    let event = |hour, what: &str, address: Option<&str>| EventLine {
        at: at(hour),
        what: a.says(what),
        address: address.map(|address| a.says(address)),
    };
    Key {
        shell: shell(a, base),
        account: account(a, None),
        head: head(a, ACTIVE),
        rotation: None,
        line: vec![line(a, ENDING, true)],
        steps: steps.to_vec(),
        chart: chart(),
        served: Some(a.says("The API reported 900 of them: 1.2 % errors (10 with 4xx, 1 with 5xx), 4.5 MB sent, 12.0 kB received; half took up to 12 ms, 99 of 100 up to 80 ms.")),
        limits: vec![a.says("burst: 5 calls in 1 second, 10 at once, for all keys of this line")],
        quotas: vec![quota("month", 1234, 123), quota("day", 9000, 900)],
        restrictions: vec![(a.says("Addresses"), a.says("allow 203.0.113.9, 2001:db8::/48"))],
        events: vec![event(30, "refused: rate limited", Some("203.0.113.9")), event(0, "made", None)],
        check: Check::default(),
    }
}

fn rotating(a: Author, used: bool) -> Rotating {
    let key = |hint: &str| RotatingKey {
        id: a.says("key_2"),
        hint: a.says(hint),
        first: used.then(|| at(1)),
        last: used.then(|| at(30)),
        address: used.then(|| a.says("203.0.113.9")),
        agent: used.then(|| a.says("partner-sync/2")),
    };
    let place = |known: bool| PlaceLine {
        address: known.then(|| a.says("203.0.113.9")),
        agent: known.then(|| a.says("partner-sync/2")),
        calls: 1234,
        last: at(30),
    };
    Rotating {
        old: key("kw_live_a1B2"),
        new: key("kw_live_c3D4"),
        ends: used.then(|| at(48)),
        since: at(8),
        places: if used { vec![place(true), place(false)] } else { vec![] },
        others: u64::from(used) * 7,
    }
}

fn managing(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let page = |used| Key { rotation: Some(rotating(a, used)), ..one(a, base, &[Step::Finish]) };
    add(&mut out, "key_rotating", &page(true));
    add(&mut out, "key_rotating_unused", &page(false));
    add(&mut out, "key", &one(a, base, &[Step::Rotate, Step::Disable, Step::Revoke]));
    let answer = |verdict: &str, tone, badge| {
        let findings =
            vec![(a.says("Address (this key)"), badge), (a.says("Scopes"), Badge { word: "passes", tone: Tone::Good })];
        Some(Answer { verdict: a.says(verdict), tone, findings })
    };
    let refused = Badge { word: "not allowed", tone: Tone::Over };
    let check = Check {
        scope: Field { value: a.says("\"x"), problem: Some(a.says("These are no scopes.")) },
        answer: answer("It would be refused. Address (this key): not allowed.", Tone::Over, refused),
        ..Check::default()
    };
    add(&mut out, "key_check_refused", &Key { check, ..one(a, base, &[Step::Finish, Step::Disable, Step::Revoke]) });
    let check = Check { answer: answer("It would pass.", Tone::Good, ACTIVE), ..Check::default() };
    let in_use = Some(Flash::Problem(a.says("The old key was last used a minute ago.")));
    let page = Key { check, account: account(a, in_use), ..one(a, base, &[Step::FinishInUse, Step::Enable]) };
    add(&mut out, "key_in_use", &page);
    let bare = Key {
        chart: Chart::of((0..7).map(|day| (at(day * 24), 0, 0))),
        head: KeyHead {
            reason: Some(a.says("leaked")),
            scopes: vec![],
            last_used: None,
            expires: None,
            ..head(a, REVOKED)
        },
        line: vec![],
        served: None,
        limits: vec![],
        quotas: vec![],
        restrictions: vec![],
        events: vec![],
        ..one(a, base, &[])
    };
    add(&mut out, "key_over", &bare);
    let rotate = |flash, confirm| KeyRotate {
        shell: shell(a, base),
        account: account(a, flash),
        head: head(a, ACTIVE),
        chart: chart(),
        overlaps: choices(a, &["in 24 hours", "at once"]),
        confirm,
    };
    add(&mut out, "key_rotate", &rotate(None, Field::default()));
    let confirm =
        Field { value: a.says("yes"), problem: Some(a.says("Type the word “now”, or choose a later end.")) };
    add(&mut out, "key_rotate_problem", &rotate(Some(Flash::Problem(a.says("Choose."))), confirm));
    let revoke = |reason| KeyRevoke {
        shell: shell(a, base),
        account: account(a, None),
        head: head(a, ACTIVE),
        chart: chart(),
        reason,
    };
    add(&mut out, "key_revoke", &revoke(Field::default()));
    out
}

fn claiming(a: Author, base: &str) -> Vec<Sample> {
    let mut out = Vec::new();
    let claim = |code| Claim { shell: shell(a, base), csrf: a.says("csrf"), code };
    add(&mut out, "claim", &claim(Field::default()));
    let problem = Some(a.says("There is no such link. Paste the whole of it."));
    add(&mut out, "claim_unknown", &claim(Field { value: a.says("kw_claim_x"), problem }));
    let offer = |scopes, restrictions, who| ClaimOffer {
        shell: shell(a, base),
        csrf: a.says("csrf"),
        code: a.says("kw_claim_x"),
        name: a.says("Nightly backup"),
        api: a.says("weather"),
        environment: a.says("live"),
        scopes,
        restrictions,
        expires: at(30),
        who,
    };
    let restrictions = vec![(a.says("Addresses"), a.says("allow 203.0.113.9"))];
    let who = Some(Who { username: a.says("alice"), name: None });
    add(&mut out, "claim_offer", &offer(vec![a.says("weather.read")], restrictions, who));
    add(&mut out, "claim_offer_bare", &offer(vec![], vec![], None));
    let made = |onward: &str| ClaimMade {
        shell: shell(a, base),
        name: a.says("Nightly backup"),
        text: Secret::new(a.says("kw_live_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3")),
        variable: variable("weather"),
        snippets: snippets("weather", "https://weather.example/v1"),
        instead_of: None,
        onward: onward.to_owned(),
    };
    add(&mut out, "claim_made", &made(""));
    add(&mut out, "claim_made_own", &made("/account/keys/key_1"));
    let over = ClaimOver {
        shell: shell(a, base),
        title: a.says("This link has expired"),
        what: a.says("Nobody used it in time, so no key was made."),
        next: a.says("Ask whoever sent it for another."),
    };
    add(&mut out, "claim_over", &over);
    out
}

pub(super) fn keys(a: Author, base: &str) -> Vec<Sample> {
    let mut out = making(a, base);
    out.extend(managing(a, base));
    out.extend(claiming(a, base));
    out
}
