//! Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §4.5).

use super::{Code, Granted};
use crate::{
    base::{
        credential::{Kind, well_formed},
        id::ClientId,
        moment::Moment,
        secret::{Secret, same},
        uri::Resource,
    },
    oauth::{
        client::Client,
        code::ErrorCode::{InvalidGrant, InvalidTarget},
        params::Params,
        pkce,
        refusal::{Refusal, refuse},
        resource::resources_of,
    },
};
use std::collections::BTreeSet;

/// What the client sends.
#[derive(Clone, Debug)]
pub struct Request {
    /// `code`.
    pub code: Secret<String>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub verifier: Option<Secret<String>>,
    /// `resource`: for which of those granted the access token is.
    pub resources: BTreeSet<Resource>,
}

impl Request {
    pub(super) fn parse(params: &Params) -> Result<Self, Refusal> {
        let code = params.required("code")?;
        // Not a word about whether it exists: text that cannot be a code of ours is none.
        if !well_formed(Kind::Code, code) {
            return Err(not_good());
        }
        Ok(Self {
            code: Secret::new(code.to_owned()),
            redirect_uri: params.once("redirect_uri")?.map(str::to_owned),
            verifier: params.once("code_verifier")?.map(|text| Secret::new(text.to_owned())),
            resources: resources_of(params)?,
        })
    }
}

/// What is told of a code that is unknown, used, expired or another client's.
#[must_use]
pub fn not_good() -> Refusal {
    Refusal::new(InvalidGrant, "the code is unknown, used, expired, or another client's")
}

/// Whether the code was redeemed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Never.
    Unused,
    /// It was, and issued what must now be revoked.
    Used,
}

/// Why a code is not redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeVerdict {
    /// It was redeemed before by this client: revoke what it issued (RFC 6749 §4.1.2), then
    /// answer with [`not_good`].
    Replayed,
    /// Answer with this.
    Refused(Refusal),
}

impl From<CodeVerdict> for Refusal {
    fn from(verdict: CodeVerdict) -> Self {
        match verdict {
            CodeVerdict::Replayed => not_good(),
            CodeVerdict::Refused(refusal) => refusal,
        }
    }
}

impl From<Refusal> for CodeVerdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Judges the redemption of a code that was found, and says for which resources the access
/// token will be.
///
/// Whose it is comes first, so that no other client can bring about a revocation; then whether
/// it was used, because a replay counts however late it comes; then its end, taken from its row
/// and not from any clean-up; then what binds it to the browser and to the client's instance.
///
/// # Errors
/// [`CodeVerdict`]. Whatever it says, unless the code is another client's, the code is spent: a
/// guess at its verifier costs it.
pub fn judge_code(
    code: &Code,
    usage: Usage,
    client: &ClientId,
    request: &Request,
    now: Moment,
) -> Result<BTreeSet<Resource>, CodeVerdict> {
    if code.granted.client != *client {
        return Err(not_good().into());
    }
    if usage == Usage::Used {
        return Err(CodeVerdict::Replayed);
    }
    if now >= code.expires_at {
        return Err(not_good().into());
    }
    same_redirect_uri(code, request)?;
    pkce::verify(&code.challenge, request.verifier.as_ref().map(|verifier| verifier.expose().as_str()))?;
    Ok(narrow_resources(&code.granted, &request.resources)?)
}

/// RFC 6749 §4.1.3: what the authorization request named must be repeated, byte for byte.
fn same_redirect_uri(code: &Code, request: &Request) -> Result<(), Refusal> {
    match &request.redirect_uri {
        Some(sent) if same(sent.as_bytes(), code.redirect_uri.as_bytes()) => Ok(()),
        None if !code.redirect_uri_was_sent => Ok(()),
        Some(_) => refuse(InvalidGrant, "redirect_uri is not that of the authorization request"),
        None => refuse(InvalidGrant, "redirect_uri is missing: the authorization request had one"),
    }
}

/// The resources for one access token: those asked for, all of them granted; all that were
/// granted, where none is asked for (RFC 8707 §2.2).
pub(super) fn narrow_resources(granted: &Granted, asked: &BTreeSet<Resource>) -> Result<BTreeSet<Resource>, Refusal> {
    if asked.is_empty() {
        return Ok(granted.resources.clone());
    }
    if asked.is_subset(&granted.resources) {
        return Ok(asked.clone());
    }
    refuse(InvalidTarget, "a resource was not granted")
}

/// Of these resources those that the client may still ask for: what it was deprived of since it was granted
/// is left out.
///
/// # Errors
/// `invalid_target` where nothing is left.
pub fn still_allowed(client: &Client, resources: &BTreeSet<Resource>) -> Result<BTreeSet<Resource>, Refusal> {
    let kept: BTreeSet<Resource> = resources.iter().filter(|r| client.resources.contains(r)).cloned().collect();
    if kept.is_empty() && !resources.is_empty() {
        return refuse(InvalidTarget, "this client may not ask for the resources granted any more");
    }
    Ok(kept)
}
