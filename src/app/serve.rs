//! The server's life: listen, keep house, hear signals, drain, stop.

use super::{
    declared, open,
    reload::{self, InForce},
    socket,
};
use crate::{
    base::{fault::Fault, moment::Span},
    config::Config,
    flow::{api_keys::upkeep, deliver, follow, keys_elsewhere, nodes, pace::either, presence, sweep, world::World},
    http::{
        edge,
        gateway::{self, Door},
        routes,
        site::Site,
    },
    telemetry::{Logs, metrics},
};
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    rt,
    web::{self, Data},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
};
use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// For how long a reader may take nothing of an answer.
const UNTAKEN: Duration = Duration::from_secs(60);
/// Connections that wait in the system's queue.
const BACKLOG: u32 = 1024;

/// A server that listens, and the means to end it.
pub struct Running {
    /// Where it listens: with port 0 in the settings, the port that the system chose.
    pub address: SocketAddr,
    /// Where it listens for gateways, if it does.
    pub gateway: Option<SocketAddr>,
    /// The site, for changes while it runs.
    pub site: Arc<Site>,
    servers: Vec<ServerHandle>,
    operators: Option<ServerHandle>,
    stop: watch::Sender<bool>,
    drain: Span,
    housekeeping: Vec<rt::task::JoinHandle<()>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running at {}", self.address)
    }
}

fn listen(at: SocketAddr, what: &str) -> Result<TcpListener, Fault> {
    let socket = TcpListener::bind(at).and_then(|socket| socket::bounded(socket, UNTAKEN));
    socket.map_err(|e| Fault::new(format!("listening on {at} for {what}"), e))
}

/// Where a server will listen: every address is its own already, and whoever connects waits until it has started.
#[derive(Debug)]
pub struct Sockets {
    public: TcpListener,
    metrics: Option<TcpListener>,
    gateway: Option<TcpListener>,
}

impl Sockets {
    /// Takes the addresses that the settings name, all or none: before anything is written, so that a server that finds
    /// one in use, perhaps by another of the same name, has said nothing.
    ///
    /// # Errors
    /// A fault where an address cannot be listened on.
    pub fn bind(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            public: listen(config.server.listen, "requests")?,
            metrics: config.server.metrics_listen.map(|at| listen(at, "metrics")).transpose()?,
            gateway: config.gateway.listen.map(|at| listen(at, "gateways")).transpose()?,
        })
    }
}

/// Starts serving a world on the current actix system.
///
/// # Errors
/// A fault where the keys or the database are away.
pub async fn start(config: &Config, world: Arc<World>, sockets: Sockets) -> Result<Running, Fault> {
    // A server that cannot sign says so now, not to those who ask for tokens.
    keys_elsewhere::check(&world).await?;
    // Before anything is answered: what was revoked is known, and a bad end of this node would be noticed.
    follow::now(&world).await?;
    presence::begin(&world).await?;
    let begun = begin(config, &world, sockets).await;
    if begun.is_err() {
        nodes::gone(&world).await;
        if let Err(error) = presence::end(&world).await {
            tracing::warn!(%error, "this node could not say that it has ended");
        }
    }
    begun
}

/// Starts what answers and what keeps house, once it is said that this node is running.
async fn begin(config: &Config, world: &Arc<World>, sockets: Sockets) -> Result<Running, Fault> {
    nodes::now(world).await?;
    let site = Data::new(Site::new(Arc::clone(world), config.server.trusted_proxies.clone()));
    let at = |socket: &TcpListener| {
        socket.local_addr().map_err(|e| Fault::new("reading the address that is listened on", e))
    };
    let (address, gateway) = (at(&sockets.public)?, sockets.gateway.as_ref().map(at).transpose()?);
    let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let workers = config.worker_threads(cores);
    let public = public(&site, sockets.public, config, workers)?;
    let gateways = sockets.gateway.map(|socket| gateways(&site, socket, config, workers)).transpose()?;
    let operators = sockets.metrics.map(|socket| operators(&site, socket)).transpose()?;
    let begun = |server: Server| {
        let handle = server.handle();
        rt::spawn(server);
        handle
    };
    let servers = [Some(public), gateways].into_iter().flatten().map(begun).collect();
    let (stop, stopped) = watch::channel(false);
    let housekeeping = vec![
        rt::spawn(follow::run(Arc::clone(world), stopped.clone())),
        rt::spawn(nodes::run(Arc::clone(world), stopped.clone())),
        rt::spawn(sweep::run(Arc::clone(world), stopped.clone())),
        rt::spawn(upkeep::run(Arc::clone(world), stopped.clone())),
        rt::spawn(deliver::run(Arc::clone(world), stopped)),
    ];
    Ok(Running {
        address,
        gateway,
        site: site.into_inner(),
        servers,
        operators: operators.map(begun),
        stop,
        drain: config.server.drain_timeout,
        housekeeping,
    })
}

fn public(site: &Data<Site>, socket: TcpListener, config: &Config, workers: usize) -> Result<Server, Fault> {
    let site = site.clone();
    let drain = u64::try_from(config.server.drain_timeout.as_seconds()).unwrap_or(0);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .wrap(from_fn(edge::forget))
            .configure(|routes| routes::mount(routes, &site.clone().into_inner()))
            .default_service(web::to(routes::not_found))
    })
    .workers(workers)
    .backlog(BACKLOG)
    .max_connections(config.server.max_connections)
    .client_request_timeout(HEAD)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(drain)
    .disable_signals()
    .listen(socket);
    Ok(server.map_err(|e| Fault::new("starting the server", e))?.run())
}

/// The listener of gateways: one handler, which reads the path itself, as it was sent.
fn gateways(site: &Data<Site>, socket: TcpListener, config: &Config, workers: usize) -> Result<Server, Fault> {
    let door = Data::new(Door::new(&config.gateway, site));
    let drain = u64::try_from(config.server.drain_timeout.as_seconds()).unwrap_or(0);
    let app =
        move || App::new().app_data(door.clone()).wrap(from_fn(edge::forget)).default_service(web::to(gateway::ask));
    let server = HttpServer::new(app)
        .workers(workers)
        .backlog(BACKLOG)
        .max_connections(config.server.max_connections)
        .client_request_timeout(HEAD)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(drain)
        .disable_signals()
        .listen(socket);
    Ok(server.map_err(|e| Fault::new("starting the server of gateways", e))?.run())
}

fn operators(site: &Data<Site>, socket: TcpListener) -> Result<Server, Fault> {
    let site = site.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .route("/metrics", web::get().to(scrape))
            .route("/livez", web::get().to(crate::http::ops::livez))
            .route("/readyz", web::get().to(crate::http::ops::readyz))
    })
    .workers(1)
    .client_request_timeout(HEAD)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(socket);
    Ok(server.map_err(|e| Fault::new("starting the operators' server", e))?.run())
}

async fn scrape(site: Data<Site>) -> HttpResponse {
    let world = &site.world;
    world.metrics.hash_queue.set(world.hashing.waiting());
    let geo_days = world.geo.age(world.now()).map_or(0, |age| age.as_seconds() / 86400);
    world.metrics.geo_age.set(usize::try_from(geo_days).unwrap_or(0));
    world.metrics.limits_degraded.set(usize::from(world.counters.degraded()));
    world.metrics.revocations.set(world.revocations.len());
    HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(world.metrics.render())
}

impl Running {
    /// Takes no new connection, finishes what is under way, writes what waits to be written, and
    /// closes the database.
    pub async fn end(self) {
        self.site.world.set_draining();
        // Each is told to stop when it is asked to, and only then waited for: together they take as long as one.
        let stopping: Vec<_> = self.servers.iter().map(|server| server.stop(true)).collect();
        for stopped in stopping {
            stopped.await;
        }
        // What is measured of that can be asked for until it is over.
        if let Some(operators) = &self.operators {
            operators.stop(true).await;
        }
        // Nobody listens any more only where the housekeeping has ended already.
        let _ = self.stop.send(true);
        let housekeeping = self.housekeeping;
        let quiet = async move {
            for task in housekeeping {
                if let Err(error) = task.await {
                    tracing::warn!(%error, "housekeeping ended badly");
                }
            }
        };
        if tokio::time::timeout(self.drain.to_std(), quiet).await.is_err() {
            tracing::warn!("housekeeping did not end in time");
        }
        self.site.world.signers.quiet().await;
        let store = self.site.world.store.clone();
        if web::block(move || store.close()).await.is_err() {
            tracing::warn!("the database could not be closed in order");
        }
    }
}

/// What an operator wants of a server, told by signals.
#[derive(Debug)]
pub struct Wishes {
    reload: mpsc::UnboundedReceiver<()>,
    end: mpsc::UnboundedReceiver<()>,
    signals: Handle,
}

impl Wishes {
    /// Hears SIGHUP from now on, which would end the process, and keeps it until the server serves. The signals that
    /// are meant to end it do so at once until then.
    ///
    /// # Errors
    /// A fault where signals cannot be heard.
    pub fn hear() -> Result<Self, Fault> {
        let mut signals = Signals::new([SIGHUP]).map_err(|e| Fault::new("listening for signals", e))?;
        let handle = signals.handle();
        let ((tell_reload, reload), (tell_end, end)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let hear = move || {
            for signal in signals.forever() {
                let told = if signal == SIGHUP { tell_reload.send(()) } else { tell_end.send(()) };
                if told.is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(hear);
        thread.map_err(|e| Fault::new("starting a thread for signals", e))?;
        Ok(Self { reload, end, signals: handle })
    }

    /// From now on the process does not end by itself when it is told to (SIGTERM, SIGINT).
    fn hear_the_end(&self) -> Result<(), Fault> {
        let heard = [SIGTERM, SIGINT].iter().try_for_each(|signal| self.signals.add_signal(*signal));
        heard.map_err(|e| Fault::new("listening for signals", e))
    }
}

/// Where the settings of a running server came from, to read them again.
#[derive(Debug)]
pub struct Origin {
    /// The file, where there was one.
    pub file: Option<PathBuf>,
    /// The logs, whose level may change.
    pub logs: Option<Logs>,
}

/// Serves until it is told to end (SIGTERM, SIGINT); reads its settings again when told to (SIGHUP).
///
/// # Errors
/// A fault where it cannot start.
pub async fn run(config: Config, origin: Origin, wishes: Wishes) -> Result<(), Fault> {
    let world = open::open(&config, &open::Edges::system()).await?;
    let sockets = Sockets::bind(&config)?;
    declared::apply(&config, &world).await.map_err(|e| Fault::new("applying the declared clients", e))?;
    until_told(config, (world, sockets), &origin, wishes, |_| Ok(())).await
}

/// Serves a world until the process is told to end; `serving` is called when it listens.
///
/// # Errors
/// A fault where it cannot start, or the one of `serving`.
pub async fn until_told(
    config: Config,
    (world, sockets): (Arc<World>, Sockets),
    origin: &Origin,
    wishes: Wishes,
    serving: impl FnOnce(&Running) -> Result<(), Fault>,
) -> Result<(), Fault> {
    wishes.hear_the_end()?;
    let running = start(&config, world, sockets).await?;
    tracing::info!(issuer = %running.site.issuer, address = %running.address, "serving");
    if let Err(fault) = serving(&running) {
        running.end().await;
        return Err(fault);
    }
    let mut settings = InForce::new(config);
    let Wishes { reload: mut wanted, mut end, signals: _ } = wishes;
    let reloading = async {
        while wanted.recv().await.is_some() {
            reload::run(&mut settings, origin, &running.site).await;
        }
    };
    // Whoever is told to end does not first wait for secrets that take their time.
    let told_to_end = async {
        end.recv().await;
    };
    either(reloading, told_to_end).await;
    tracing::info!("draining");
    running.end().await;
    tracing::info!("stopped");
    Ok(())
}
