//! Many agents without processes: records that name this very process, and shims in it that speak the real protocol.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fleet::driver::client;
use fleet::driver::words::{Answer, Ask, Status};
use fleet::shim::protocol::{Event, Frame, from_shim};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{As, LONG, wait_for};
use crate::watched::{Watched, strike};
use crate::world::{Manager, World};

/// A fleet of one real agent, `one`, and many simulated ones, `w-1` and so on, without a supervisor.
pub struct Simulated {
    pub fleet: Watched,
    pub names: Vec<String>,
    pub shims: Shims,
    /// `run.json` of each.
    record: Value,
}

/// The shims.
pub struct Shims {
    state: Arc<Shared>,
    /// Agents that get their socket (again).
    listen: UnboundedSender<(String, PathBuf)>,
}

#[derive(Default)]
struct Shared {
    subscribed: AtomicUsize,
    streams: Mutex<BTreeMap<String, UnboundedSender<Vec<u8>>>>,
    /// What each shows now.
    screens: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Simulated {
    /// `count` agents; `head` is the roster without them, `settings` are those of each.
    pub fn new(count: usize, head: &str, settings: &str, programs: Option<&Path>) -> Self {
        let mut world = World::new(As::User, Manager::Local);
        if let Some(programs) = programs {
            world.install_from(programs);
        }
        let fleet = Watched { world };
        let script = "runtime \"canary\" { script { wait; }; };";
        let mut text = String::from(head);
        write!(
            text,
            "agent \"one\" {{ role \"coder\"; {script} }}\n\
             agent \"w\" count={count} {{ role \"coder\"; autostart #false; {settings} {script} }}\n"
        )
        .unwrap();
        fleet.world.roster(&text);
        fleet.world.fleet_within(&["apply", "--yes", "--manager=local"], 0, 10 * LONG);
        fleet.is("one", "idle");
        strike(fleet.pid(), Signal::SIGKILL);
        let record = fs::read(fleet.state().join("agents/one/run.json")).unwrap();
        let mut record: Value = serde_json::from_slice(&record).unwrap();
        record["shim"] = serde_json::to_value(fleet::system::proc::identify(std::process::id()).unwrap()).unwrap();
        let names: Vec<String> = (1..=count).map(|number| format!("w-{number}")).collect();
        let this = Self { fleet, names, shims: Shims::new(), record };
        for name in &this.names {
            this.runs(name);
        }
        this
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.fleet.state().join("agents").join(name)
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.fleet.runtime().join(format!("{name}.sock"))
    }

    /// From now on `name` runs, and its shim listens.
    pub fn runs(&self, name: &str) {
        let path = self.folder(name).join("run.json");
        fs::write(&path, self.record.to_string()).unwrap();
        self.fleet.give(&path);
        let socket = self.socket(name);
        let _ = fs::remove_file(&socket);
        self.shims.listen.send((name.to_owned(), socket.clone())).unwrap();
        wait_for("its shim listens", || socket.exists());
        self.fleet.give(&socket);
    }

    /// `name` has died.
    pub fn dies(&self, name: &str) {
        fs::remove_file(self.socket(name)).unwrap();
        fs::remove_file(self.folder(name).join("run.json")).unwrap();
        drop(self.shims.state.streams.lock().unwrap().remove(name));
    }

    /// Starts a supervisor, under `wrapper`, and waits until it has heard of everybody.
    pub fn supervise(&self, wrapper: &[&str]) -> Child {
        self.shims.state.subscribed.store(0, Ordering::SeqCst);
        let world = &self.fleet.world;
        let own = ["supervise", "--fleet", "shop"];
        let mut command = match wrapper {
            [] => world.command(&own),
            [program, words @ ..] => {
                let mut command = world.manager.command(program);
                command.args(words).arg(world.program()).args(own);
                command.current_dir(&world.folder).env("LANG", "C.UTF-8");
                command
            }
        };
        let log = fs::File::create(world.manager.base.join("err")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        wait_for("it is caught up", || {
            self.shims.state.subscribed.load(Ordering::SeqCst) >= self.names.len() && self.status().is_some()
        });
        child
    }

    pub fn status(&self) -> Option<Status> {
        match client::ask(&self.fleet.runtime().join("supervisor.sock"), Ask::Status, LONG) {
            Ok(Answer::Status { status }) => Some(*status),
            _ => None,
        }
    }

    /// The supervisor's own process, also under a wrapper.
    pub fn pid(&self) -> u64 {
        u64::from(self.status().expect("a supervisor").pid)
    }

    /// Waits until all are in `state`.
    pub fn all_are(&self, state: &str) {
        wait_for(&format!("all are {state}"), || {
            let names = |row: &&fleet::driver::words::Row| row.name.as_str() != "one";
            self.status().is_some_and(|status| {
                status.agents.iter().filter(names).all(|row| row.standing.state.word() == state)
            })
        });
    }

    /// Waits for the one look at each that stands idle, five seconds after its first such moment.
    pub fn have_been_looked_at(&self) {
        let reader = fleet::journal::Reader::open(&self.fleet.state()).unwrap().unwrap();
        for name in &self.names {
            wait_for(&format!("{name} has been looked at"), || {
                let rows = reader.decisions(0, Some(name), 100).unwrap();
                rows.iter().any(|row| row.rule == "stall" && row.effects.iter().all(|effect| effect.state == "done"))
            });
        }
    }

    /// Ends the fleet. Without their records first, else this process would be taken for one that a destroy ends.
    pub fn destroy(self, mut supervisor: Child) {
        assert_eq!(supervisor.try_wait().unwrap(), None);
        strike(self.pid(), Signal::SIGKILL);
        supervisor.wait().unwrap();
        for name in &self.names {
            let _ = fs::remove_file(self.folder(name).join("run.json"));
        }
        self.fleet.world.fleet_within(&["destroy", "--yes"], 0, 10 * LONG);
    }
}

impl Shims {
    fn new() -> Self {
        let state: Arc<Shared> = Arc::default();
        let (listen, mut sockets) = unbounded_channel::<(String, PathBuf)>();
        let shared = state.clone();
        // Until the test's process ends.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                while let Some((name, path)) = sockets.recv().await {
                    let listener = UnixListener::bind(&path).unwrap();
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        while let Ok((stream, _)) = listener.accept().await {
                            tokio::spawn(serve(stream, name.clone(), shared.clone()));
                        }
                    });
                }
            });
        });
        Self { state, listen }
    }

    /// Says `event` of `agent` to whoever has subscribed.
    pub fn tell(&self, agent: &str, event: &Event) {
        if let Event::Now { lines, .. } | Event::Settled { lines, .. } = event {
            self.state.screens.lock().unwrap().insert(agent.to_owned(), lines.clone());
        }
        let frame = Frame::encode(from_shim::EVENT, &serde_json::to_vec(event).unwrap());
        self.state.streams.lock().unwrap()[agent].send(frame).unwrap();
    }

    /// Whether the supervisor listens to `agent`.
    pub fn is_heard(&self, agent: &str) -> bool {
        self.state.streams.lock().unwrap().contains_key(agent)
    }
}

/// A screen that stands still.
pub fn settled(lines: &[&str]) -> Event {
    serde_json::from_value(json!({"event": "settled", "hash": "", "lines": lines, "ready": true})).unwrap()
}

/// What is said first of an agent that has shown `lines` for a while.
fn now(lines: &[String]) -> Event {
    serde_json::from_value(json!({
        "event": "now", "lines": lines, "title": "", "ready": true, "bytes": 10, "quiet_ms": 3_000, "viewers": 0, "typing": false,
    }))
    .unwrap()
}

async fn serve(mut stream: UnixStream, name: String, shared: Arc<Shared>) -> Option<()> {
    let mut head = Vec::new();
    while head.split(|byte| *byte == b'\n').count() <= 2 {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&chunk[..length]);
    }
    let known = shared.screens.lock().unwrap().get(&name).cloned();
    let lines = known.unwrap_or_else(|| vec!["ready".to_owned(), ">".to_owned()]);
    let head = String::from_utf8(head).unwrap();
    let cursor = json!({"row": 0, "column": 0, "visible": true});
    let answer = match head.split_ascii_whitespace().nth(2)? {
        "subscribe" => {
            let (sender, mut frames) = unbounded_channel();
            sender.send(Frame::encode(from_shim::EVENT, &serde_json::to_vec(&now(&lines)).unwrap())).unwrap();
            shared.streams.lock().unwrap().insert(name, sender);
            shared.subscribed.fetch_add(1, Ordering::SeqCst);
            while let Some(frame) = frames.recv().await {
                stream.write_all(&frame).await.ok()?;
            }
            return Some(());
        }
        "status" => json!({
            "pid": std::process::id(), "agent_pid": std::process::id(), "state": "idle", "reason": "", "started": "",
            "bytes": 10, "quiet_ms": 3_000, "title": "", "columns": 200, "rows": 50, "cursor": cursor, "modes": [],
            "viewers": 0, "hash": "", "manifest": "", "stopping": false,
        }),
        "screen" => json!({
            "columns": 200, "rows": 50, "cursor": cursor, "title": "", "lines": lines, "hash": "",
        }),
        "send" => json!({"outcome": "submitted", "enters": 1, "ms": 1}),
        _ => json!({"error": "unsupported"}),
    };
    stream.write_all(format!("{answer}\n").as_bytes()).await.ok()
}
