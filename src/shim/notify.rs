//! The service manager's notification socket (sd_notify(3)).

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::report;

/// Where to tell the manager, if there is one that listens.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    target: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// From the value of `NOTIFY_SOCKET`. A manager that cannot be told is reported, never fatal.
    pub(super) fn new(address: Option<&OsStr>) -> Self {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Self::default() };
        let made = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(address),
        };
        let socket = made.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        });
        match socket {
            Ok(target) => Self { target: Some(target) },
            Err(error) => {
                report(format_args!("NOTIFY_SOCKET={}: {error}", address.display()));
                Self::default()
            }
        }
    }

    /// Sends one message, e.g. `READY=1`.
    pub(super) fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.target
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            report(format_args!("the service manager could not be told {message:?}: {error}"));
        }
    }
}
