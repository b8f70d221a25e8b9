//! The weather API of the demonstration, and what stands in front of it: nginx where that is
//! installed, else nothing.

use crate::{
    base::{entropy::OsEntropy, fault::Fault, id::ClientId, moment::SystemClock, secret::Secret, uri::Issuer},
    config::Gateway,
    demo::{self, Asking, Between, Front, Nginx, WeatherSettings},
};
use actix_web::{dev::ServerHandle, rt};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the weather API needs to know.
pub(super) struct Wanted {
    pub(super) issuer: Issuer,
    pub(super) client_id: ClientId,
    pub(super) client_secret: Secret<String>,
    /// Where its clients come.
    pub(super) listen: SocketAddr,
    /// The program to put in front.
    pub(super) nginx: String,
    /// Where nginx has its configuration and writes.
    pub(super) folder: PathBuf,
}

/// The weather API, while it runs.
pub(super) struct Weather {
    server: ServerHandle,
    /// Ends when this is dropped.
    nginx: Option<Nginx>,
    pub(super) front: Front,
}

/// Opens the listener for gateways where there is one to ask on it: on a port that the system chooses.
pub(super) fn open_gateway(gateway: &mut Gateway, nginx: &str) {
    if demo::present(nginx) {
        gateway.listen = Some(SocketAddr::new(HERE, 0));
        gateway.trusted_peers = vec![HERE.into()];
    }
}

impl Weather {
    /// Starts it, on the actix system of the caller. `socket` is what holds its address, so that nobody else's server is
    /// taken for nginx; `gateway` is where the issuer listens for gateways, if it does.
    ///
    /// # Errors
    /// A fault where an address is in use. An nginx that does not run is none: the API then asks by itself.
    pub(super) fn start(wanted: &Wanted, socket: TcpListener, gateway: Option<SocketAddr>) -> Result<Self, Fault> {
        // Given free for nginx.
        drop(socket);
        let why = match gateway {
            Some(gateway) => match behind_nginx(wanted, gateway)? {
                Ok(weather) => return Ok(weather),
                Err(why) => format!("nginx does not run here: {why}"),
            },
            None => format!("there is no program {} here", wanted.nginx),
        };
        let server = api(wanted, Asking::Itself, listen(wanted.listen)?)?;
        Ok(Self { server, nginx: None, front: Front::Nothing(why) })
    }

    /// Ends nginx, and then the API.
    pub(super) async fn end(self) {
        drop(self.nginx);
        self.server.stop(false).await;
    }
}

/// The API on a port of the system's choice, and nginx in front of it; the reason where nginx does not run.
fn behind_nginx(wanted: &Wanted, gateway: SocketAddr) -> Result<Result<Weather, String>, Fault> {
    let socket = listen(SocketAddr::new(HERE, 0))?;
    let at = socket.local_addr().map_err(|e| Fault::new("reading the address of the weather API", e))?;
    let between = Between { listen: wanted.listen, gateway, api: at };
    Ok(match Nginx::start(&wanted.nginx, &wanted.folder, &between) {
        Ok(nginx) => {
            let server = api(wanted, Asking::Gateway, socket)?;
            Ok(Weather { server, nginx: Some(nginx), front: Front::Nginx })
        }
        Err(why) => Err(why),
    })
}

/// Takes an address for the weather API.
///
/// # Errors
/// A fault where it is in use.
pub(super) fn listen(at: SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(at).map_err(|e| Fault::new(format!("listening on {at} for the weather API"), e))
}

fn api(wanted: &Wanted, asking: Asking, socket: TcpListener) -> Result<ServerHandle, Fault> {
    let settings = WeatherSettings {
        issuer: wanted.issuer.clone(),
        client_id: wanted.client_id.clone(),
        client_secret: wanted.client_secret.clone(),
        asking,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
    };
    let server = demo::weather_api(settings, socket).map_err(|e| Fault::new("starting the weather API", e))?;
    let handle = server.handle();
    rt::spawn(server);
    Ok(handle)
}
