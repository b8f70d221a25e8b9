//! The sockets that are listened on.

use std::{io, net::TcpListener, time::Duration};

/// Ends each connection made here whose reader takes nothing of what is sent to it for this long, in
/// whole milliseconds: else one that keeps its window shut would hold its place for ever. Linux counts
/// that (`TCP_USER_TIMEOUT`) and hands it on to what is accepted; a connection on which
/// nothing is sent it leaves alone.
///
/// # Errors
/// That of the system.
pub(super) fn bounded(socket: TcpListener, untaken: Duration) -> io::Result<TcpListener> {
    let millis = u32::try_from(untaken.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(&socket, millis)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, net::TcpStream};

    #[test]
    fn a_reader_that_takes_nothing_loses_its_connection() {
        let socket = bounded(TcpListener::bind("127.0.0.1:0").unwrap(), Duration::from_millis(500)).unwrap();
        let reader = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let (mut writer, _) = socket.accept().unwrap();
        // Without the bound it would block; then this ends the test, with another error.
        writer.set_write_timeout(Some(Duration::from_secs(120))).unwrap();
        let error = writer.write_all(&vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(reader);
    }
}
