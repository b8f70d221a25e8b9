//! `[server]`: who the server is and where it listens.

use super::section::section;
use crate::base::{moment::Span, uri::Issuer};
use ipnet::IpNet;
use std::{net::SocketAddr, path::PathBuf};

section! {
    /// Who the server is, where it listens, and which proxies it believes.
    Server = "server" {
        /// The issuer identifier: the address under which browsers and clients reach the server, and the
        /// `iss` of every token. It is never derived from a request. Plain http is for loopback hosts only.
        issuer: Issuer = "http://127.0.0.1:8080", Restart;
        /// Where to listen for plain HTTP. With an https issuer a proxy in front ends TLS; with an http
        /// issuer this must be a loopback address.
        listen: SocketAddr = "127.0.0.1:8080", Restart;
        /// Where to serve metrics for Prometheus, apart from the public port. Unset: nowhere.
        metrics_listen: Option<SocketAddr>, Restart;
        /// The directory of what the server keeps on disk: the SQLite database and a generated key.
        data_dir: PathBuf = "./keywright-data", Restart;
        /// Threads that serve requests. 0: one for each core.
        workers: usize = "0" in "0" .. "1024", Restart;
        /// The proxies whose `X-Forwarded-For` is believed when the address of a caller matters
        /// (throttling, audit). From anyone else the header is ignored.
        trusted_proxies: Vec<IpNet>, Live;
        /// The most connections open at once for each worker; more wait in the queue of the system.
        max_connections: usize = "4096" in "16" .. "1048576", Restart;
        /// How long requests in progress may take to end after SIGTERM.
        drain_timeout: Span = "10s" in "0s" .. "10m", Restart;
    }
}
