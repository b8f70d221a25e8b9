//! A way to Postgres that breaks when it is told to: right after a statement was carried out, before whoever sent it
//! hears of that.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use url::Url;

/// How far a connection has come with the statement after which it is to break.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Other,
    /// It was sent to be prepared.
    Prepared,
    /// It was sent to be carried out.
    CarriedOut,
}

/// The way.
pub struct Cut {
    url: Url,
    wanted: Arc<Mutex<Option<&'static str>>>,
    cuts: Arc<Mutex<u32>>,
}

impl Cut {
    /// To the database at this URL.
    pub fn to(url: &str) -> Self {
        let mut url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // What is encrypted cannot be watched.
        url.query_pairs_mut().append_pair("sslmode", "disable");
        let it = Self { url, wanted: Arc::default(), cuts: Arc::default() };
        let (wanted, cuts) = (Arc::clone(&it.wanted), Arc::clone(&it.cuts));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                join(&client, &server, &wanted, &cuts);
            }
        });
        it
    }

    /// The URL of the database by this way.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// From now on, the first connection on which a statement that begins like this is prepared breaks when it is
    /// carried out.
    pub fn after(&self, statement: &'static str) {
        *self.wanted.lock().unwrap() = Some(statement);
    }

    /// How many connections have broken.
    pub fn cuts(&self) -> u32 {
        *self.cuts.lock().unwrap()
    }
}

/// Carries what either side sends, in a thread for each.
fn join(client: &TcpStream, server: &TcpStream, wanted: &Arc<Mutex<Option<&'static str>>>, cuts: &Arc<Mutex<u32>>) {
    let stage = Arc::new(Mutex::new(Stage::Other));
    let (mine, wanted) = (Arc::clone(&stage), Arc::clone(wanted));
    carry(client, server, move |sent| {
        let mut stage = mine.lock().unwrap();
        let mut wanted = wanted.lock().unwrap();
        match (*stage, *wanted) {
            (Stage::Other, Some(text)) if sent.windows(text.len()).any(|part| part == text.as_bytes()) => {
                (*stage, *wanted) = (Stage::Prepared, None);
            }
            (Stage::Prepared, _) => *stage = Stage::CarriedOut,
            (Stage::Other | Stage::CarriedOut, _) => {}
        }
        true
    });
    let cuts = Arc::clone(cuts);
    carry(server, client, move |_| {
        let cut = *stage.lock().unwrap() == Stage::CarriedOut;
        if cut {
            *cuts.lock().unwrap() += 1;
        }
        !cut
    });
}

/// Carries from one to the other until either ends, or what was sent is not to go on.
fn carry(from: &TcpStream, to: &TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool + Send + 'static) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if !goes_on(&buffer[..n]) || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
