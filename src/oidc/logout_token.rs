//! The logout token (OpenID Connect Back-Channel Logout §2.4): tells a client that a session of
//! one of its people has ended.

use crate::base::{
    digest::base64url,
    entropy::{self, Entropy},
    fault::Fault,
    id::{ClientId, SessionId, UserId},
    moment::{Moment, Span},
    uri::Issuer,
};
use serde_json::{Value, json};

/// The event that it tells of.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long it may be delivered; recommended is at most two minutes (§2.4).
pub const LIFETIME: Span = Span::minutes(2);

/// The claims of a logout token. There is never a `nonce`, so that it can pass for no ID token.
#[derive(Debug, serde::Serialize)]
pub struct LogoutToken<'a> {
    iss: &'a str,
    aud: &'a ClientId,
    iat: i64,
    exp: i64,
    /// Its name: for the client to see a repetition.
    pub jti: String,
    events: Value,
    sub: &'a UserId,
    sid: &'a SessionId,
}

impl<'a> LogoutToken<'a> {
    /// For one client and the session that ended. Both `sub` and `sid` are told, which serves
    /// clients that keep either.
    ///
    /// # Errors
    /// As [`Entropy::fill`].
    pub fn of(
        issuer: &'a Issuer,
        client: &'a ClientId,
        (user, session): (&'a UserId, &'a SessionId),
        now: Moment,
        dice: &dyn Entropy,
    ) -> Result<Self, Fault> {
        Ok(Self {
            iss: issuer.as_str(),
            aud: client,
            iat: now.unix(),
            exp: (now + LIFETIME).unix(),
            jti: base64url(&entropy::bytes::<16>(dice)?),
            events: json!({ EVENT: {} }),
            sub: user,
            sid: session,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::entropy::SeededEntropy, oauth::sample::issuer};

    #[test]
    fn c37_it_has_the_event_and_no_nonce() {
        let (client, user) = (ClientId::parse("cli_app").unwrap(), UserId::parse("usr_ada").unwrap());
        let session = SessionId::parse("ses_1").unwrap();
        let issuer = issuer();
        let dice = SeededEntropy::new(1);
        let token = LogoutToken::of(&issuer, &client, (&user, &session), Moment::from_unix(1000), &dice).unwrap();
        let jti = token.jti.clone();
        assert_eq!(
            serde_json::to_value(token).unwrap(),
            json!({
                "iss": "https://id.example", "aud": "cli_app", "iat": 1000, "exp": 1120, "jti": jti,
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
                "sub": "usr_ada", "sid": "ses_1",
            })
        );
    }
}
