//! A person's own API keys.
//!
//! `/account/keys`, `/account/keys/new`, `/account/keys/{id}` and below it `check`, `rotate` and
//! `revoke`; each form posts to its own page's path. The page that shows the text of a key is only
//! ever the answer to a post.

use super::{Account, Badge, Chart, Field, Rotating, Shell, Snippet, Tone, When};
use crate::base::secret::Secret;
use askama::Template;

/// `/account/keys`.
#[derive(Template)]
#[template(path = "account/keys.html")]
pub struct Keys {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Keys, in the order of their making.
    pub keys: Vec<KeyLine>,
    /// The last key of this page, where there are more.
    pub next: Option<String>,
    /// Whether there is an API that keys can be made for.
    pub offer: Offer,
}

/// Whether there is an API that keys can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// There is.
    Open,
    /// There is none.
    Closed,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    /// Its handle.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is known by.
    pub hint: String,
    /// Its state.
    pub badge: Badge,
    /// When it was used last.
    pub last_used: Option<When>,
    /// When it ends, or ended.
    pub expires: Option<When>,
    /// Its last days.
    pub chart: Chart,
}

/// `/account/keys/new`, before it is known for what.
#[derive(Template)]
#[template(path = "account/key_for.html")]
pub struct KeyFor {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// The APIs to choose from.
    pub apis: Vec<ApiCard>,
}

/// An API to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCard {
    /// Its name, which is also what the link says.
    pub name: String,
    /// Its audience.
    pub audience: String,
    /// Its plan.
    pub plan: Option<String>,
    /// What a key can be for, there.
    pub purposes: Vec<Purpose>,
}

/// What a key is to be for: what the form begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A program on a server with known addresses.
    Server,
    /// A job or a script that runs wherever it runs.
    Job,
    /// A page that everybody can read.
    Page,
}

impl Purpose {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Server, Self::Job, Self::Page];

    /// The word in links and forms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Job => "job",
            Self::Page => "page",
        }
    }
    /// Reads the word; else `None`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.as_str() == word)
    }
    const fn title(self) -> &'static str {
        match self {
            Self::Server => "A program on my server",
            Self::Job => "A job or a script",
            Self::Page => "A page that anyone can read",
        }
    }
    const fn about(self) -> &'static str {
        match self {
            Self::Server => "It calls from addresses that I know: the key works from nowhere else.",
            Self::Job => "It runs on a desk or in the cloud, from changing addresses: the key ends soon.",
            Self::Page => "The key is no secret: it only reads, and only from my own pages.",
        }
    }
}

/// The form for a key. Posts `name`, `environment`, `scope` (several), `addresses`, `anywhere`,
/// `pages`, `reading`, `days`, `api`, `for`, `once` and `csrf`.
#[derive(Template)]
#[template(path = "account/key_new.html")]
pub struct KeyNew {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// The API.
    pub api: String,
    /// What it is to be for.
    pub purpose: Purpose,
    /// What its owner calls it.
    pub name: Field,
    /// The environments; one may be chosen.
    pub environments: Vec<Choice>,
    /// What may be allowed.
    pub scopes: Vec<Choice>,
    /// What is wrong with the choice of scopes.
    pub scope_problem: Option<String>,
    /// Addresses, one in a line.
    pub addresses: Field,
    /// Whether it may be used from everywhere.
    pub anywhere: Tick,
    /// Pages, one in a line.
    pub pages: Field,
    /// Whether it is for reading only: methods GET and HEAD.
    pub reading: Tick,
    /// For how many days.
    pub days: Vec<Choice>,
    /// What is wrong with the number of days.
    pub days_problem: Option<String>,
    /// A word for this form, so that sending it twice makes one key.
    pub once: String,
}

/// One of several things to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// Whether it is chosen.
    pub tick: Tick,
}

/// Whether a box is ticked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tick {
    /// It is.
    On,
    /// It is not.
    #[default]
    Off,
}

impl Tick {
    /// From an answer.
    #[must_use]
    pub fn when(holds: impl FnOnce() -> bool) -> Self {
        if holds() { Self::On } else { Self::Off }
    }
}

/// The answer to a post that made a key: shows its text, this once.
#[derive(Template)]
#[template(path = "account/key_made.html")]
pub struct KeyMade {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// Its handle.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its text.
    pub text: Secret<String>,
    /// The variable it is to stand in.
    pub variable: String,
    /// How it is used.
    pub snippets: Vec<Snippet>,
    /// The key whose place it takes, and until when that one is good.
    pub instead_of: Option<(String, When)>,
}

/// `/account/keys/{id}`. Its buttons post `step`: `disable`, `enable`, `finish`; with `insist` and `csrf`.
#[derive(Template)]
#[template(path = "account/key.html")]
pub struct Key {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// The key.
    pub head: KeyHead,
    /// Its rotation, while the overlap runs.
    pub rotation: Option<Rotating>,
    /// The other keys of its line, oldest first.
    pub line: Vec<KeyLine>,
    /// What can be done with it.
    pub steps: Vec<Step>,
    /// Its last days.
    pub chart: Chart,
    /// What was reported of the good calls, in words.
    pub served: Option<String>,
    /// Limits of rate, in words.
    pub limits: Vec<String>,
    /// Quotas.
    pub quotas: Vec<QuotaBar>,
    /// What restricts it, in words.
    pub restrictions: Vec<(String, String)>,
    /// What happened to it, newest first.
    pub events: Vec<EventLine>,
    /// The form that tries a request.
    pub check: Check,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHead {
    /// Its handle.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is known by.
    pub hint: String,
    /// Its API.
    pub api: String,
    /// Its environment.
    pub environment: String,
    /// Its state.
    pub badge: Badge,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub made: When,
    /// When it was used last.
    pub last_used: Option<When>,
    /// When it ends, or ended.
    pub expires: Option<When>,
}

/// What can be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give it a successor.
    Rotate,
    /// End the overlap with its successor.
    Finish,
    /// The same, although it is in use.
    FinishInUse,
    /// Switch it off.
    Disable,
    /// Switch it on.
    Enable,
    /// End it for good.
    Revoke,
}

/// How much of a quota is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaBar {
    /// Its name.
    pub name: String,
    /// Units used.
    pub used: u64,
    /// Units in all.
    pub limit: u64,
    /// The used share in thousandths.
    pub share: u64,
    /// When it starts anew, in words.
    pub resets: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// When.
    pub at: When,
    /// What.
    pub what: String,
    /// From which address.
    pub address: Option<String>,
}

/// The form that tries a request. Posts `address`, `method`, `path`, `page`, `agent`, `scope` and `csrf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Address of the client.
    pub address: Field,
    /// The method.
    pub method: Field,
    /// The path.
    pub path: Field,
    /// The page that calls.
    pub page: Field,
    /// The program that calls.
    pub agent: Field,
    /// What it needs to be allowed.
    pub scope: Field,
    /// What came of it: the verdict, and each question with its answer.
    pub answer: Option<Answer>,
}

/// What came of a request that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `It would pass.` or why not.
    pub verdict: String,
    /// Whether it would.
    pub tone: Tone,
    /// Each question and its answer.
    pub findings: Vec<(String, Badge)>,
}

/// `/account/keys/{id}/rotate`. Posts `overlap` in hours, `confirm` and `csrf`.
#[derive(Template)]
#[template(path = "account/key_rotate.html")]
pub struct KeyRotate {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// The key.
    pub head: KeyHead,
    /// Its last days: who rotates must see whether it is in use.
    pub chart: Chart,
    /// How long the old key lives on.
    pub overlaps: Vec<Choice>,
    /// The word that must be typed where the old key ends at once.
    pub confirm: Field,
}

/// `/account/keys/{id}/revoke`. Posts `reason` and `csrf`.
#[derive(Template)]
#[template(path = "account/key_revoke.html")]
pub struct KeyRevoke {
    /// Around the page.
    pub shell: Shell,
    /// Around the account's pages.
    pub account: Account,
    /// The key.
    pub head: KeyHead,
    /// Its last days.
    pub chart: Chart,
    /// Why.
    pub reason: Field,
}
