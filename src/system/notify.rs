//! The service manager's notification socket (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Longest wait for room in the manager's queue.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for what a start ends with. A unit whose `READY=1` is lost is killed for it after a minute, and of a thousand that start
/// at once on two cores 413 did not get it away in ten seconds.
const PATIENCE_READY: Duration = Duration::from_secs(55);

/// Where to tell the manager, if there is one that listens.
#[derive(Debug, Default)]
pub struct Notifier {
    target: Option<(UnixDatagram, SocketAddr)>,
    /// Told what went wrong, in words.
    report: Option<fn(std::fmt::Arguments<'_>)>,
}

impl Notifier {
    /// From the value of `NOTIFY_SOCKET`. A manager that cannot be told is reported, never fatal.
    #[must_use]
    pub fn new(address: Option<&OsStr>, report: fn(std::fmt::Arguments<'_>)) -> Self {
        let none = Self { target: None, report: Some(report) };
        let Some(address) = address.filter(|address| !address.is_empty()) else { return none };
        let made = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(address),
        };
        let socket = made.and_then(|address| Ok((UnixDatagram::unbound()?, address)));
        match socket {
            Ok(target) => Self { target: Some(target), ..none },
            Err(error) => {
                report(format_args!("NOTIFY_SOCKET={}: {error}", address.display()));
                none
            }
        }
    }

    /// Sends one message, e.g. `READY=1`.
    pub fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.target
            && let Err(error) = send(socket, message.as_bytes(), address)
            && let Some(report) = self.report
        {
            report(format_args!("the service manager could not be told {message:?}: {error}"));
        }
    }
}

/// Sends, and waits a while for a manager that many others are telling something too: its queue may hold no more than
/// ten messages (`net.unix.max_dgram_qlen`), and an agent whose `READY=1` is lost would be killed for it. The kernel wakes one
/// of those that wait for each message that is read; an unconnected datagram socket cannot be polled for room at its peer, and
/// whoever tries again by the clock comes late.
fn send(socket: &UnixDatagram, message: &[u8], address: &SocketAddr) -> io::Result<()> {
    let patience = if message.starts_with(b"READY=1") { PATIENCE_READY } else { PATIENCE };
    let deadline = Instant::now() + patience;
    loop {
        // None left is no time-out at all (socket(7)), so the last try has a moment.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_write_timeout(Some(left))?;
        match socket.send_to_addr(message, address) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && Instant::now() < deadline => {}
            other => return other.map(drop),
        }
    }
}
