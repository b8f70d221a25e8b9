//! A small HTTP/1.1 client on one kept connection. It never repeats a request by itself: what became of one that got no
//! answer is what these tests are about.

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// No answer came: the server may or may not have done what was asked.
#[derive(Debug)]
pub(crate) struct NoAnswer;

pub(crate) struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
    /// A string member of a JSON answer; empty where there is none.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
    /// The server said that it cannot just now, and when to come again.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == 503 && self.header("retry-after").is_some()
    }
}

pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    timeout: Duration,
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, timeout: Duration::from_secs(60) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Result<Reply, NoAnswer> {
        self.send("GET", target, headers, "")
    }

    pub(crate) fn post_form(
        &mut self,
        target: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Result<Reply, NoAnswer> {
        let headers = [headers, &[("Content-Type", "application/x-www-form-urlencoded")]].concat();
        self.send("POST", target, &headers, &form(fields))
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Reply, NoAnswer> {
        let done = self.exchange(method, target, headers, body);
        match done {
            Ok((reply, true)) => Ok(reply),
            Ok((reply, false)) => {
                self.stream = None;
                Ok(reply)
            }
            Err(_) => {
                self.stream = None;
                Err(NoAnswer)
            }
        }
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<(Reply, bool)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(self.timeout))?;
                stream
            }
        };
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes())?;
        let (reply, keep) = read_reply(&mut stream)?;
        self.stream = Some(stream);
        Ok((reply, keep))
    }
}

fn read_reply(stream: &mut TcpStream) -> std::io::Result<(Reply, bool)> {
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>| -> std::io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match stream.read(&mut chunk)? {
            0 => Err(cut()),
            n => {
                bytes.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    };
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(&mut bytes)?;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut reply = Reply { status, headers, body: String::new() };
    let length: usize = reply.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(reply.header("transfer-encoding").is_none(), "answers of ours have a length");
    while bytes.len() < head + 4 + length {
        more(&mut bytes)?;
    }
    reply.body = String::from_utf8_lossy(&bytes[head + 4..]).into_owned();
    let keep = !reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok((reply, keep))
}

/// Percent-encoding of everything that is not unreserved.
pub(crate) fn encode(text: &str) -> String {
    let one = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    fields.iter().map(one).collect::<Vec<_>>().join("&")
}
