//! Jobs of a manager that tells nobody of their ends. The real one does tell; what is tested here is what becomes of a start when
//! its end was missed.

use std::io::{BufRead as _, BufReader};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use fleet::ids::UnitName;
use fleet::system::service::ServiceManager as _;
use fleet::system::service::systemd::SystemdManager;
use futures_core::Stream as _;
use zbus::message::Type;
use zbus::{Connection, MessageStream, ObjectPath, Variant};

/// A bus of its own, which ends with the test.
struct Bus {
    daemon: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("--address=unix:path={}/bus", folder.path().display());
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address", &listen])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is missing: install the package dbus-user-session");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Answers as the manager does whose first unit came up, whose second one failed, and whose third one it has never heard of.
async fn silent_manager(address: &str, up: impl FnOnce()) -> zbus::Result<()> {
    let connection = zbus::connection::Builder::address(address).build().await?;
    connection.request_name("org.freedesktop.systemd1").await?;
    let mut calls = MessageStream::from(&connection);
    up();
    while let Some(call) = std::future::poll_fn(|context| Pin::new(&mut calls).poll_next(context)).await {
        let call = call?;
        if call.message_type() == Type::MethodCall {
            answer(&connection, &call).await?;
        }
    }
    Ok(())
}

async fn answer(connection: &Connection, call: &zbus::Message) -> zbus::Result<()> {
    let header = call.header();
    let first = || call.body().deserialize::<(String, String)>().map(|(unit, _)| unit);
    let path = |text: String| ObjectPath::try_from(text).unwrap();
    let name = |unit: String| unit.trim_end_matches(".service").replace(['-', '.'], "_");
    match header.member().map(|member| member.as_str().to_owned()).as_deref() {
        Some("StartUnit") => connection.reply(&header, &path(format!("/job/{}", name(first()?)))).await,
        Some("GetUnit") => {
            let unit: String = call.body().deserialize()?;
            if unit.contains("gone") {
                return connection.reply_error(&header, "org.freedesktop.systemd1.NoSuchUnit", &"not loaded").await;
            }
            connection.reply(&header, &path(format!("/unit/{}", name(unit)))).await
        }
        Some("Get") => {
            let is_up = header.path().is_some_and(|path| path.as_str().ends_with("up"));
            connection.reply(&header, &Variant::from(if is_up { "active" } else { "failed" })).await
        }
        Some("ListJobs") => {
            let none: Vec<(u32, String, String, String, ObjectPath<'_>, ObjectPath<'_>)> = Vec::new();
            connection.reply(&header, &none).await
        }
        Some("GetAll") => {
            let none: std::collections::BTreeMap<String, Variant<'_>> = std::collections::BTreeMap::new();
            connection.reply(&header, &none).await
        }
        _ => connection.reply(&header, &()).await,
    }
}

#[test]
fn an_end_that_nobody_told_of_is_found() {
    let bus = Bus::new();
    let (is_up, up) = channel();
    let address = bus.address.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(silent_manager(&address, || is_up.send(()).unwrap()))
    });
    up.recv().unwrap();
    let manager = SystemdManager::connect(&bus.address).unwrap();
    let fleet = fleet::ids::FleetId::new("shop").unwrap();
    let units =
        ["up", "down", "gone"].map(|name| UnitName::agent(&fleet, &fleet::ids::AgentName::new(name).unwrap()));
    let results = manager.start_many(&units, Duration::from_mins(1));
    assert!(results[0].is_ok(), "{results:?}");
    for (result, unit) in results.iter().zip(&units).skip(1) {
        let error = result.as_ref().unwrap_err().to_string();
        assert!(error.contains(unit.as_str()), "{error}");
    }
}
