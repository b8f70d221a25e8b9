//! Forward authentication: a gateway asks, before each request, whether the API key in it is good.
//!
//! A listener of its own, for trusted peers only. Where to start reading: [`profile`] (what each
//! gateway sends and understands), [`take`] (what is read, and what is refused unread), [`answer`].

pub mod answer;
pub mod profile;
pub mod take;

use self::{
    answer::Told,
    profile::Profile,
    take::{Bad, Credential, Question},
};
use super::{request_log, site::Here};
use crate::{
    apikey::{api::Api, call::Call, verdict::Denied},
    audit::Origin,
    base::{fault::Fault, id::RequestId, secret::Secret},
    config::Gateway,
    flow::api_keys::{
        directory,
        possession::Sent,
        verify::{self, Mode},
    },
    telemetry::{instrument::RouteMeter, request_span},
};
use actix_web::{HttpRequest, HttpResponse, http::header::HeaderMap, web};
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc, time::Instant};
use tracing::Instrument;

/// The path under which gateways ask, as it is measured.
pub const PATH: &str = "/auth/{gateway}/{api}";

/// What the listener knows.
pub struct Door {
    here: Here,
    peers: Vec<IpNet>,
    secret: Option<Secret<String>>,
    meter: RouteMeter,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({:?})", self.peers)
    }
}

impl Door {
    /// For the gateways that the settings name.
    #[must_use]
    pub fn new(settings: &Gateway, here: &Here) -> Self {
        Self {
            here: here.clone(),
            peers: settings.trusted_peers.clone(),
            secret: settings.secret.as_ref().map(|secret| secret.0.clone()),
            meter: here.world.metrics.route(PATH),
        }
    }

    /// Whether this peer may ask. Of its fields only the secret is looked at, and of strangers not even that.
    fn admits(&self, peer: Option<IpAddr>, fields: &HeaderMap) -> bool {
        let Some(peer) = peer else { return false };
        super::take::peer::trusts(&self.peers, peer) && self.secret.as_ref().is_none_or(|secret| shown(fields, secret))
    }
}

/// Whether the secret is shown, once.
fn shown(fields: &HeaderMap, secret: &Secret<String>) -> bool {
    let mut lines = fields.get_all(take::SECRET);
    let first = lines.next();
    first.is_some_and(|line| secret.matches(line.as_bytes())) && lines.next().is_none()
}

/// Answers a question, whatever its method and path.
pub async fn ask(door: web::Data<Door>, request: HttpRequest) -> HttpResponse {
    let began = Instant::now();
    let world = &door.here.world;
    let answer = match RequestId::mint(world.now(), &*world.dice) {
        Ok(id) => {
            let span = request_span(&id, request.method().as_str(), PATH);
            decide(&door, &request, &id).instrument(span).await
        }
        Err(fault) => {
            tracing::error!(error = %fault, "a request could not be named");
            // 403 is the one refusal that every gateway hands on.
            HttpResponse::Forbidden().finish()
        }
    };
    door.meter.note(answer.status().as_u16(), began.elapsed());
    answer
}

async fn decide(door: &Door, request: &HttpRequest, id: &RequestId) -> HttpResponse {
    if !door.admits(request.peer_addr().map(|at| at.ip()), request.headers()) {
        return answer::stranger(id);
    }
    let Some((profile, api, rest)) = profile::of(request.uri().path()) else { return answer::nowhere(id) };
    let told = match take::question(profile, (request, rest), &door.peers) {
        Ok(question) => judge(door, (profile, api), &question, id).await,
        Err(bad) => Ok(Told::Bad(bad)),
    };
    answer::give(&door.here, profile, &told.unwrap_or_else(Told::Failed), id)
}

async fn judge(
    door: &Door,
    (profile, named): (&Profile, &str),
    question: &Question<'_>,
    id: &RequestId,
) -> Result<Told, Fault> {
    let world = &door.here.world;
    let Some(api) = directory::api(world, named).await? else { return Ok(Told::NoSuchApi) };
    let credential = match question.credential(api.settings.query_parameter.as_deref()) {
        Ok(credential) => credential,
        Err(bad) => return Ok(Told::Bad(bad)),
    };
    let proof = question.shown(&credential);
    let text = match credential {
        Credential::Key(text) | Credential::Bound(text) => text,
        Credential::None => return Ok(Told::Verdict(api, verify::nothing(world, Denied::NoKey, Mode::Real))),
    };
    let address = question.address.map(|address| address.to_string());
    let origin = Origin { node: Arc::clone(&world.node), request: Some(id.clone()), address: question.address };
    let call = call(&api, question, address.as_deref(), world.now());
    tracing::debug!(gateway = profile.name, api = named, "asked");
    let began = Instant::now();
    let verdict = verify::run(world, Sent { text: &text, proof: &proof }, &call, Mode::Real, &origin).await?;
    let target = question.uri.as_deref().unwrap_or_default();
    request_log::note(&verdict, (&text, &call, target), (profile.name, &origin), began);
    Ok(match verdict.outcome {
        Err(Denied::TooCostly { .. }) => Told::Bad(Bad("what this costs can never pass its limits")),
        Ok(()) | Err(_) => Told::Verdict(api, verdict),
    })
}

fn call<'a>(
    api: &'a Api,
    question: &'a Question<'_>,
    address: Option<&'a str>,
    now: crate::base::moment::Moment,
) -> Call<'a> {
    Call {
        environment: question.environment.as_deref(),
        scope: question.scope.clone(),
        address,
        method: question.method,
        path: question.path(),
        user_agent: question.user_agent,
        referer: question.referer,
        origin: question.origin,
        ..Call::new(&api.id, now)
    }
}
