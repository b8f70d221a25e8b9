//! The weather API of the demonstration: an API that there are keys for.
//!
//! Where nginx is installed it stands in front and asks the issuer's listener for gateways before
//! each call; the API then reads who calls from fields that only nginx writes. Where there is none,
//! the API asks by itself (`POST /v1/keys/verify`). Either way it takes the tokens that keys are
//! exchanged for, by introspection (RFC 7662), and reports what it served (`POST /v1/usage`).
//! Reading order: [`routes`], [`caller`], [`asked`], [`refused`], [`reports`], [`nginx`].

mod asked;
mod caller;
mod forecast;
mod nginx;
mod refused;
mod reports;
mod routes;

pub use nginx::{Between, Nginx, present};

use self::routes::Site;
use crate::base::{entropy::Entropy, id::ClientId, moment::Clock, secret::Secret, uri::Issuer};
use actix_web::{App, HttpServer, dev::Server, rt, web};
use std::{net::TcpListener, sync::Arc, time::Duration};

/// How often what was served is reported.
const REPORTED_EVERY: Duration = Duration::from_secs(1);

/// Who says whether a call is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// A gateway in front has asked; what it found stands in its fields.
    Gateway,
    /// The API asks by itself.
    Itself,
}

/// What the weather API is told at its start.
#[derive(Clone)]
pub struct WeatherSettings {
    /// The issuer whose keys and tokens it takes.
    pub issuer: Issuer,
    /// The client by which it proves itself: one that serves its audience.
    pub client_id: ClientId,
    /// The secret of that client.
    pub client_secret: Secret<String>,
    /// Who asks whether calls are good.
    pub asking: Asking,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for names of calls that nobody else names.
    pub entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for WeatherSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeatherSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("asking", &self.asking)
            .finish_non_exhaustive()
    }
}

/// Starts the API on a socket, on the actix system of the caller, and its reports beside it. The
/// returned server is a future that ends when it is stopped; it handles no signals itself.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn weather_api(settings: WeatherSettings, socket: TcpListener) -> std::io::Result<Server> {
    let site = web::Data::new(Site::new(settings));
    let reporting = site.clone();
    rt::spawn(async move {
        loop {
            rt::time::sleep(REPORTED_EVERY).await;
            let site = reporting.clone();
            // What could not be told this time is told the next.
            let _ = web::block(move || site.report()).await;
        }
    });
    let server = HttpServer::new(move || App::new().app_data(site.clone()).default_service(web::to(routes::call)))
        .workers(1)
        .disable_signals()
        .listen(socket)?
        .run();
    Ok(server)
}
