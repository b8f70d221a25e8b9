//! The demonstration: the real server with a data folder of its own, a person, two clients, and
//! a small application beside it that shows each step.

mod beside;

use self::beside::{Wanted, Weather};
use super::{open, serve};
use crate::{
    account::user::Profile,
    apikey::{
        access::Caller,
        api::{Exchange, Settings},
        text::DEFAULT_PREFIX,
    },
    audit::{Actor, Origin},
    base::{
        base62,
        entropy::OsEntropy,
        fault::{Fault, Stop},
        id::ClientId,
        moment::SystemClock,
        scope::Scope,
        secret::Secret,
        uri::Resource,
    },
    config::{Config, DatabaseUrl, OfferedScope, ProtectedResource},
    demo::{API_SCOPE, DemoSettings, Front, KEY_SCOPE, Opening, Start, WEATHER, banner, relying_application},
    flow::{
        api_keys::{
            apis::{self, ApiSpec, Done, PlanSpec, TEMPLATES},
            refused::Refused,
        },
        manage_clients::{self, Added},
        manage_users::{self, NewUser},
        world::World,
    },
    oauth::register::RegistrationPolicy,
};
use serde_json::{Map, Value};
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// The person of the demonstration.
const USERNAME: &str = "ada";

/// What the demonstration must remember to be the same at its next start.
#[derive(serde::Serialize, serde::Deserialize)]
struct Remembered {
    password: String,
    application_id: ClientId,
    application_secret: String,
    machine_id: ClientId,
    machine_secret: String,
    keeper_id: ClientId,
    keeper_secret: String,
}

impl Drop for Remembered {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.password.zeroize();
        self.application_secret.zeroize();
        self.machine_secret.zeroize();
        self.keeper_secret.zeroize();
    }
}

/// What is shown beside the issuer.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where the relying application listens.
    pub application: SocketAddr,
    /// Where the weather API is to be had.
    pub weather: SocketAddr,
    /// The nginx to put in front of it, where there is one.
    pub nginx: String,
}

/// Runs it until it is told to end.
///
/// # Errors
/// A fault where it cannot start, such as an address in use or a folder that is not the demonstration's; nothing was
/// written then.
pub async fn run(mut config: Config, shown: Shown) -> Result<(), Fault> {
    let application = shown.application;
    let mut settings = settings(&config, application)?;
    config.resources.push(sample_api(&settings)?);
    config.outbound.allow.push(crate::config::Reachable::Network(application.ip().into()));
    beside::open_gateway(&mut config.gateway, &shown.nginx);
    let path = config.server.data_dir.join("demo.json");
    let wishes = serve::Wishes::hear()?;
    let held = Held::take(&config, &shown, &path)?;
    let world = open::open(&config, &open::Edges::system()).await?;
    let (remembered, start) = match recall(&path)? {
        Some(remembered) => (remembered, Start::Again),
        None => (populate(&world, &settings, &path).await?, Start::First),
    };
    settings.client_id = remembered.application_id.clone();
    settings.client_secret = Secret::new(remembered.application_secret.clone());
    settings.password = Secret::new(remembered.password.clone());
    let opening = opening(&config, &settings, &remembered, start);
    let beside = relying_application(settings, held.application).map_err(|e| unheard(application, e))?;
    let handle = beside.handle();
    actix_web::rt::spawn(beside);
    let wanted = Wanted {
        issuer: config.server.issuer.clone(),
        client_id: remembered.keeper_id.clone(),
        client_secret: Secret::new(remembered.keeper_secret.clone()),
        listen: shown.weather,
        nginx: shown.nginx,
        folder: config.server.data_dir.join("nginx"),
    };
    let mut weather = None;
    let origin = serve::Origin { file: None, logs: None };
    let ended = serve::until_told(config, (world, held.issuer), &origin, wishes, |running| {
        let begun = Weather::start(&wanted, held.weather, running.gateway)?;
        let opening = Opening { weather: format!("http://{}", wanted.listen), front: begun.front.clone(), ..opening };
        weather = Some(begun);
        // Where nobody reads what is printed, the server serves all the same.
        let _ = io::stdout().lock().write_all(banner(&opening).as_bytes());
        Ok(())
    })
    .await;
    if let Some(weather) = weather {
        weather.end().await;
    }
    handle.stop(false).await;
    ended
}

/// The addresses of the demonstration.
struct Held {
    issuer: serve::Sockets,
    application: TcpListener,
    weather: TcpListener,
}

impl Held {
    /// Takes them all, and then marks the folder as the demonstration's, so that one that ends in its first start goes on
    /// there. Where it is somebody else's or an address is in use, nothing was written.
    fn take(config: &Config, shown: &Shown, remembered: &Path) -> Result<Self, Fault> {
        refuse_what_is_in_earnest(config, remembered)?;
        let application = TcpListener::bind(shown.application).map_err(|e| unheard(shown.application, e))?;
        let weather = beside::listen(shown.weather)?;
        let held = Self { issuer: serve::Sockets::bind(config)?, application, weather };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.server.data_dir);
        let marked = made.and_then(|()| OpenOptions::new().append(true).create(true).mode(0o600).open(remembered));
        marked.map_err(|e| Fault::new(format!("writing {}", remembered.display()), e))?;
        Ok(held)
    }
}

fn unheard(at: SocketAddr, error: io::Error) -> Fault {
    Fault::new(format!("listening on {at} for the demonstration's application"), error)
}

/// A folder with a database or a key in which no demonstration was begun is somebody's in earnest: no person and no
/// clients are added to it.
fn refuse_what_is_in_earnest(config: &Config, remembered: &Path) -> Result<(), Fault> {
    let DatabaseUrl::Sqlite(database) = config.database_url() else {
        return Err(Fault::bare("the demonstration has a database of its own"));
    };
    if remembered.exists() {
        return Ok(());
    }
    match [database, config.kek_file()].iter().find(|path| path.exists()) {
        Some(path) => Err(Fault::bare(format!(
            "{} is there, and is not the demonstration's: give the demonstration a folder of its own, such as --data \
             ./keywright-demo",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn opening(config: &Config, settings: &DemoSettings, remembered: &Remembered, start: Start) -> Opening {
    Opening {
        issuer: config.server.issuer.clone(),
        application: settings.origin(),
        username: USERNAME.to_owned(),
        password: settings.password.clone(),
        machine_id: remembered.machine_id.clone(),
        machine_secret: Secret::new(remembered.machine_secret.clone()),
        keeper_id: remembered.keeper_id.clone(),
        keeper_secret: Secret::new(remembered.keeper_secret.clone()),
        weather: String::new(),
        front: Front::Nginx,
        data: config.server.data_dir.display().to_string(),
        start,
    }
}

fn settings(config: &Config, application: SocketAddr) -> Result<DemoSettings, Fault> {
    Ok(DemoSettings {
        issuer: config.server.issuer.clone(),
        listen: application,
        client_id: ClientId::parse("unknown").ok_or_else(|| Fault::bare("reading a constant"))?,
        client_secret: Secret::new(String::new()),
        username: USERNAME.to_owned(),
        password: Secret::new(String::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
    })
}

fn sample_api(settings: &DemoSettings) -> Result<ProtectedResource, Fault> {
    let identifier =
        Resource::parse(&settings.resource()).map_err(|e| Fault::new("reading the sample API's address", e))?;
    let scope =
        OfferedScope { name: API_SCOPE.to_owned(), description: "read the demonstration's greetings".to_owned() };
    Ok(ProtectedResource { identifier, name: "the demonstration's sample API".to_owned(), scopes: vec![scope] })
}

fn recall(path: &Path) -> Result<Option<Remembered>, Fault> {
    match fs::read(path) {
        // It was begun, and ended before anything was to be remembered.
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|e| Fault::new(format!("reading {}; delete its folder to begin anew", path.display()), e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Fault::new(format!("reading {}", path.display()), e)),
    }
}

async fn populate(world: &World, settings: &DemoSettings, path: &Path) -> Result<Remembered, Fault> {
    let password = base62::random(16, &*world.dice)?;
    let profile = Profile {
        name: Some("Ada Lovelace".to_owned()),
        given_name: Some("Ada".to_owned()),
        family_name: Some("Lovelace".to_owned()),
        email: Some("ada@example.com".to_owned()),
        email_verified: true,
        locale: Some("en".to_owned()),
        zoneinfo: Some("Europe/London".to_owned()),
        ..Profile::default()
    };
    let person = NewUser { username: USERNAME.to_owned(), profile, password: Some(Secret::new(password.clone())) };
    match manage_users::add(world, person, by()).await {
        Ok(_) => {}
        // The first start ended in the middle: the person is there, but nobody knows their password.
        Err(Stop::Refusal(_)) => {
            manage_users::set_password(world, USERNAME, Secret::new(password.clone()), by()).await.map_err(told)?;
        }
        Err(Stop::Fault(fault)) => return Err(fault),
    }
    let application = client(world, &settings.client_metadata()).await?;
    let machine = client(world, &settings.machine_metadata()).await?;
    let keeper = client(world, &settings.keeper_metadata()).await?;
    weather(world).await?;
    let secret = |added: &Added| added.secret.as_ref().map(|s| s.expose().clone()).unwrap_or_default();
    let remembered = Remembered {
        password,
        application_secret: secret(&application),
        application_id: application.client.id,
        machine_secret: secret(&machine),
        machine_id: machine.client.id,
        keeper_secret: secret(&keeper),
        keeper_id: keeper.client.id,
    };
    write(path, &remembered)?;
    Ok(remembered)
}

/// The weather API and its free plan; those of a first start that ended in the middle are as good.
async fn weather(world: &World) -> Result<(), Fault> {
    let done = || Done { by: by(), origin: Origin::default() };
    let taken = |stop: Stop<Refused>| {
        if matches!(stop, Stop::Refusal(Refused::Taken(_))) { Ok(()) } else { Err(told(stop)) }
    };
    let (name, policy) = TEMPLATES.first().copied().unwrap_or_default();
    let policy = serde_json::from_str(policy).map_err(|e| Fault::new("reading the template of a plan", e))?;
    let plan = PlanSpec { name: name.to_owned(), policy };
    apis::add_plan(world, &Caller::Operator, plan, done()).await.map(drop).or_else(taken)?;
    let scopes = Scope::parse(KEY_SCOPE).map_err(|e| Fault::new("reading a constant", e))?;
    let api = ApiSpec {
        name: "weather".to_owned(),
        audience: Resource::parse(WEATHER).map_err(|e| Fault::new("reading a constant", e))?,
        prefix: Some(DEFAULT_PREFIX.to_owned()),
        environments: vec!["live".to_owned(), "test".to_owned()],
        plan: Some(name.to_owned()),
        policy: Map::new(),
        settings: Settings { scopes, exchange: Exchange::Metered, ..Settings::default() },
    };
    apis::add(world, &Caller::Operator, api, done()).await.map(drop).or_else(taken)
}

fn by() -> Actor {
    Actor::Operator("demo".to_owned())
}

async fn client(world: &World, metadata: &Value) -> Result<Added, Fault> {
    let empty = Map::new();
    let members = metadata.as_object().unwrap_or(&empty);
    manage_clients::add(world, None, members, RegistrationPolicy::default(), by()).await.map_err(told)
}

/// A refusal of what the demonstration itself made is a fault.
fn told<R: std::fmt::Display>(stop: Stop<R>) -> Fault {
    match stop {
        Stop::Fault(fault) => fault,
        Stop::Refusal(refusal) => Fault::bare(format!("populating the demonstration: {refusal}")),
    }
}

fn write(path: &Path, remembered: &Remembered) -> Result<(), Fault> {
    let failed = |e: io::Error| Fault::new(format!("writing {}", path.display()), e);
    let text =
        serde_json::to_vec_pretty(remembered).map_err(|e| Fault::new("writing the demonstration's secrets", e))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)
}
