//! The one page of the application, as a type for its template.

use super::{
    attempt::Reach,
    decode::{self, Decoded},
    provider::Provider,
    sessions::{Local, Login},
    told::Chapter,
};
use crate::base::moment::Moment;
use askama::Template;

/// The style sheet.
pub(super) const STYLE: &str = include_str!("../../static/demo.css");
/// The sign of the application.
pub(super) const SIGN: &str = include_str!("../../static/demo.svg");

/// The page.
#[derive(Template)]
#[template(path = "demo/home.html")]
pub(super) struct Home {
    issuer: String,
    account: String,
    username: String,
    password: String,
    form_key: String,
    person: Option<Person>,
    chapters: Vec<Chapter>,
    now: Moment,
}

/// Who is signed in, and what the application holds of them.
struct Person {
    name: String,
    subject: String,
    scope: String,
    expires: String,
    can_refresh: bool,
    has_spent: bool,
    has_more: bool,
    dead: Option<&'static str>,
    tokens: Vec<Decoded>,
}

impl Home {
    /// The page for this session.
    pub(super) fn of(provider: &Provider, local: &Local) -> Self {
        let settings = &provider.settings;
        let now = provider.now();
        Self {
            issuer: settings.issuer.to_string(),
            account: settings.issuer.at("/account"),
            username: settings.username.clone(),
            password: settings.password.expose().clone(),
            form_key: local.form_key.clone(),
            person: local.login.as_ref().map(|l| Person::of(l, now)),
            chapters: local.journal.clone(),
            now,
        }
    }
}

impl Person {
    fn of(login: &Login, now: Moment) -> Self {
        let tokens = [("ID token", &login.id_token), ("Access token", &login.access_token)];
        Self {
            name: login.name.clone(),
            subject: login.subject.clone(),
            scope: login.scope.clone(),
            expires: decode::relative(login.access_expires, now),
            can_refresh: login.refresh_token.is_some(),
            has_spent: login.spent.is_some(),
            has_more: login.reach() == Reach::Api,
            dead: login.dead,
            tokens: tokens.iter().filter_map(|(name, token)| decode::decode(name, token)).collect(),
        }
    }
}
