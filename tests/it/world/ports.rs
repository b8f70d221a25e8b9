//! Ports for programs that are told where to listen. A port that the system gave away and took back may be given to
//! somebody else before the program listens there, and a connection going out may begin at it: these are below all that
//! the system gives away, and of one process while it lives.

use std::{
    fs::File,
    net::TcpListener,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

/// The first of all.
const FIRST: u16 = 10_000;
/// How many a process has to itself.
const EACH: u16 = 500;
/// How many processes there may be.
const PLACES: u16 = 20;

/// Where those of this process begin, and what tells others that they are taken.
fn mine() -> u16 {
    static MINE: OnceLock<(u16, Option<File>)> = OnceLock::new();
    let begin = std::process::id() as u16 % PLACES;
    let take = |place: u16| {
        let path = std::env::temp_dir().join(format!("keywright-ports-{}-{place}", rustix::process::getuid().as_raw()));
        let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
        file.try_lock().is_ok().then_some((FIRST + place * EACH, Some(file)))
    };
    let taken = || (0..PLACES).find_map(|n| take((begin + n) % PLACES));
    MINE.get_or_init(|| taken().unwrap_or((FIRST + begin * EACH, None))).0
}

/// A port of this machine at which nobody listens.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mine = mine();
    let mut each = (0..EACH).map(|_| mine + NEXT.fetch_add(1, Ordering::SeqCst) % EACH);
    each.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
