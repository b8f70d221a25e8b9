//! Which claims about a person there are, and which scope token stands for which (OpenID Connect
//! Core §5.1, §5.4): one table, from which consent, userinfo, ID tokens and metadata come.

/// What stands behind one scope token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeClaims {
    /// The scope token.
    pub scope: &'static str,
    /// Its claims.
    pub claims: &'static [&'static str],
}

/// Every scope token that stands for claims.
pub const SCOPES: &[ScopeClaims] = &[
    ScopeClaims {
        scope: "profile",
        claims: &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    },
    ScopeClaims { scope: "email", claims: &["email", "email_verified"] },
    ScopeClaims { scope: "address", claims: &["address"] },
    ScopeClaims { scope: "phone", claims: &["phone_number", "phone_number_verified"] },
];

/// The claims of every ID token or about the sign-in itself, which no scope token stands for.
pub const OF_THE_SIGN_IN: &[&str] = &["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid"];

/// The scope token that stands for a claim; `None` for claims that we do not have and for those
/// [`OF_THE_SIGN_IN`].
#[must_use]
pub fn scope_of(claim: &str) -> Option<&'static str> {
    SCOPES.iter().find(|row| row.claims.contains(&claim)).map(|row| row.scope)
}

/// Every claim, as advertised in `claims_supported`.
pub fn all() -> impl Iterator<Item = &'static str> {
    OF_THE_SIGN_IN.iter().chain(SCOPES.iter().flat_map(|row| row.claims)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_claim_has_one_place() {
        assert_eq!(all().collect::<BTreeSet<_>>().len(), all().count());
        assert_eq!(scope_of("email_verified"), Some("email"));
        assert_eq!(scope_of("sub"), None);
    }
}
