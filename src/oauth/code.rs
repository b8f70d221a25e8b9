//! The error codes that clients see: one row per code of the IANA registry that we send.

use std::fmt;

/// How an error reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Through the browser, on the redirection URI (RFC 6749 §4.1.2.1).
    Front,
    /// In the body of a direct answer (RFC 6749 §5.2, RFC 6750 §3.1).
    Back,
    /// Either.
    Both,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $wire:literal $status:literal $channel:ident $spec:literal $what:literal;)*) => {
        /// An error code of the registry, with everything that hangs on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $what] $name,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The text on the wire.
            #[must_use]
            pub const fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
            /// The HTTP status of a direct answer.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
            /// How it reaches the client.
            #[must_use]
            pub const fn channel(self) -> Channel {
                match self { $(Self::$name => Channel::$channel,)* }
            }
            /// The section that defines it.
            #[must_use]
            pub const fn spec(self) -> &'static str {
                match self { $(Self::$name => $spec,)* }
            }
            /// When we send it, for the documentation.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

codes! {
    InvalidRequest "invalid_request" 400 Both "RFC 6749 §4.1.2.1, §5.2" "A parameter is missing, malformed or repeated.";
    InvalidClient "invalid_client" 401 Back "RFC 6749 §5.2" "The client is unknown or did not prove itself.";
    InvalidGrant "invalid_grant" 400 Back "RFC 6749 §5.2" "The code, refresh token or assertion is not good: unknown, used, expired, revoked, or another client's.";
    UnauthorizedClient "unauthorized_client" 400 Both "RFC 6749 §4.1.2.1, §5.2" "The client is not registered for this grant or response type.";
    UnsupportedGrantType "unsupported_grant_type" 400 Back "RFC 6749 §5.2" "The server does not have this grant type.";
    UnsupportedResponseType "unsupported_response_type" 400 Front "RFC 6749 §4.1.2.1" "The server has only the response type `code`.";
    InvalidScope "invalid_scope" 400 Both "RFC 6749 §4.1.2.1, §5.2" "The scope is malformed, or wider than what the client or the grant has.";
    AccessDenied "access_denied" 400 Front "RFC 6749 §4.1.2.1" "The person declined.";
    ServerError "server_error" 500 Both "RFC 6749 §4.1.2.1" "A fault of ours; the reference id finds it in the log.";
    TemporarilyUnavailable "temporarily_unavailable" 503 Both "RFC 6749 §4.1.2.1" "Busy, or the database is away: try again after `Retry-After`.";
    InvalidTarget "invalid_target" 400 Both "RFC 8707 §2" "The resource is unknown, malformed, or not this client's to ask for.";
    InvalidToken "invalid_token" 401 Back "RFC 6750 §3.1" "The access token is malformed, expired, revoked, or for another audience.";
    InvalidDpopProof "invalid_dpop_proof" 400 Back "RFC 9449 §5" "The DPoP proof is malformed, not for this request, too old, or was used before.";
    InsufficientScope "insufficient_scope" 403 Back "RFC 6750 §3.1" "The access token lacks the scope that this needs.";
    LoginRequired "login_required" 400 Front "OpenID Connect Core §3.1.2.6" "`prompt=none`, and nobody is signed in.";
    ConsentRequired "consent_required" 400 Front "OpenID Connect Core §3.1.2.6" "`prompt=none`, and consent is missing.";
    UnmetAuthenticationRequirements "unmet_authentication_requirements" 400 Front "OpenID Connect Core Unmet Authentication Requirements §2" "An essential `acr` was asked for that the server cannot meet.";
    RequestNotSupported "request_not_supported" 400 Front "OpenID Connect Core §3.1.2.6" "The parameter `request` was sent.";
    RequestUriNotSupported "request_uri_not_supported" 400 Front "OpenID Connect Core §3.1.2.6" "The parameter `request_uri` was sent.";
    RegistrationNotSupported "registration_not_supported" 400 Front "OpenID Connect Core §3.1.2.6" "The parameter `registration` was sent.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_codes_share_a_wire_name() {
        let names: BTreeSet<_> = ErrorCode::ALL.iter().map(|c| c.wire()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
