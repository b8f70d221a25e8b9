//! A Redis of one's own, to be killed, stopped and emptied; or the one that `TEST_REDIS` names,
//! for tests that only count. Where there is none, such tests say so and do nothing.

use keywright::{base::secret::Secret, cluster::Counters};
use std::{
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer than it takes on any machine to start, or to answer.
const LONG: Duration = Duration::from_secs(60);

pub struct Redis {
    child: Option<Child>,
    port: u16,
    url: String,
}

impl Redis {
    /// For tests that only count, under keys of their own.
    pub fn any() -> Option<Self> {
        match std::env::var("TEST_REDIS") {
            Ok(url) => Some(Self { child: None, port: 0, url }),
            Err(_) => Self::own(),
        }
    }

    /// For tests that do something to it.
    pub fn own() -> Option<Self> {
        let port = super::ports::free_port();
        let mut redis = Self { child: None, port, url: format!("redis://127.0.0.1:{port}/0") };
        redis.start().then_some(redis)
    }

    /// Starts it, empty, where it was before.
    pub fn start(&mut self) -> bool {
        let port = self.port.to_string();
        let started = ["redis-server", "valkey-server"].iter().find_map(|name| {
            let mut command = Command::new(name);
            command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]);
            if rustix::process::getuid().is_root() {
                // Nobody.
                command.uid(65534).gid(65534);
            }
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(child) = started else {
            eprintln!("not tested: there is no redis-server and no valkey-server");
            return false;
        };
        self.child = Some(child);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < LONG, "Redis does not start");
            thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// A node that counts in it, also where this machine is so busy that it takes a while.
    pub fn node(&self, nodes: u32) -> Counters {
        self.node_within(LONG, nodes)
    }

    /// A node that counts in it, or alone where that takes longer.
    pub fn node_within(&self, deadline: Duration, nodes: u32) -> Counters {
        let counters = Counters::shared(10_000, &self.url(), deadline).unwrap();
        counters.nodes_alive(nodes);
        let begun = Instant::now();
        while counters.degraded() {
            assert!(begun.elapsed() < LONG, "it is not found");
            thread::sleep(Duration::from_millis(20));
        }
        counters
    }

    pub fn url(&self) -> Secret<String> {
        Secret::new(self.url.clone())
    }

    pub fn command(&self, words: &[&str]) -> redis::Value {
        let mut connection = redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection).unwrap()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it as SIGSTOP does: its connections stay, and nothing is answered.
    pub fn hang(&self) {
        self.signal(rustix::process::Signal::STOP);
        // It may have been in the middle of an answer.
        let state = format!("/proc/{}/stat", self.child.as_ref().unwrap().id());
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") T ")) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = self.child.as_ref().unwrap().id() as i32;
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.go_on();
            self.kill();
        }
    }
}
