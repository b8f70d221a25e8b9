//! A link with which an API key is made later, once, by whoever has it: no key lies in a mail then,
//! but only the right to make one, which ends within a day.

use super::{
    PolicyText,
    create::{Ending, From},
    family::Owner,
    key::Kind,
    wanted::Wanted,
};
use crate::base::{
    id::ClientId,
    moment::{Moment, Span},
    scope::Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How long a link lives at most, and unless somebody says less.
pub const LONGEST: Span = Span::hours(24);
/// How long it lives at least.
pub const SHORTEST: Span = Span::minutes(1);

/// Who may claim a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Claimant {
    /// Whoever has the link; the key is its owner's.
    Holder,
    /// Its owner, a person, signed in.
    Owner,
    /// Whoever has the link and signs in: the key will be theirs.
    Anybody,
}

impl Claimant {
    /// The word that is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Owner => "owner",
            Self::Anybody => "anybody",
        }
    }
    /// Reads what [`Claimant::as_str`] wrote; else `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Holder, Self::Owner, Self::Anybody].into_iter().find(|one| one.as_str() == text)
    }
}

/// When the key will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// As its API's sensitivity says.
    Usual,
    /// Then.
    At(Moment),
    /// So long after it is claimed.
    After(Span),
    /// Never.
    Never,
}

impl Until {
    /// For a key that is claimed now.
    #[must_use]
    pub fn ending(self, now: Moment) -> Ending {
        match self {
            Self::Usual => Ending::Usual,
            Self::At(end) => Ending::At(end),
            Self::After(span) => Ending::At(now + span),
            Self::Never => Ending::Never,
        }
    }
}

/// What a key will be like that is claimed, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Who made the link, as events name them.
    pub by: String,
    /// Who may claim it.
    pub claimed_by: Claimant,
    /// The application that will use it.
    pub client: Option<ClientId>,
    /// Its plan, by identifier.
    pub plan: Option<String>,
    /// Restricts its family.
    pub family_policy: PolicyText,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Its environment.
    pub environment: String,
    /// What it may do.
    pub scope: Scope,
    /// What restricts it.
    pub policy: PolicyText,
    /// What is told with each good verdict.
    pub meta: Map<String, Value>,
    /// From when it is good.
    pub not_before: Option<Moment>,
    /// Until when.
    pub until: Until,
    /// Whether it may be used from everywhere.
    pub anywhere: bool,
}

impl Spec {
    /// The key that is wanted, where it is claimed now.
    #[must_use]
    pub fn wanted(&self, now: Moment) -> Wanted {
        Wanted {
            name: self.name.clone(),
            kind: self.kind,
            environment: Some(self.environment.clone()),
            scope: self.scope.clone(),
            policy: self.policy.clone(),
            meta: self.meta.clone(),
            not_before: self.not_before,
            ending: self.until.ending(now),
            from: if self.anywhere { From::Anywhere } else { From::Listed },
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn to_document(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            // It has no map with keys that are no text, so it is an object.
            Ok(_) | Err(_) => Map::new(),
        }
    }

    /// From what is stored; `None` where it cannot be read.
    #[must_use]
    pub fn read(document: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(Value::Object(document.clone())).ok()
    }
}

/// What a claim meets that was used or whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be claimed.
    Open,
    /// Nobody claimed it in time.
    Over,
    /// It was claimed in this very browser, which asks again.
    Repeated,
    /// It was claimed in another browser, and would be open still: two had the link, and nobody
    /// knows which of them was meant. The key is to end.
    Doubtful,
    /// It was claimed in another browser, and its time is over anyway: an old mail was opened. The
    /// key stays, for it may be in use by now.
    Past,
}

/// How a claim stands: by until when it is good, when and in which browser it was claimed, and which asks.
#[must_use]
pub fn standing(expires_at: Moment, claimed: Option<(Moment, Option<&str>)>, browser: &str, now: Moment) -> Standing {
    match claimed {
        None if now < expires_at => Standing::Open,
        None => Standing::Over,
        Some((_, Some(theirs))) if theirs == browser => Standing::Repeated,
        Some(_) if now < expires_at => Standing::Doubtful,
        Some(_) => Standing::Past,
    }
}

/// Whether this owner and this claimant fit together; else why not.
///
/// # Errors
/// What is wrong with `claimed_by`.
pub fn fits(claimant: Claimant, owner: Option<&Owner>) -> Result<(), &'static str> {
    match (claimant, owner) {
        (Claimant::Holder, Some(_)) | (Claimant::Owner, Some(Owner::User(_))) | (Claimant::Anybody, None) => Ok(()),
        (Claimant::Owner, Some(Owner::Client(_))) => Err("can be owner only where the owner is a person"),
        (Claimant::Anybody, Some(_)) => Err("can be anybody only where no owner is named"),
        (Claimant::Holder | Claimant::Owner, None) => Err("needs an owner, unless it is anybody"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::UserId;

    #[test]
    fn a_link_is_good_once_and_a_second_browser_ends_what_the_first_made() {
        let at = Moment::from_unix;
        for (claimed, now, standing_now) in [
            (None, 9, Standing::Open),
            (None, 10, Standing::Over),
            (Some((at(5), Some("mine"))), 9, Standing::Repeated),
            (Some((at(5), Some("mine"))), 99, Standing::Repeated),
            (Some((at(5), Some("other"))), 9, Standing::Doubtful),
            (Some((at(5), None)), 9, Standing::Doubtful),
            (Some((at(5), Some("other"))), 10, Standing::Past),
        ] {
            assert_eq!(standing(at(10), claimed, "mine", at(now)), standing_now, "{claimed:?} {now}");
        }
    }

    #[test]
    fn only_a_person_can_be_asked_to_sign_in() {
        let (ann, app) = (Owner::User(UserId::from_u128(1)), Owner::Client(ClientId::from_u128(1)));
        assert!(fits(Claimant::Holder, Some(&app)).is_ok() && fits(Claimant::Owner, Some(&ann)).is_ok());
        assert!(fits(Claimant::Anybody, None).is_ok() && fits(Claimant::Owner, Some(&app)).is_err());
        assert!(fits(Claimant::Anybody, Some(&ann)).is_err() && fits(Claimant::Holder, None).is_err());
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let spec = Spec {
            by: "operator:ada".into(),
            claimed_by: Claimant::Anybody,
            client: None,
            plan: Some("plan_1".into()),
            family_policy: Map::new(),
            name: "n".into(),
            kind: Kind::Server,
            environment: "live".into(),
            scope: Scope::parse("a b").unwrap(),
            policy: Map::new(),
            meta: Map::new(),
            not_before: Some(Moment::from_unix(7)),
            until: Until::After(Span::days(3)),
            anywhere: true,
        };
        assert_eq!(Spec::read(&spec.to_document()), Some(spec.clone()));
        assert_eq!(spec.wanted(Moment::from_unix(0)).ending, Ending::At(Moment::from_unix(3 * 86_400)));
        assert_eq!(Spec::read(&Map::new()), None);
    }
}
