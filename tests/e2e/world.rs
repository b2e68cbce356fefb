//! A folder with a roster, the real `fleet`, and a service manager under it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::{As, LONG, UserManager, output, wait_for};

/// Which service manager fleet shall use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    Systemd,
    Local,
}

impl Manager {
    pub fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Local => "local",
        }
    }
}

/// One user, one folder, one fleet.
pub struct World {
    pub manager: UserManager,
    pub kind: Manager,
    pub folder: PathBuf,
    fleet: PathBuf,
}

impl World {
    pub fn new(who: As, kind: Manager) -> Self {
        let manager = UserManager::start(who);
        let fleet = manager.install(Path::new(env!("CARGO_BIN_EXE_fleet")));
        manager.install(Path::new(env!("CARGO_BIN_EXE_fleet-shim")));
        let folder = manager.base.join("work");
        let status = manager.command("mkdir").arg("-p").arg(&folder).status().unwrap();
        // The base folder belongs to the manager's user, so the user itself makes the rest.
        assert!(status.success());
        Self { manager, kind, folder, fleet }
    }

    /// Takes the two programs from another build.
    pub fn install_from(&mut self, folder: &Path) {
        self.fleet = self.manager.install(&folder.join("fleet"));
        self.manager.install(&folder.join("fleet-shim"));
    }

    /// Writes the roster as the manager's user would.
    pub fn roster(&self, text: &str) {
        fs::write(self.folder.join("fleet.kdl"), text).unwrap();
    }

    pub fn read_roster(&self) -> String {
        fs::read_to_string(self.folder.join("fleet.kdl")).unwrap()
    }

    /// The installed `fleet`.
    pub fn program(&self) -> &Path {
        &self.fleet
    }

    /// One agent's line of `status`, for a state folder of the test's own.
    pub fn status_of(&self, state: &Path, name: &str) -> Value {
        let mut command = self.command(&["status", "--json"]);
        let said = output(command.env("XDG_STATE_HOME", state), LONG);
        let status: Value = serde_json::from_slice(&said.stdout).unwrap();
        status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).cloned().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.manager.command(&self.fleet);
        command.args(arguments).current_dir(&self.folder).env("LANG", "C.UTF-8");
        command
    }

    /// Runs `fleet` and checks its exit status.
    pub fn fleet(&self, arguments: &[&str], expected: i32) -> String {
        self.fleet_within(arguments, expected, LONG)
    }

    /// The same with another bound.
    pub fn fleet_within(&self, arguments: &[&str], expected: i32, bound: std::time::Duration) -> String {
        let Output { status, stdout, stderr } = output(&mut self.command(arguments), bound);
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(expected), "fleet {arguments:?} as {:?}:\n{said}", self.manager.who);
        said
    }

    /// `fleet apply` with this world's manager.
    pub fn apply(&self, arguments: &[&str], expected: i32) -> String {
        let manager = format!("--manager={}", self.kind.word());
        self.fleet(&[&["apply", &manager], arguments].concat(), expected)
    }

    pub fn plan(&self) -> Vec<Value> {
        let manager = format!("--manager={}", self.kind.word());
        let said = output(&mut self.command(&["plan", "--json", &manager]), LONG);
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The plan's lines about agents, and its notes.
    pub fn assert_nothing_to_do(&self) {
        let plan = self.plan();
        let changes: Vec<_> =
            plan.iter().filter(|line| line["type"] == "agent" || line["type"] == "conflict").collect();
        assert!(changes.is_empty(), "{changes:#?}");
        let manager = format!("--manager={}", self.kind.word());
        self.fleet(&["plan", "--detailed-exitcode", &manager], 0);
    }

    pub fn status(&self) -> Value {
        let said = output(&mut self.command(&["status", "--json"]), LONG);
        serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)))
    }

    pub fn agent(&self, name: &str) -> Value {
        let status = self.status();
        let found = status["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    pub fn pid(&self, name: &str) -> u64 {
        self.agent(name)["pid"].as_u64().unwrap_or_else(|| panic!("{name} has no pid: {}", self.agent(name)))
    }

    pub fn wait_for_state(&self, name: &str, states: &[&str]) {
        wait_for(&format!("{name} in {states:?}; it is {}", self.agent(name)), || {
            states.contains(&self.agent(name)["state"].as_str().unwrap())
        });
    }

    pub fn state_folder(&self) -> PathBuf {
        self.manager.variable("XDG_STATE_HOME").join("fleet")
    }

    /// Every file below fleet's folders with all that a write would change.
    pub fn fingerprint(&self) -> BTreeMap<PathBuf, (u64, i64, i64)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.state_folder(), self.manager.unit_folder()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name().into_string().unwrap();
                // What agents write while they work.
                if name == "log" || name == "heartbeat" || name == "shim.err" {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path).unwrap();
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
            }
        }
        found
    }

    /// What fleet wrote for the agents and the manager, by content.
    pub fn fingerprint_of_texts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let rendered = ["manifest.json", "env", "role.md", "script.json"];
        let is_text = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let unit = [".service", ".target", ".slice"].iter().any(|ending| name.ends_with(ending));
            let generation = path.components().any(|part| part.as_os_str() == "generations");
            (rendered.contains(&name) || unit) && path.is_file() && !generation
        };
        let paths = self.fingerprint().into_keys().filter(|path| is_text(path));
        paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
    }

    /// When the user manager last read its unit files.
    pub fn last_reload(&self) -> String {
        let mut command = self.manager.command("systemctl");
        command.args(["--user", "show", "--property=UnitsLoadTimestampMonotonic", "--value"]);
        let said = output(&mut command, LONG);
        let text = String::from_utf8(said.stdout).unwrap().trim().to_owned();
        assert!(text.parse::<u64>().is_ok_and(|time| time > 0), "no time of the last reload: {text:?}");
        text
    }

    /// Runs `fleet` and counts what it asks of systemd over the real bus, by method name.
    pub fn bus_calls(&self, arguments: &[&str], expected: i32) -> BTreeMap<String, u32> {
        let mut command = self.manager.command("busctl");
        command.args(["--user", "monitor", "--json=short", "org.freedesktop.systemd1"]);
        let mut monitor = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
        // A call that is ours marks the beginning, another one the end: no call in between can be missed.
        let mark = |name: &str| {
            let mut command = self.manager.command("busctl");
            command.args(["--user", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"]);
            command.args(["org.freedesktop.systemd1.Manager", "GetUnit", "s", name]);
            let _ = output(&mut command, LONG);
        };
        let mut until = |name: &str| {
            let mut calls: BTreeMap<String, u32> = BTreeMap::new();
            loop {
                let line = lines.next().expect("the monitor ended").unwrap();
                if line.contains(name) && line.contains("GetUnit") {
                    return calls;
                }
                let message: Value = serde_json::from_str(&line).unwrap();
                if message["type"] == "method_call" {
                    *calls.entry(message["member"].as_str().unwrap().to_owned()).or_default() += 1;
                }
            }
        };
        // The monitor may need a moment until it sees the bus: marks are sent until one is seen.
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    mark("begin.service");
                }
            });
            until("begin.service");
            stop.store(true, Ordering::Relaxed);
        });
        self.fleet(arguments, expected);
        mark("end.service");
        let mut calls = until("end.service");
        calls.remove("GetUnit");
        monitor.kill().unwrap();
        monitor.wait().unwrap();
        calls
    }

    /// Units of any fleet that the user manager has loaded.
    pub fn loaded_units(&self) -> String {
        let mut command = self.manager.command("systemctl");
        command.args(["--user", "list-units", "--all", "--no-legend", "--plain", "fleet-*"]);
        String::from_utf8(output(&mut command, LONG).stdout).unwrap().trim().to_owned()
    }
}
