//! What the pages tell: chapters of steps, each with its request, answer, checks and tokens.

use super::decode::{self, Decoded};
use crate::base::moment::Moment;

/// One press of a button and all that followed.
#[derive(Clone, Debug)]
pub(super) struct Chapter {
    pub(super) title: String,
    pub(super) lede: &'static str,
    pub(super) at: Moment,
    pub(super) end: End,
    pub(super) steps: Vec<Step>,
}

impl Chapter {
    /// When it was, in words.
    pub(super) fn ago(&self, now: Moment) -> String {
        decode::relative(self.at, now)
    }
}

/// How a chapter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Well,
    /// With a refusal that the chapter is there to show.
    Refused,
    /// With something wrong.
    Badly,
}

impl End {
    /// Its name in the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Refused => "refused",
            Self::Badly => "badly",
        }
    }
    /// Its name for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Well => "done",
            Self::Refused => "refused, as it should be",
            Self::Badly => "something is wrong",
        }
    }
}

/// Who speaks to whom in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The application to itself: it makes or checks something.
    Inside,
    /// Through the browser, from the application to the issuer.
    FrontOut,
    /// Through the browser, from the issuer back to the application.
    FrontBack,
    /// From the application's server to the issuer's, unseen by the browser.
    Server,
    /// From the issuer's server to the application's.
    Called,
    /// From the application's server to the sample API.
    Api,
}

impl Way {
    /// The two ends, for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Inside => "in this application",
            Self::FrontOut => "browser → issuer",
            Self::FrontBack => "browser → this application",
            Self::Server => "this application → issuer",
            Self::Called => "issuer → this application",
            Self::Api => "this application → sample API",
        }
    }
    /// Its name in the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::FrontOut | Self::FrontBack => "front",
            Self::Server | Self::Called => "back",
            Self::Api => "api",
        }
    }
}

/// One step: a message, or a piece of thinking.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) way: Way,
    pub(super) title: String,
    pub(super) why: &'static str,
    /// What was made or kept, where the step is no message.
    pub(super) values: Vec<Named>,
    pub(super) request: Option<Request>,
    pub(super) answer: Option<Answer>,
    pub(super) checks: Vec<Check>,
    pub(super) tokens: Vec<Decoded>,
}

impl Step {
    pub(super) fn new(way: Way, title: impl Into<String>, why: &'static str) -> Self {
        Self {
            way,
            title: title.into(),
            why,
            values: Vec::new(),
            request: None,
            answer: None,
            checks: Vec::new(),
            tokens: Vec::new(),
        }
    }
    pub(super) fn asked(mut self, request: Request) -> Self {
        self.request = Some(request);
        self
    }
    pub(super) fn answered(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }
    pub(super) fn checked(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }
    pub(super) fn showing(mut self, token: Option<Decoded>) -> Self {
        self.tokens.extend(token);
        self
    }
    /// Whether no check failed.
    pub(super) fn passed(&self) -> bool {
        self.checks.iter().all(|c| c.ok)
    }
}

/// A request as it was sent, with its secrets masked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) url: String,
    pub(super) fields: Vec<Named>,
    pub(super) parameters: Vec<Named>,
}

/// A header field or a parameter.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) meaning: &'static str,
}

/// An answer, with its secrets masked.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Such as `200 OK`, or what went wrong on the way.
    pub(super) status: String,
    pub(super) fields: Vec<Named>,
    pub(super) body: String,
}

/// Something that was checked.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) ok: bool,
    pub(super) what: String,
    pub(super) why: &'static str,
    pub(super) section: Section,
}

impl Check {
    pub(super) fn new(ok: bool, what: impl Into<String>, why: &'static str, section: Section) -> Self {
        Self { ok, what: what.into(), why, section }
    }
}

/// A section of a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// An RFC by number, and a section.
    Rfc(u16, &'static str),
    /// OpenID Connect Core.
    Core(&'static str),
    /// OpenID Connect Discovery.
    Discovery(&'static str),
    /// OpenID Connect RP-Initiated Logout.
    Logout(&'static str),
    /// OpenID Connect Back-Channel Logout.
    BackChannel(&'static str),
}

impl Section {
    /// Such as `RFC 7636 §4.6`.
    pub(super) fn label(self) -> String {
        match self {
            Self::Rfc(n, "") => format!("RFC {n}"),
            Self::Rfc(n, at) => format!("RFC {n} §{at}"),
            Self::Core(at) => format!("OpenID Connect Core §{at}"),
            Self::Discovery(at) => format!("OpenID Connect Discovery §{at}"),
            Self::Logout(at) => format!("RP-Initiated Logout §{at}"),
            Self::BackChannel(at) => format!("Back-Channel Logout §{at}"),
        }
    }
    /// Where to read it.
    pub(super) fn url(self) -> String {
        match self {
            Self::Rfc(n, "") => format!("https://www.rfc-editor.org/rfc/rfc{n}.html"),
            Self::Rfc(n, at) => format!("https://www.rfc-editor.org/rfc/rfc{n}.html#section-{at}"),
            Self::Core(_) => "https://openid.net/specs/openid-connect-core-1_0.html".into(),
            Self::Discovery(_) => "https://openid.net/specs/openid-connect-discovery-1_0.html".into(),
            Self::Logout(_) => "https://openid.net/specs/openid-connect-rpinitiated-1_0.html".into(),
            Self::BackChannel(_) => "https://openid.net/specs/openid-connect-backchannel-1_0.html".into(),
        }
    }
}
