//! The env writer against the environment that a real service manager gives to a real process.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use fleet::render::{FileKind, Target, render};
use fleet_fuzz::bytes::Bytes;
use fleet_fuzz::manager::Manager;
use fleet_fuzz::roster;
use libfuzzer_sys::fuzz_target;

/// Variables of one input, which share one start.
const MOST: usize = 40;

const UNIT: &str = "fleet-fuzz-env.service";

type Environment = BTreeMap<Vec<u8>, Vec<u8>>;

fuzz_target!(|data: &[u8]| {
    let (manager, bare) = oracle();
    let mut bytes = Bytes::new(data, "/tmp/fleet-fuzz-canary");
    let Some(fleet) = fleet(&mut bytes, manager) else { return };
    let agent = &fleet.agents[0];
    let file = render(&fleet, Target { systemd: None }).into_iter().find(|artifact| artifact.kind == FileKind::Env);
    fs::write(manager.folder.join("env"), file.expect("an env file").text.as_bytes()).expect("the env file");
    let seen = start(manager).unwrap_or_else(|| panic!("the unit does not start with {:?}", agent.env));
    let mut meant = bare.clone();
    meant.extend(agent.env.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())));
    for (name, value) in &meant {
        let shown = |value: Option<&Vec<u8>>| value.map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(shown(seen.get(name)), shown(Some(value)), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(seen.len(), meant.len(), "more than was meant: {seen:?}");
});

fn fleet(bytes: &mut Bytes, manager: &Manager) -> Option<fleet::resolve::Fleet> {
    let host = roster::host(&mut Bytes::new(&[], ""), &manager.folder, &manager.units);
    let mut variables = Vec::new();
    let bytes_are_plain = bytes.byte() != 0xff;
    while !bytes.is_empty() && variables.len() < MOST {
        // The name is hostile once in a while; a roster that is refused for it tests nothing else.
        let name = if bytes.byte() == 0xff { bytes.text() } else { format!("V{}", variables.len()) };
        // The same goes for what fleet refuses in every value.
        let refused = |c: char| c.is_control() && bytes_are_plain;
        variables.push((name, bytes.text().replace(refused, "")));
    }
    roster::with_variables(&variables, &host).ok()
}

/// The manager, and the environment of a unit without an env file.
fn oracle() -> &'static (Manager, Environment) {
    static ORACLE: OnceLock<(Manager, Environment)> = OnceLock::new();
    ORACLE.get_or_init(|| {
        let manager = Manager::start();
        let folder = manager.folder.display();
        let unit = format!(
            "[Service]\nType=oneshot\nEnvironmentFile={folder}/env\nExecStart=/usr/bin/env -0\n\
             StandardOutput=truncate:{folder}/seen\nStartLimitIntervalSec=0\n[Unit]\nStartLimitIntervalSec=0\n"
        );
        fs::write(manager.units.join(UNIT), unit).expect("the unit file");
        fs::write(manager.folder.join("env"), "").expect("the env file");
        manager.reload();
        manager.hold(UNIT);
        let bare = start(&manager).expect("the unit starts");
        assert!(bare.contains_key(b"PATH".as_slice()), "{bare:?}");
        (manager, bare)
    })
}

/// Starts the unit and reads what its process saw, but for what differs from start to start.
fn start(manager: &Manager) -> Option<Environment> {
    let seen = manager.folder.join("seen");
    let _ = fs::remove_file(&seen);
    if !manager.run(UNIT) {
        manager.reset();
        return None;
    }
    Some(read(&seen))
}

fn read(path: &Path) -> Environment {
    let bytes = fs::read(path).expect("what the process saw");
    let entries = bytes.strip_suffix(b"\0").expect("whole").split(|byte| *byte == 0);
    let mut seen = Environment::new();
    for entry in entries {
        let at = entry.iter().position(|byte| *byte == b'=').expect("a name and a value");
        let twice = seen.insert(entry[..at].to_owned(), entry[at + 1..].to_owned());
        assert_eq!(twice, None, "{} stands twice", String::from_utf8_lossy(&entry[..at]));
    }
    for own in
        ["INVOCATION_ID", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"]
    {
        seen.remove(own.as_bytes());
    }
    seen
}
