//! A client asks to sign its person out (OpenID Connect RP-Initiated Logout 1.0), or the person
//! asks by themselves: what arrived is read and proven here, `oidc::logout` decides, and what it
//! decides is done.

use super::{
    authorize::Halt,
    clients::{self, Listed},
    decrypt, log_out,
    visit::{self, Here, Visit},
    world::World,
};
use crate::{
    audit::{Origin, SignOutKind},
    base::{
        fault::Fault,
        id::{ClientId, SessionId, UserId},
        moment::{Moment, Span},
    },
    jose::{self, Profile},
    oauth::{client::Client, params::Params, refusal::Dead},
    oidc::logout::{self as rule, Afterwards, Hint, LogoutRequest, LogoutVerdict, SignedIn},
};
use std::sync::Arc;

/// What a sealed request is bound to besides its key.
const CONTEXT: &[u8] = b"end session";
/// How long the question may stay open.
const LIFE: Span = Span::hours(1);
/// The longest sealed text that is looked at.
const MAX_TEXT: usize = 8 * 1024;

/// A request to sign out, read and its hint verified; nothing else is proven yet.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    hint: Option<(ClientId, UserId, Option<SessionId>)>,
    client: Option<ClientId>,
    to: Option<String>,
    state: Option<String>,
    at: Moment,
}

impl Asked {
    /// The request that says nothing.
    const BARE: Self = Self { hint: None, client: None, to: None, state: None, at: Moment::EPOCH };

    /// Reads the parameters. An `id_token_hint` that does not verify counts as none, and so the
    /// person will be asked: its key may be gone by now, and they still want to leave.
    ///
    /// # Errors
    /// [`Dead`], as [`LogoutRequest::parse`].
    pub fn read(world: &World, params: &Params, origin: &Origin) -> Result<Self, Dead> {
        let request = LogoutRequest::parse(params)?;
        let hint = request.id_token_hint.as_deref().and_then(|text| hinted(world, text, origin));
        Ok(Self {
            hint,
            client: request.client_id,
            to: request.post_logout_redirect_uri,
            state: request.state,
            at: world.now(),
        })
    }

    /// As the text that the browser carries while the person is asked.
    ///
    /// # Errors
    /// A fault of randomness or of the cipher.
    pub fn seal(&self, world: &World) -> Result<String, Fault> {
        let plain = serde_json::to_vec(self).map_err(|e| Fault::new("writing a request to sign out", e))?;
        world.secrets.interactions.seal_text(CONTEXT, &plain, &*world.dice)
    }

    /// From that text. What cannot be opened, or is too old, counts as a request that says
    /// nothing: whoever wants to leave may.
    #[must_use]
    pub fn open(world: &World, text: &str) -> Self {
        let opened = || -> Option<Self> {
            let plain = world.secrets.interactions.open_text(CONTEXT, text).ok()?;
            serde_json::from_slice(plain.expose()).ok()
        };
        let opened = if text.len() <= MAX_TEXT { opened() } else { None };
        opened.filter(|asked| world.now().since(asked.at) <= LIFE).unwrap_or(Self::BARE)
    }

    fn request(&self) -> LogoutRequest {
        LogoutRequest {
            id_token_hint: None,
            client_id: self.client.clone(),
            post_logout_redirect_uri: self.to.clone(),
            state: self.state.clone(),
        }
    }

    fn hint(&self) -> Option<Hint> {
        let (client, user, session) = self.hint.clone()?;
        Some(Hint { client, user, session })
    }
}

/// What an ID token of ours says, expired or not, and encrypted for us or not.
fn hinted(world: &World, text: &str, origin: &Origin) -> Option<(ClientId, UserId, Option<SessionId>)> {
    let policy = world.policy.load();
    let profile = Profile::id_token_hint(&policy.tokens.issuer, jose::Audience::Judged);
    let signed = decrypt::opened(world, origin.address, text).ok()?;
    let verified = jose::verify(&profile, world.keyring.load().keys(), &signed, world.now()).ok()?;
    let &[audience] = verified.list("aud").as_slice() else { return None };
    let user = verified.str("sub").and_then(UserId::parse)?;
    Some((ClientId::parse(audience)?, user, verified.str("sid").and_then(SessionId::parse)))
}

/// What the browser is told.
#[derive(Debug)]
pub enum Outcome {
    /// No session is left here to end, or not any more: go on.
    Left(Afterwards),
    /// The person is to be asked.
    Ask {
        /// Whose session is to end. It may be idle: then they are not signed in.
        here: Box<Here>,
        /// What the application that asks is called.
        client_name: Option<String>,
        /// Where the person would go.
        afterwards: Afterwards,
    },
}

/// A request to sign out arrives. An idle session is ended like a live one: nobody is told that they
/// are signed out while what was granted in it goes on.
///
/// # Errors
/// [`Halt`]: a page says what is wrong with it, nobody is redirected and nothing has ended.
pub async fn begin(world: &Arc<World>, asked: &Asked, visit: &Visit, origin: &Origin) -> Result<Outcome, Halt> {
    let here = visit::unended(world, visit).await?;
    let (verdict, client) = judge(world, asked, here.as_ref()).await?;
    match (verdict, here) {
        (LogoutVerdict::Refuse(dead), _) => Err(Halt::Dead(dead)),
        (LogoutVerdict::SignOutAtOnce(to), Some(here)) => {
            log_out::session(world, &here, SignOutKind::Client, origin).await?;
            Ok(Outcome::Left(to))
        }
        (LogoutVerdict::Confirm(afterwards), Some(here)) => {
            let client_name = client.map(|c| c.client().shown.name.clone()).filter(|name| !name.is_empty());
            Ok(Outcome::Ask { here: Box::new(here), client_name, afterwards })
        }
        (LogoutVerdict::NothingToEnd(to) | LogoutVerdict::SignOutAtOnce(to) | LogoutVerdict::Confirm(to), _) => {
            Ok(Outcome::Left(to))
        }
    }
}

/// The person who was asked has said yes. Where the request is no longer right, they leave
/// nevertheless, and go nowhere.
///
/// # Errors
/// A fault; then nothing has ended.
pub async fn agree(
    world: &Arc<World>,
    asked: &Asked,
    here: Option<&Here>,
    origin: &Origin,
) -> Result<Afterwards, Fault> {
    let (verdict, client) = judge(world, asked, here).await?;
    if let Some(here) = here {
        let how = if client.is_some() { SignOutKind::Client } else { SignOutKind::Page };
        log_out::session(world, here, how, origin).await?;
    }
    Ok(match verdict {
        LogoutVerdict::SignOutAtOnce(to) | LogoutVerdict::Confirm(to) | LogoutVerdict::NothingToEnd(to) => to,
        LogoutVerdict::Refuse(_) => Afterwards::OurPage,
    })
}

async fn judge(
    world: &Arc<World>,
    asked: &Asked,
    here: Option<&Here>,
) -> Result<(LogoutVerdict, Option<Listed>), Fault> {
    let (request, hint) = (asked.request(), asked.hint());
    let client = match rule::client_of(&request, hint.as_ref()) {
        Err(dead) => return Ok((LogoutVerdict::Refuse(dead), None)),
        Ok(None) => None,
        Ok(Some(id)) => clients::find(world, id).await?,
    };
    let signed_in = here.map(|h| SignedIn { user: h.user.id.clone(), session: h.session.id.clone() });
    let known: Option<&Client> = client.as_ref().map(Listed::client);
    let verdict = rule::judge(&request, hint.as_ref(), known, signed_in.as_ref());
    Ok((verdict, client))
}

#[cfg(test)]
mod tests;
