//! The table of events: one row is the variant, its dotted name, its meaning and its fields.

use super::{
    also::Also,
    word::{Actor, Attempted, GrantEnd, SignInFailure, SignOutKind},
};
use crate::base::{
    id::{ApiId, ApiKeyId, ClaimId, ClientId, ConsentId, FamilyId, GrantId, KeyId, PlanId, SessionId, UserId},
    scope::Scope,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The identifiers that events are looked up by; each is a column with an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facets<'a> {
    /// The client it concerns.
    pub client: Option<&'a ClientId>,
    /// The person it concerns; who did it to them is in the field `by`.
    pub user: Option<&'a UserId>,
    /// The grant it concerns.
    pub grant: Option<&'a GrantId>,
    /// The API key it concerns.
    pub api_key: Option<&'a ApiKeyId>,
}

/// A type of field; four of them are facets.
trait Field {
    fn note<'a>(&'a self, _facets: &mut Facets<'a>) {}
    /// Whether there is nothing to tell, so that it is left out.
    fn absent(&self) -> bool {
        false
    }
}
impl Field for ClientId {
    fn note<'a>(&'a self, facets: &mut Facets<'a>) {
        facets.client = Some(self);
    }
}
impl Field for UserId {
    fn note<'a>(&'a self, facets: &mut Facets<'a>) {
        facets.user = Some(self);
    }
}
impl Field for GrantId {
    fn note<'a>(&'a self, facets: &mut Facets<'a>) {
        facets.grant = Some(self);
    }
}
impl Field for ApiKeyId {
    fn note<'a>(&'a self, facets: &mut Facets<'a>) {
        // Of two, such as a key and its successor, the first is the one it is about.
        facets.api_key.get_or_insert(self);
    }
}
impl<T: Field> Field for Option<T> {
    fn note<'a>(&'a self, facets: &mut Facets<'a>) {
        if let Some(field) = self {
            field.note(facets);
        }
    }
    fn absent(&self) -> bool {
        self.is_none()
    }
}
impl Field for Also {
    fn absent(&self) -> bool {
        self.is_empty()
    }
}
macro_rules! plain_fields { ($($ty:ty),*) => { $(impl Field for $ty {})* } }
plain_fields!(SessionId, ConsentId, KeyId, Scope, Actor, Attempted, GrantEnd, SignInFailure, SignOutKind);
plain_fields!(ApiId, PlanId, FamilyId, ClaimId);
plain_fields!(String, &'static str, Vec<String>, Vec<&'static str>, u32, u64, i64);

/// A row of the table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The dotted name that is stored and searched for.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
    /// The names of its fields.
    pub fields: &'static [&'static str],
}

macro_rules! events {
    ($($(#[doc = $doc:literal])* $name:ident $kind:literal { $($field:ident: $ty:ty),* $(,)? })*) => {
        /// Something that happened and is worth recording. Serialised, it is the object of its
        /// fields, absent ones left out; its name is [`Event::kind`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $(
                $(#[doc = $doc])*
                #[expect(missing_docs, reason = "fields are named by what they hold; the row says what happened")]
                $name { $($field: $ty),* },
            )*
        }

        /// Every kind of event, in the order of the table.
        pub const KINDS: &[Kind] = &[
            $(Kind { name: $kind, doc: concat!($($doc),*), fields: &[$(stringify!($field)),*] },)*
        ];

        impl Event {
            /// The dotted name of its kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$name { .. } => $kind,)* }
            }

            /// The identifiers it is looked up by.
            #[must_use]
            pub fn facets(&self) -> Facets<'_> {
                let mut facets = Facets::default();
                match self { $(Self::$name { $($field),* } => { $($field.note(&mut facets);)* })* }
                facets
            }
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut fields = to.serialize_map(None)?;
                match self {
                    $(Self::$name { $($field),* } => {
                        $(if !$field.absent() { fields.serialize_entry(stringify!($field), $field)?; })*
                    })*
                }
                fields.end()
            }
        }
    };
}

events! {
    /// A person signed in.
    SignedIn "session.started" { user: UserId, session: SessionId, amr: Vec<&'static str> }
    /// A sign-in failed.
    SignInFailed "session.refused" { username: Attempted, user: Option<UserId>, why: SignInFailure }
    /// A sign-in was turned away unheard, because too many failed before it.
    SignInThrottled "session.throttled" { username: Attempted, user: Option<UserId>, budget: &'static str, retry_after: u64 }
    /// A session ended.
    SignedOut "session.ended" { session: SessionId, user: UserId, how: SignOutKind }
    /// All sessions of a person were ended.
    SignedOutEverywhere "session.all_ended" { user: UserId, by: Actor }
    /// A password was set or changed.
    PasswordChanged "user.password_changed" { user: UserId, by: Actor }
    /// A person was added.
    UserAdded "user.added" { user: UserId, by: Actor }
    /// A person was disabled: no sign-in, no refresh.
    UserDisabled "user.disabled" { user: UserId, by: Actor }
    /// A disabled person was enabled again.
    UserEnabled "user.enabled" { user: UserId, by: Actor }
    /// A person was erased: their row, their sessions, consents and grants are gone, their API keys ended, and in as many events what told who they were.
    UserErased "user.erased" { user: UserId, by: Actor, keys: u64, events: u64 }
    /// Members of a person's profile were changed; their names only.
    ProfileChanged "user.profile_changed" { user: UserId, by: Actor, members: Vec<String> }
    /// A person agreed to what a client asked for.
    ConsentGiven "consent.given" { consent: Option<ConsentId>, user: UserId, client: ClientId, scope: Scope, resources: Vec<String> }
    /// A person took their consent back.
    ConsentWithdrawn "consent.withdrawn" { consent: Option<ConsentId>, user: UserId, client: ClientId, by: Actor }
    /// A person declined what a client asked for.
    ConsentDenied "consent.denied" { user: UserId, client: ClientId, scope: Scope }
    /// An authorization code was issued.
    CodeIssued "code.issued" { client: ClientId, user: UserId, session: Option<SessionId>, scope: Scope, resources: Vec<String> }
    /// An authorization code came a second time; its grant is revoked.
    CodeReplayed "code.replayed" { client: ClientId, user: Option<UserId>, grant: Option<GrantId> }
    /// A client sent a PKCE challenge it had sent before; a challenge is for one request.
    ChallengeReused "code.challenge_reused" { client: ClientId }
    /// Tokens were issued; on a client's own account `also` holds those that the same client got in the same way, from the same address and within a second, each with its `jti`, its request and its time after the first.
    TokensIssued "token.issued" { client: ClientId, user: Option<UserId>, grant: Option<GrantId>, grant_type: &'static str, scope: Scope, audience: Vec<String>, jti: String, kid: KeyId, also: Also }
    /// A refresh token was rotated and a new access token issued.
    TokenRefreshed "token.refreshed" { client: ClientId, user: Option<UserId>, grant: GrantId, generation: u32, jti: String, kid: KeyId }
    /// A spent refresh token came again within the grace window and got the same successor.
    RefreshReplayedInGrace "token.replayed_in_grace" { client: ClientId, user: Option<UserId>, grant: GrantId, generation: u32, jti: String, kid: KeyId }
    /// A spent refresh token came again outside the grace window; its grant is revoked.
    RefreshReused "token.reused" { client: ClientId, user: Option<UserId>, grant: GrantId, presented: u32, current: u32 }
    /// One access token was revoked.
    AccessTokenRevoked "token.revoked" { jti: String, client: ClientId, by: Actor }
    /// A grant was revoked, with every token issued under it.
    GrantRevoked "grant.revoked" { grant: GrantId, client: Option<ClientId>, user: Option<UserId>, why: GrantEnd, by: Actor }
    /// A client failed to authenticate.
    ClientAuthenticationFailed "client.refused" { client: ClientId, method: &'static str, why: &'static str }
    /// A client assertion came a second time.
    AssertionReplayed "client.assertion_replayed" { client: ClientId, jti: String }
    /// A client was registered.
    ClientAdded "client.added" { client: ClientId, by: Actor }
    /// Members of a client's registration were changed; their names only.
    ClientChanged "client.changed" { client: ClientId, by: Actor, members: Vec<String> }
    /// A client was disabled: it gets no tokens.
    ClientDisabled "client.disabled" { client: ClientId, by: Actor }
    /// A disabled client was enabled again.
    ClientEnabled "client.enabled" { client: ClientId, by: Actor }
    /// A client got a new secret; the one before it ends at once or after an overlap.
    ClientSecretRotated "client.secret_rotated" { client: ClientId, by: Actor }
    /// One of two secrets of a client was ended before its time; `made_at` says which.
    ClientSecretEnded "client.secret_ended" { client: ClientId, made_at: String, by: Actor }
    /// A secret of a client ends in a week, a day or an hour; if it was used of late, the client has yet to be moved to the next.
    ClientSecretExpiring "client.secret_expiring" { client: ClientId, ends_at: String, last_used_at: Option<String>, last_used_from: Option<String> }
    /// A signing key was made.
    SigningKeyCreated "key.created" { kid: KeyId, alg: &'static str, why: &'static str, by: Actor }
    /// A signing key began to sign.
    SigningKeyPromoted "key.promoted" { kid: KeyId, alg: &'static str, why: &'static str, by: Actor }
    /// A signing key stopped signing; it is still published.
    SigningKeyRetired "key.retired" { kid: KeyId, alg: &'static str, why: &'static str, by: Actor }
    /// A signing key was brought from elsewhere, in this state.
    SigningKeyImported "key.imported" { kid: KeyId, alg: &'static str, state: &'static str, by: Actor }
    /// An operator ended a signing key at once: whatever it signed is refused.
    SigningKeyRevoked "key.revoked" { kid: KeyId, alg: &'static str, reason: String, by: Actor }
    /// A signing key was deleted.
    SigningKeyDeleted "key.deleted" { kid: KeyId, alg: &'static str, why: &'static str, by: Actor }
    /// Another key-encryption key took the place of the one before; both by their versions.
    KeyEncryptionKeyReplaced "secret.kek_replaced" { from: u32, to: u32, by: Actor }
    /// A data key was made, under which what rests in the database is sealed from now on.
    DataKeyMade "secret.data_key_made" { version: u32, by: Actor }
    /// Sealed values were moved to the newest data key.
    SecretsRewrapped "secret.rewrapped" { values: u64, version: u32, by: Actor }
    /// A pepper was made known, which hashes what is new soon after; the operator keeps it, or the database does.
    PepperMade "secret.pepper_made" { version: u32, kept_by: &'static str, by: Actor }
    /// A pepper that nothing hung on any more was forgotten.
    PepperDropped "secret.pepper_dropped" { version: u32, by: Actor }
    /// A client was told of a sign-out (Back-Channel Logout 1.0).
    LogoutDelivered "logout.delivered" { client: ClientId, user: Option<UserId>, attempts: u32 }
    /// A client could not be told of a sign-out, after the last attempt.
    LogoutDeliveryFailed "logout.failed" { client: ClientId, user: Option<UserId>, attempts: u32, why: &'static str }
    /// An API was added that keys are for.
    ApiAdded "api.added" { api: ApiId, by: Actor }
    /// Members of an API were changed; their names only.
    ApiChanged "api.changed" { api: ApiId, by: Actor, members: Vec<String> }
    /// An API was disabled: its keys are refused.
    ApiDisabled "api.disabled" { api: ApiId, by: Actor }
    /// A disabled API was enabled again.
    ApiEnabled "api.enabled" { api: ApiId, by: Actor }
    /// A plan was added.
    PlanAdded "plan.added" { plan: PlanId, by: Actor }
    /// Members of a plan were changed; their names only.
    PlanChanged "plan.changed" { plan: PlanId, by: Actor, members: Vec<String> }
    /// An API key was made; its text was shown once after this was written.
    ApiKeyCreated "api_key.created" { api_key: ApiKeyId, family: FamilyId, api: ApiId, user: Option<UserId>, client: Option<ClientId>, kind: &'static str, environment: String, by: Actor }
    /// So many API keys were made at once; their texts were handed out once after this was written.
    ApiKeysCreated "api_key.created_many" { api: ApiId, count: u64, user: Option<UserId>, client: Option<ClientId>, kind: &'static str, by: Actor }
    /// So many API keys were brought that had been made elsewhere.
    ApiKeysImported "api_key.imported" { api: ApiId, count: u64, user: Option<UserId>, client: Option<ClientId>, strength: &'static str, by: Actor }
    /// A key of HMAC by which no API key was known any more was forgotten; by its handle.
    HmacKeyRemoved "api_key.hmac_key_removed" { hmac_key: String, by: Actor }
    /// An API key got a successor; it is good until their overlap ends.
    ApiKeyRotated "api_key.rotated" { api_key: ApiKeyId, successor: ApiKeyId, ends_at: String, by: Actor }
    /// The overlap of an API key with its successor was ended early.
    ApiKeyFinished "api_key.overlap_ended" { api_key: ApiKeyId, by: Actor }
    /// An API key was switched off; it may be switched on again.
    ApiKeyDisabled "api_key.disabled" { api_key: ApiKeyId, by: Actor, reason: Option<String> }
    /// An API key was switched on again.
    ApiKeyEnabled "api_key.enabled" { api_key: ApiKeyId, by: Actor }
    /// Members of an API key were changed; their names only.
    ApiKeyChanged "api_key.changed" { api_key: ApiKeyId, by: Actor, members: Vec<String> }
    /// An API key was ended for good.
    ApiKeyRevoked "api_key.revoked" { api_key: ApiKeyId, by: Actor, reason: Option<String> }
    /// An API key that has not ended was refused; after ten in a minute of one key they are counted only.
    ApiKeyRefused "api_key.refused" { api_key: ApiKeyId, code: &'static str, rule: Option<&'static str> }
    /// An API key was used after it had been revoked.
    ApiKeyUsedAfterEnd "api_key.used_after_end" { api_key: ApiKeyId }
    /// An API key was found where others can read it, and somebody told of it: it has ended. `source` is how they told, `found_at` where they say it was.
    ApiKeyLeaked "leak.reported" { api_key: ApiKeyId, api: ApiId, user: Option<UserId>, client: Option<ClientId>, source: &'static str, found_at: Option<String> }
    /// Somebody who had found the text of an API key asked whether it is still good, and it was; at most once an hour of one key.
    ApiKeyLeakAsked "leak.asked" { api_key: ApiKeyId }
    /// An API key was exchanged for an access token.
    ApiKeyExchanged "api_key.exchanged" { api_key: ApiKeyId, client: Option<ClientId>, user: Option<UserId>, scope: Scope, audience: Vec<String>, jti: String, kid: KeyId }
    /// An API key reads far more than it usually does: `bytes` of answers in five minutes, `times` what is `usual` by the last `stretches` of five minutes in which it read anything.
    AnomalyOpened "anomaly.opened" { api_key: ApiKeyId, detector: &'static str, bytes: u64, usual: u64, times: u64, stretches: u64 }
    /// It does so no more since a quarter of an hour; `bytes` is the most that was seen.
    AnomalyClosed "anomaly.closed" { api_key: ApiKeyId, detector: &'static str, bytes: u64, usual: u64, opened_at: String }
    /// An API key ends in so many days.
    ApiKeyExpiring "api_key.expiring" { api_key: ApiKeyId, user: Option<UserId>, client: Option<ClientId>, days: u64 }
    /// A link was made with which an API key can be claimed, once.
    ClaimMade "api_key.claim_made" { claim: ClaimId, api: ApiId, user: Option<UserId>, client: Option<ClientId>, claimed_by: &'static str, ends_at: String, by: Actor }
    /// An API key was made with such a link; who was signed in, where anybody was.
    ApiKeyClaimed "api_key.claimed" { api_key: ApiKeyId, claim: ClaimId, user: Option<UserId> }
    /// A link that had been used was used again, in another browser: somebody else had it. `state` is what became of the key: revoked, or as it was where the time of the link was over.
    ApiKeyClaimReplayed "api_key.claim_replayed" { api_key: ApiKeyId, claim: ClaimId, state: &'static str }
    /// A link was taken back before anybody used it.
    ClaimWithdrawn "api_key.claim_withdrawn" { claim: ClaimId, by: Actor }
    /// So many percent of a quota are used.
    QuotaWarned "quota.warned" { family: FamilyId, quota: String, percent: u64 }
    /// The limit of a quota was raised for its period, or lowered again where the amount is below nothing.
    QuotaGranted "quota.granted" { api_key: ApiKeyId, family: FamilyId, quota: String, amount: i64, by: Actor, reason: Option<String> }
    /// What was used of a quota was corrected.
    QuotaCorrected "quota.corrected" { api_key: ApiKeyId, family: FamilyId, quota: String, before: u64, used: u64, by: Actor, reason: Option<String> }
    /// Events were lost: the queue of those written in batches was full or the store was away.
    AuditLost "audit.lost" { count: u64 }
    /// Events that strangers caused faster than is recorded were left out (refused clients, throttled sign-ins): so many since the last such event of this node.
    AuditThinned "audit.thinned" { count: u64 }
    /// A node ended without writing its last events: what it wrote in batches since then may be missing.
    AuditGap "audit.gap" { of: String, since: String }
}

impl Event {
    /// Its fields as a JSON object, absent ones left out.
    #[must_use]
    pub fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        // No field of ours can fail to serialise: all keys are text and all numbers are integers.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields,
            Ok(_) | Err(_) => serde_json::Map::new(),
        }
    }
    /// The client it concerns.
    #[must_use]
    pub fn client(&self) -> Option<&ClientId> {
        self.facets().client
    }
    /// The person it concerns.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.facets().user
    }
    /// The grant it concerns.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantId> {
        self.facets().grant
    }
    /// The API key it concerns.
    #[must_use]
    pub fn api_key(&self) -> Option<&ApiKeyId> {
        self.facets().api_key
    }
}

/// The reference page of events, in Markdown.
#[must_use]
pub fn docs_events() -> String {
    let mut page = String::from(
        "# Audit events\n\n<!-- Made by `keywright docs` from src/audit/event.rs. Change the events there, not here. -->\n\nWritten in the transaction of what they record; where that changes nothing else in the database (a \
         refused client, a machine's token), in batches, within a second as a rule. `audit.lost` and `audit.gap` say \
         where some are missing. Fields that do not apply are left out. No event holds a password, token, code or secret: of a \
         user name that nobody has, or that was not looked up, `username` is `#` and a keyed hash, for people type passwords there.\n\n| event | what happened | fields |\n|---|---|---|\n",
    );
    for kind in KINDS {
        let fields: Vec<_> = kind.fields.iter().map(|field| format!("`{field}`")).collect();
        page.push_str(&format!("| `{}` | {} | {} |\n", kind.name, kind.doc.trim(), fields.join(", ")));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Event {
        Event::SignInFailed { username: Attempted::new("ann"), user: None, why: SignInFailure::UnknownUser }
    }

    #[test]
    fn every_kind_has_one_dotted_name_and_a_sentence() {
        let mut names: Vec<_> = KINDS.iter().map(|k| k.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(kind.name.split_once('.').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()), "{}", kind.name);
            assert!(kind.doc.ends_with('.'), "{}", kind.name);
        }
    }

    #[test]
    fn an_event_is_the_object_of_its_fields() {
        assert_eq!(refused().kind(), "session.refused");
        let json = serde_json::to_string(&refused().fields()).unwrap();
        assert_eq!(json, r#"{"username":"ann","why":"unknown_user"}"#);
    }

    #[test]
    fn it_is_found_by_client_person_and_grant_but_not_by_who_did_it() {
        let event = Event::GrantRevoked {
            grant: GrantId::from_u128(1),
            client: ClientId::parse("shop"),
            user: None,
            why: GrantEnd::Operator,
            by: Actor::User(UserId::from_u128(2)),
        };
        assert_eq!(event.grant(), Some(&GrantId::from_u128(1)));
        assert_eq!(event.client().map(ClientId::as_str), Some("shop"));
        assert_eq!(event.user(), None);
        assert_eq!(refused().facets(), Facets::default());
    }

    #[test]
    fn the_page_has_a_row_for_every_kind() {
        assert_eq!(docs_events().lines().filter(|l| l.starts_with("| `")).count(), KINDS.len());
    }
}
