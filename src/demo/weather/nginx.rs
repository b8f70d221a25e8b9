//! nginx in front of the weather API: a process of its own, with a configuration of its own, that
//! ends when ours does, in whatever way ours ends.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The configuration that the example ships, whose addresses are replaced.
const SHIPPED: &str = include_str!("../../../examples/weather/nginx.conf");
/// Starts a program and ends it when nothing holds the other end of standard input any more. The
/// system closes that end for us even where we are killed.
const UNTIL_WE_END: &str = r#""$0" "$@" & child=$!; cat >/dev/null; kill "$child" 2>/dev/null; wait "$child""#;
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether there is such a program, and it runs.
#[must_use]
pub fn present(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// Three addresses: of clients, of the listener for gateways, of the API.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    /// Where clients come.
    pub listen: SocketAddr,
    /// The issuer's listener for gateways.
    pub gateway: SocketAddr,
    /// The API behind it.
    pub api: SocketAddr,
}

impl Between {
    /// The configuration for these addresses.
    fn configuration(&self) -> String {
        let addresses =
            [("127.0.0.1:8000", self.listen), ("127.0.0.1:8081", self.gateway), ("127.0.0.1:9000", self.api)];
        let line = |line: &str| {
            let one = addresses.iter().find(|(shipped, _)| line.contains(shipped));
            one.map_or_else(|| line.to_owned(), |(shipped, own)| line.replace(shipped, &own.to_string()))
        };
        SHIPPED.lines().map(|text| line(text) + "\n").collect()
    }
}

/// An nginx that runs until this is dropped.
#[derive(Debug)]
pub struct Nginx(Child);

impl Nginx {
    /// Starts it with everything that it writes in `folder`, which is made. Its worker runs as the
    /// user that the program was built for where we are root, else as us. It blocks until it serves.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn start(program: &str, folder: &Path, between: &Between) -> Result<Self, String> {
        let failed = |e: io::Error| e.to_string();
        fs::create_dir_all(folder).map_err(failed)?;
        let folder = fs::canonicalize(folder).map_err(failed)?;
        fs::write(folder.join("nginx.conf"), between.configuration()).map_err(failed)?;
        let tried = Command::new(program).args(["-t", "-q", "-p"]).arg(&folder).args(["-c", "nginx.conf"]).output();
        let tried = tried.map_err(failed)?;
        if !tried.status.success() {
            let told = String::from_utf8_lossy(&tried.stderr).into_owned();
            return Err(told.lines().find(|line| line.contains("[emerg]")).unwrap_or(&told).trim().to_owned());
        }
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_WE_END, program, "-p"]).arg(&folder).args(["-c", "nginx.conf"]);
        // Away from the keys of a terminal: a Ctrl-C is for us, and it ends after us.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self(command.spawn().map_err(failed)?);
        let begun = Instant::now();
        while TcpStream::connect(between.listen).is_err() {
            if begun.elapsed() > PATIENCE {
                let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                return Err(log.lines().next_back().unwrap_or("it does not serve").to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It is gone, or will be soon: there is nobody to tell.
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_shipped_configuration_is_replaced_by_its_own() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        // One of ours may be another of the shipped ones.
        let text = Between { listen: at(8081), gateway: at(9000), api: at(8000) }.configuration();
        for line in ["listen 127.0.0.1:8081;", "{ server 127.0.0.1:9000; keepalive 8; }", "{ server 127.0.0.1:8000; }"]
        {
            assert_eq!(text.matches(line).count(), 1, "{line} in\n{text}");
        }
        assert_eq!(text.matches("127.0.0.1:").count(), 3);
    }

    #[test]
    fn a_program_that_is_not_there_is_not_present() {
        assert!(!present("no-such-nginx"));
    }

    #[test]
    fn what_is_started_ends_when_nobody_holds_its_input() {
        let mut child =
            Command::new("sh").args(["-c", UNTIL_WE_END, "sleep", "600"]).stdin(Stdio::piped()).spawn().unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success(), "it was ended by a signal");
    }
}
