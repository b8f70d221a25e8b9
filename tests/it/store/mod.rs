//! The conformance suite of the store: every sentence holds on SQLite and on Postgres.

mod apis;
mod codes;
mod counts;
mod keys;
mod law;
mod listen;
mod outage;
mod people;
mod queries;
mod schema;
mod tables;
mod tokens;
mod very_many;

use crate::world::database::{Database, START, each};
use keywright::{
    account::{Amr, Profile, Session, User, Username},
    base::{
        digest::{Pepper, TokenHash},
        fault::{Fault, Stop},
        id::{ClientId, GrantId, SessionId, UserId},
        moment::Span,
        scope::Scope,
        secret::Secret,
        uri::Resource,
    },
    oauth::grant::{Authentication, ClaimsRequest, Code, Grant, Granted},
    store::{Store, Tx},
};

/// Work that cannot be refused.
type Plain<T> = Result<T, Stop<()>>;

fn write<T: Send + 'static>(store: &Store, mut f: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static) -> T {
    let done: Plain<T> = store.write_blocking("test", move |tx| Ok(f(tx)?));
    done.unwrap()
}

fn read<T: Send + 'static>(store: &Store, mut f: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static) -> T {
    let done: Plain<T> = store.read_blocking("test", move |tx| Ok(f(tx)?));
    done.unwrap()
}

fn fault_of<T, R>(outcome: Result<T, Stop<R>>) -> Fault {
    match outcome {
        Err(Stop::Fault(fault)) => fault,
        Err(Stop::Refusal(_)) => panic!("a refusal"),
        Ok(_) => panic!("it went well"),
    }
}

fn hash(text: &str) -> TokenHash {
    Pepper::new(1, &Secret::new([7; 32])).hash(text)
}

fn user(n: u128) -> User {
    User {
        id: UserId::from_u128(n),
        username: Username::parse(&format!("Ann{n}")).unwrap(),
        profile: Profile { name: Some("Ann \u{1f600} \"Lee\"".into()), ..Profile::default() },
        disabled_at: None,
        created_at: START,
        updated_at: START,
    }
}

fn session(n: u128, user: &User) -> Session {
    Session {
        id: SessionId::from_u128(n),
        user: user.id.clone(),
        auth_time: START,
        seen_at: START,
        amr: vec![Amr::Pwd],
        agent: Some("a browser".into()),
        address: "2001:db8::1".parse().ok(),
        ended_at: None,
    }
}

fn client() -> ClientId {
    ClientId::parse("shop").unwrap()
}

fn granted(user: &User, session: SessionId, scope: &str) -> Granted {
    Granted {
        client: client(),
        user: user.id.clone(),
        session,
        scope: Scope::parse(scope).unwrap(),
        resources: [Resource::parse("https://api.example/").unwrap()].into(),
        claims: ClaimsRequest::default(),
        authentication: Authentication { at: START, amr: vec!["pwd".into()], acr: None },
        nonce: Some("n-0S6_WzA2Mj".into()),
    }
}

fn grant(n: u128, user: &User, session: SessionId, scope: &str) -> Grant {
    Grant {
        id: GrantId::from_u128(n),
        granted: granted(user, session, scope),
        created_at: START,
        expires_at: START + Span::days(30),
    }
}

fn code(user: &User) -> Code {
    Code {
        granted: granted(user, SessionId::from_u128(1), "openid"),
        redirect_uri: "https://app.example/cb".into(),
        redirect_uri_was_sent: true,
        challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
        expires_at: START + Span::seconds(60),
    }
}

/// A person and a client, as most tests need them.
fn populate(database: &Database) -> User {
    let ann = user(1);
    let added = ann.clone();
    write(&database.store, move |tx| {
        tx.users().insert(&added, None)?.unwrap();
        tx.clients().insert(&client(), &serde_json::Map::new(), keywright::store::clients::Source::Command)?.unwrap();
        Ok(())
    });
    ann
}

/// Runs `f` on that many threads at once and gives back what they say.
fn at_once<T: Send>(threads: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let (f, barrier) = (&f, &barrier);
        let started: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn(move || {
                    barrier.wait();
                    f(n)
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
