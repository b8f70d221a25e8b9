//! What is asked of the token endpoint (RFC 6749 §4.1.3, §4.4.2, §6): one variant for each grant
//! type, with its own parameters only.

use super::{authorization_code, client_credentials, refresh_token, token_exchange};
use crate::oauth::{
    client::GrantType,
    code::ErrorCode::{InvalidRequest, UnsupportedGrantType},
    params::Params,
    refusal::{Refusal, refuse},
};

/// A token request, read but not judged.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// A code is redeemed.
    AuthorizationCode(authorization_code::Request),
    /// A refresh token is exchanged.
    RefreshToken(refresh_token::Request),
    /// A client asks on its own account.
    ClientCredentials(client_credentials::Request),
    /// An API key is exchanged.
    TokenExchange(token_exchange::Request),
}

impl TokenRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// `invalid_request` for a missing or repeated parameter, `unsupported_grant_type`,
    /// `invalid_scope` and `invalid_target` for what cannot be read.
    pub fn parse(params: &Params) -> Result<Self, Refusal> {
        params.refuse_repeats()?;
        let Some(name) = params.once("grant_type")? else {
            return refuse(InvalidRequest, "grant_type is missing");
        };
        match GrantType::parse(name) {
            Some(GrantType::AuthorizationCode) => {
                Ok(Self::AuthorizationCode(authorization_code::Request::parse(params)?))
            }
            Some(GrantType::RefreshToken) => Ok(Self::RefreshToken(refresh_token::Request::parse(params)?)),
            Some(GrantType::ClientCredentials) => {
                Ok(Self::ClientCredentials(client_credentials::Request::parse(params)?))
            }
            Some(GrantType::TokenExchange) => Ok(Self::TokenExchange(token_exchange::Request::parse(params)?)),
            None => refuse(
                UnsupportedGrantType,
                "grant_type must be authorization_code, refresh_token, client_credentials or that of RFC 8693",
            ),
        }
    }

    /// Its grant type.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::TokenExchange(_) => GrantType::TokenExchange,
        }
    }
}
