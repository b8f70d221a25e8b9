//! oxide-auth behind one door: the order in which RFC 6749 asks its questions.
//!
//! Its state machines decide *what comes next* and that a recovered grant belongs to the proven
//! client; our own rules answer every question. A refusal leaves the loop at once with its own
//! code, so the machines' vocabulary never reaches the wire, and neither their clock nor their
//! comparison of URLs can decide anything: they are given an end of time and one constant URL.
//! Nothing else in the crate names `oxide_auth`.
//!
//! Spec: RFC 6749 §4.1.1, §4.1.3, §4.4.2, §6.

use super::{client::GrantType, code::ErrorCode::InvalidGrant, refusal::Refusal};
use crate::base::{
    fault::{Fault, Stop},
    id::ClientId,
};
use chrono::{DateTime, Utc};
use oxide_auth::{
    code_grant::{accesstoken, authorization, client_credentials, refresh},
    primitives::{
        grant::{Extensions, Grant},
        issuer::{IssuedToken, RefreshedToken, TokenType},
        registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl},
        scope::Scope,
    },
};
use std::{borrow::Cow, sync::LazyLock};

/// How the questions of a grant end early.
pub type Ended = Stop<Refusal>;

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// What the exchange of a code or of a refresh token asks, in this order.
pub trait Exchange {
    /// What stands behind the credential.
    type Recovered;
    /// What the client gets.
    type Minted;

    /// Finds what the credential stands for.
    ///
    /// # Errors
    /// `invalid_grant`, or a fault.
    fn recover(&mut self) -> Result<Self::Recovered, Ended>;
    /// To whom it was issued.
    fn holder<'r>(&self, recovered: &'r Self::Recovered) -> &'r ClientId;
    /// Judges what else binds it: redirection URI, PKCE, resources, scope.
    ///
    /// # Errors
    /// A refusal with its own code.
    fn bind(&mut self, recovered: &Self::Recovered) -> Result<(), Ended>;
    /// Uses the credential up and mints what it is exchanged for.
    ///
    /// # Errors
    /// A refusal where another request was first, or a fault.
    fn mint(&mut self, recovered: Self::Recovered) -> Result<Self::Minted, Ended>;
}

/// What the client credentials grant asks, in this order.
pub trait OwnAccount {
    /// What the client gets.
    type Minted;
    /// Negotiates scope and resources against the client's registration.
    ///
    /// # Errors
    /// A refusal with its own code.
    fn negotiate(&mut self) -> Result<(), Ended>;
    /// Mints.
    ///
    /// # Errors
    /// A fault.
    fn mint(&mut self) -> Result<Self::Minted, Ended>;
}

/// What an authorization request asks, in this order.
pub trait Authorizing {
    /// The request, checked.
    type Asked;
    /// How it ends early: dead, or a refusal through a destination.
    type Ended;
    /// Proves the redirection URI: from here on errors may travel to the client.
    ///
    /// # Errors
    /// Dead, where nobody may be redirected.
    fn bind(&mut self) -> Result<(), Self::Ended>;
    /// Checks everything that is not scope.
    ///
    /// # Errors
    /// A refusal through the destination.
    fn extend(&mut self) -> Result<(), Self::Ended>;
    /// Negotiates scope and resources.
    ///
    /// # Errors
    /// A refusal through the destination.
    fn negotiate(&mut self) -> Result<Self::Asked, Self::Ended>;
    /// The end for a defect of ours.
    fn fault(&self, fault: Fault) -> Self::Ended;
}

/// The same on both sides of every comparison that the machines make.
const SAME_URL: &str = "urn:keywright:same";

fn defect(what: &'static str) -> Fault {
    Fault::bare(format!("the order of RFC 6749's questions: {what}"))
}

fn same_url() -> Result<ExactUrl, Fault> {
    static READ: LazyLock<Option<ExactUrl>> = LazyLock::new(|| SAME_URL.parse().ok());
    READ.clone().ok_or_else(|| defect("a constant URL"))
}

fn no_scope() -> Result<Scope, Fault> {
    "".parse().map_err(|_| defect("the empty scope"))
}

/// Our record as the machines' grant: only its client means anything to them.
fn stand_in(holder: &ClientId) -> Result<Box<Grant>, Fault> {
    Ok(Box::new(Grant {
        owner_id: String::new(),
        client_id: holder.as_str().to_owned(),
        scope: no_scope()?,
        redirect_uri: RegisteredUrl::Exact(same_url()?).to_url(),
        until: DateTime::<Utc>::MAX_UTC,
        extensions: Extensions::new(),
    }))
}

fn bound(client_id: String) -> Result<BoundClient<'static>, Fault> {
    Ok(BoundClient { client_id: Cow::Owned(client_id), redirect_uri: Cow::Owned(RegisteredUrl::Exact(same_url()?)) })
}

fn pre_grant(bound: &BoundClient<'_>) -> Result<PreGrant, Fault> {
    Ok(PreGrant {
        client_id: bound.client_id.clone().into_owned(),
        redirect_uri: bound.redirect_uri.clone().into_owned(),
        scope: no_scope()?,
    })
}

fn not_yours() -> Ended {
    Refusal::new(InvalidGrant, "this was issued to another client").into()
}

/// A request of a proven client, as the machines want to see it: everything that they would
/// judge themselves is constant.
struct Shown<'a>(&'a ClientId);

impl accesstoken::Request for Shown<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn code(&self) -> Option<Cow<'_, str>> {
        Some("code".into())
    }
    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::Username(self.0.as_str().into())
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(SAME_URL.into())
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::AuthorizationCode.wire().into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl refresh::Request for Shown<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        Some("token".into())
    }
    // Our own rules narrow the scope: the machine would forget the original.
    fn scope(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::RefreshToken.wire().into())
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.0.as_str().into(), Cow::Borrowed(&[])))
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl client_credentials::Request for Shown<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.0.as_str().into(), Cow::Borrowed(&[])))
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(GrantType::ClientCredentials.wire().into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl authorization::Request for Shown<'_> {
    fn valid(&self) -> bool {
        true
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(self.0.as_str().into())
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(SAME_URL.into())
    }
    fn state(&self) -> Option<Cow<'_, str>> {
        None
    }
    // Whether it really was `code` is for our own checks, which know the better error.
    fn response_type(&self) -> Option<Cow<'_, str>> {
        Some("code".into())
    }
    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Exchanges an authorization code of a proven client.
///
/// # Errors
/// As the answers of `x`; `invalid_grant` where the code is another client's.
pub fn exchange_code<X: Exchange>(client: &ClientId, x: &mut X) -> Result<X::Minted, Ended> {
    use accesstoken::{Input, Output};
    let mut machine = accesstoken::AccessToken::new(&Shown(client));
    let mut answer = Input::None;
    let (mut recovered, mut minted) = (None, None);
    loop {
        answer = match machine.advance(answer) {
            Output::Authenticate { .. } => Input::Authenticated,
            Output::Recover { .. } => {
                let found = x.recover()?;
                let grant = stand_in(x.holder(&found))?;
                recovered = Some(found);
                Input::Recovered(Some(grant))
            }
            Output::Extend { extensions } => {
                x.bind(recovered.as_ref().ok_or_else(|| defect("binding before recovering"))?)?;
                Input::Extended { access_extensions: std::mem::take(extensions) }
            }
            Output::Issue { grant } => {
                minted = Some(x.mint(recovered.take().ok_or_else(|| defect("minting before recovering"))?)?);
                Input::Issued(IssuedToken {
                    token: String::new(),
                    refresh: None,
                    until: grant.until,
                    token_type: TokenType::Bearer,
                })
            }
            Output::Ok(_) => return minted.ok_or_else(|| defect("ending before minting").into()),
            Output::Err(_) => return Err(not_yours()),
        };
    }
}

/// Exchanges a refresh token of a proven client.
///
/// # Errors
/// As the answers of `x`; `invalid_grant` where the token is another client's.
pub fn exchange_refresh_token<X: Exchange>(client: &ClientId, x: &mut X) -> Result<X::Minted, Ended> {
    use refresh::{Input, Output};
    let mut machine = refresh::Refresh::new(&Shown(client));
    let mut answer = Input::None;
    let (mut recovered, mut minted) = (None, None);
    loop {
        answer = match machine.advance(answer) {
            Output::Unauthenticated { .. } => Input::Authenticated { scope: None },
            Output::RecoverRefresh { .. } => {
                let found = x.recover()?;
                let grant = stand_in(x.holder(&found))?;
                recovered = Some(found);
                Input::Recovered { scope: None, grant: Some(grant) }
            }
            Output::Refresh { grant, .. } => {
                let found = recovered.take().ok_or_else(|| defect("minting before recovering"))?;
                x.bind(&found)?;
                minted = Some(x.mint(found)?);
                Input::Refreshed(RefreshedToken {
                    token: String::new(),
                    refresh: None,
                    until: grant.until,
                    token_type: TokenType::Bearer,
                })
            }
            Output::Ok(_) => return minted.ok_or_else(|| defect("ending before minting").into()),
            Output::Err(_) => return Err(not_yours()),
        };
    }
}

/// Issues tokens to a proven client on its own account.
///
/// # Errors
/// As the answers of `x`.
pub fn client_credentials<X: OwnAccount>(client: &ClientId, x: &mut X) -> Result<X::Minted, Ended> {
    use client_credentials::{Input, Output};
    let mut machine = client_credentials::ClientCredentials::new(&Shown(client));
    let mut answer = Input::None;
    loop {
        answer = match machine.advance(answer) {
            Output::Authenticate { .. } => Input::Authenticated,
            Output::Binding { client_id } => Input::Bound { bound_client: bound(client_id.to_owned())? },
            Output::Extend => Input::Extended { extensions: Extensions::new() },
            Output::Negotiate { bound_client, .. } => {
                x.negotiate()?;
                Input::Negotiated { pre_grant: pre_grant(bound_client)? }
            }
            Output::Ok { .. } => return x.mint(),
            Output::Err(_) => return Err(defect("client credentials").into()),
        };
    }
}

/// Asks an authorization request's questions in RFC 6749's order: destination, the rest, scope.
///
/// # Errors
/// As the answers of `x`.
pub fn authorize<X: Authorizing>(client: &ClientId, x: &mut X) -> Result<X::Asked, X::Ended> {
    use authorization::{Input, Output};
    let request = Shown(client);
    let mut machine = authorization::Authorization::new(&request);
    let mut answer = Input::None;
    let mut asked = None;
    loop {
        answer = match machine.advance(answer) {
            Output::Bind { client_id, .. } => {
                x.bind()?;
                Input::Bound { request: &request, bound_client: bound(client_id).map_err(|f| x.fault(f))? }
            }
            Output::Extend => {
                x.extend()?;
                Input::Extended(Extensions::new())
            }
            Output::Negotiate { bound_client, .. } => {
                asked = Some(x.negotiate()?);
                Input::Negotiated { pre_grant: pre_grant(bound_client).map_err(|f| x.fault(f))?, state: None }
            }
            Output::Ok { .. } => return asked.ok_or_else(|| x.fault(defect("ending before negotiating"))),
            Output::Err(_) => return Err(x.fault(defect("authorization"))),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::code::ErrorCode;

    struct Scripted {
        holder: ClientId,
        asked: Vec<&'static str>,
    }
    impl Exchange for Scripted {
        type Recovered = ClientId;
        type Minted = &'static str;
        fn recover(&mut self) -> Result<ClientId, Ended> {
            self.asked.push("recover");
            Ok(self.holder.clone())
        }
        fn holder<'r>(&self, recovered: &'r ClientId) -> &'r ClientId {
            recovered
        }
        fn bind(&mut self, _: &ClientId) -> Result<(), Ended> {
            self.asked.push("bind");
            Ok(())
        }
        fn mint(&mut self, _: ClientId) -> Result<&'static str, Ended> {
            self.asked.push("mint");
            Ok("token")
        }
    }
    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }
    fn scripted(holder: &str) -> Scripted {
        Scripted { holder: client(holder), asked: Vec::new() }
    }

    #[test]
    fn both_exchanges_recover_then_bind_then_mint() {
        let mut x = scripted("app");
        assert_eq!(exchange_code(&client("app"), &mut x).unwrap(), "token");
        assert_eq!(x.asked, ["recover", "bind", "mint"]);
        let mut x = scripted("app");
        assert_eq!(exchange_refresh_token(&client("app"), &mut x).unwrap(), "token");
        assert_eq!(x.asked, ["recover", "bind", "mint"]);
    }

    #[test]
    fn what_was_issued_to_another_client_is_an_invalid_grant_and_mints_nothing() {
        for exchange in [exchange_code::<Scripted>, exchange_refresh_token::<Scripted>] {
            let mut x = scripted("app");
            match exchange(&client("evil"), &mut x) {
                Err(Stop::Refusal(refusal)) => assert_eq!(refusal.code, ErrorCode::InvalidGrant),
                other => panic!("{other:?}"),
            }
            assert!(!x.asked.contains(&"mint"), "{:?}", x.asked);
        }
    }
}
