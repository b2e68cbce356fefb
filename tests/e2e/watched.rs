//! A supervised fleet, and what its supervisor says and wrote.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fleet::driver::client;
use fleet::driver::words::{Answer, Ask};
use fleet::journal::{Reader, inbox};
use fleet::supervise::event::Request;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{As, LONG};
use crate::world::{Manager, World};

pub const HEAD: &str = "fleet \"shop\" version=1 supervise=#true\nfloor \"exempt\" reason=\"x\"\n\
    defaults { stop-timeout \"2s\"; restart \"on-failure\" delay=\"1s\" max-delay=\"1s\" burst=3 within=\"1h\"; }\n";

pub struct Watched {
    pub world: World,
}

/// A canary that does `script`.
pub fn canary(name: &str, more: &str, script: &str) -> String {
    format!("agent \"{name}\" {{ role \"coder\"; {more} runtime \"canary\" {{ script {{ {script} }}; }}; }}\n")
}

/// Any program, by its words.
pub fn command(name: &str, more: &str, script: &str) -> String {
    format!(
        "agent \"{name}\" {{ role \"coder\"; {more} runtime \"command\" {{ argv \"sh\" \"-c\" #\"{script}\"#; }}; }}\n"
    )
}

impl Watched {
    /// Applies a fleet of `agents` as an ordinary user.
    pub fn new(kind: Manager, agents: &str) -> Self {
        let this = Self { world: World::new(As::User, kind) };
        this.roster(agents);
        this.world.apply(&["--yes"], 0);
        this
    }

    pub fn roster(&self, agents: &str) {
        self.world.roster(&format!("{HEAD}{agents}"));
    }

    pub fn state(&self) -> PathBuf {
        self.world.state_folder().join("shop")
    }

    pub fn runtime(&self) -> PathBuf {
        self.world.manager.variable("XDG_RUNTIME_DIR").join("fleet/shop")
    }

    pub fn pid(&self) -> u64 {
        let status = self.world.status();
        status["supervisor"]["pid"].as_u64().unwrap_or_else(|| panic!("no supervisor: {status}"))
    }

    /// Asks the supervisor as a person would.
    pub fn ask(&self, ask: Ask) -> Answer {
        client::ask(&self.runtime().join("supervisor.sock"), ask, LONG).unwrap()
    }

    /// Whether anybody answers.
    pub fn answers(&self) -> bool {
        client::ask(&self.runtime().join("supervisor.sock"), Ask::WhoAmI, LONG).is_ok()
    }

    pub fn clear(&self, agent: &str) {
        let agents = [fleet::ids::AgentName::new(agent).unwrap()].into();
        assert_eq!(self.ask(Ask::Clear { agents }), Answer::Done);
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.state()).unwrap().expect("a journal")
    }

    /// Everything that was decided of an agent: the rule, and why.
    pub fn decided(&self, agent: &str) -> Vec<(String, String)> {
        let rows = self.reader().decisions(0, Some(agent), 10_000).unwrap();
        rows.into_iter().map(|row| (row.rule, row.reason)).collect()
    }

    /// How often `rule` decided with `words` in its reason.
    pub fn count(&self, agent: &str, rule: &str, words: &str) -> usize {
        self.decided(agent).iter().filter(|(known, why)| known == rule && why.contains(words)).count()
    }

    pub fn wait_decided(&self, agent: &str, rule: &str, words: &str) {
        self.until(agent, &format!("{rule} {words:?}"), || self.count(agent, rule, words) > 0);
    }

    /// Waits for a condition, and tells the agent's trail when it does not come true.
    pub fn until(&self, agent: &str, what: &str, mut condition: impl FnMut() -> bool) {
        let end = Instant::now() + LONG;
        while !condition() {
            let now = || (self.world.status(), self.decided(agent), self.messages());
            assert!(Instant::now() < end, "never happened to {agent}: {what}: {:#?}", now());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives a file of the test's own making to the fleet's user.
    pub fn give(&self, file: &Path) {
        let owner = fs::metadata(self.state()).unwrap();
        std::os::unix::fs::chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Leaves a request in the inbox as a command does that finds no supervisor.
    pub fn leave(&self, request: &Request) -> PathBuf {
        let own = tempfile::tempdir_in(&self.world.manager.base).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let id = inbox::put(own.path(), u64::try_from(now.as_millis()).unwrap(), request).unwrap();
        let file = own.path().join(inbox::FOLDER).join(format!("{id}.json"));
        self.give(&file);
        let place = self.state().join(inbox::FOLDER).join(format!("{id}.json"));
        fs::rename(&file, &place).unwrap();
        place
    }

    pub fn notices(&self) -> Vec<String> {
        self.reader().notices(false, 1_000).unwrap().into_iter().map(|notice| notice.text).collect()
    }

    pub fn message(&self, id: &str) -> fleet::supervise::message::Message {
        self.reader().message(id).unwrap().expect("a message")
    }

    /// `fleet send`, which gives the message's id and what became of it so far.
    pub fn send(&self, agent: &str, text: &str, wait: &str) -> (String, String) {
        let mut command = self.world.command(&["send", "--json", "--wait", wait, agent, text]);
        let said = crate::support::output(&mut command, LONG);
        let answer: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)));
        (answer["id"].as_str().unwrap().to_owned(), answer["outcome"].as_str().unwrap().to_owned())
    }

    /// What became of a message at once; `None` when the supervisor ended in the middle of it.
    pub fn offer(&self, agent: &str, text: &str) -> Option<String> {
        let mut command = self.world.command(&["send", "--json", "--wait", "0", agent, text]);
        let said = crate::support::output(&mut command, LONG);
        let answer: Value = serde_json::from_slice(&said.stdout).ok()?;
        Some(answer["outcome"].as_str()?.to_owned())
    }

    pub fn messages(&self) -> Vec<fleet::supervise::message::Message> {
        self.reader().messages(None, 100_000).unwrap()
    }

    pub fn state_of(&self, agent: &str) -> String {
        self.world.agent(agent)["state"].as_str().unwrap().to_owned()
    }

    pub fn is(&self, agent: &str, state: &str) {
        self.world.wait_for_state(agent, &[state]);
    }

    /// The agent's own process, not its shim's.
    pub fn child(&self, agent: &str) -> u64 {
        let text = fs::read(self.state().join("agents").join(agent).join("run.json")).unwrap();
        let run: Value = serde_json::from_slice(&text).unwrap();
        run["child"]["pid"].as_u64().unwrap_or_else(|| panic!("{run}"))
    }

    /// Waits for another run than that of the shim `old`.
    pub fn comes_back(&self, agent: &str, old: u64) {
        self.until(agent, "it is back", || self.world.agent(agent)["pid"].as_u64().is_some_and(|pid| pid != old));
    }

    /// Death snapshots, oldest first.
    pub fn deaths(&self, agent: &str) -> Vec<PathBuf> {
        let folder = self.state().join("agents").join(agent).join("deaths");
        let mut found: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        found.sort();
        found
    }

    pub fn log(&self, agent: &str) -> String {
        let log = fs::read(self.state().join("agents").join(agent).join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub fn destroy(&self) {
        self.world.fleet(&["destroy", "--yes"], 0);
        assert!(!self.state().exists(), "{:?}", fs::read_dir(self.state()).unwrap().collect::<Vec<_>>());
    }
}

pub fn strike(pid: u64, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Memory in use, in kB.
pub fn rss(pid: u64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Voluntary and other context switches of each thread.
pub fn switches(pid: u64) -> BTreeMap<std::ffi::OsString, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of = |status: String| -> u64 {
        let lines = status.lines().filter(|line| line.contains("voluntary_ctxt_switches"));
        lines.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let read =
        |thread: fs::DirEntry| Some((thread.file_name(), of(fs::read_to_string(thread.path().join("status")).ok()?)));
    threads.filter_map(read).collect()
}
