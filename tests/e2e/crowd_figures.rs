//! Figures of a supervisor with a thousand simulated shims that speak the real protocol: `scripts/supervisor-figures` builds for
//! release and prints them. Times depend on what else the machine does, so processor time stands beside them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fleet::driver::client;
use fleet::driver::words::{Answer, Ask, Status};
use fleet::journal::Reader;
use fleet::shim::protocol::{Event, Frame, from_shim};
use fleet::supervise::event::{Caller, Request};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{LONG, wait_for};
use crate::watched::{Watched, rss, strike, switches};
use crate::world::Manager;

const AGENTS: usize = 1_000;

#[expect(clippy::print_stdout, reason = "figures are for people")]
fn say(text: &str) {
    println!("{text}");
}

/// Shims of many agents in this process.
struct Shims {
    subscribed: Arc<AtomicUsize>,
    streams: Arc<Mutex<BTreeMap<String, UnboundedSender<Vec<u8>>>>>,
}

impl Shims {
    fn new(sockets: Vec<(String, PathBuf)>) -> Self {
        let (subscribed, streams): (Arc<AtomicUsize>, Arc<Mutex<_>>) = Default::default();
        let shims = Self { subscribed: subscribed.clone(), streams: streams.clone() };
        let (ready, bound) = std::sync::mpsc::channel();
        // Until the test's process ends.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for (name, path) in sockets {
                    let _ = fs::remove_file(&path);
                    let listener = UnixListener::bind(&path).unwrap();
                    let (subscribed, streams) = (subscribed.clone(), streams.clone());
                    tokio::spawn(async move {
                        while let Ok((stream, _)) = listener.accept().await {
                            tokio::spawn(serve(stream, name.clone(), subscribed.clone(), streams.clone()));
                        }
                    });
                }
                ready.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        bound.recv().unwrap();
        shims
    }

    fn tell(&self, agent: &str, event: &Event) {
        let frame = Frame::encode(from_shim::EVENT, &serde_json::to_vec(event).unwrap());
        self.streams.lock().unwrap()[agent].send(frame).unwrap();
    }
}

/// Idle, as the canary's screen shows it.
fn now(text: &str) -> Event {
    screen(&[text, ">"])
}

fn screen(lines: &[&str]) -> Event {
    serde_json::from_value(json!({
        "event": "now", "lines": lines, "title": "", "ready": true, "bytes": 10, "quiet_ms": 3_000, "viewers": 0, "typing": false,
    }))
    .unwrap()
}

async fn serve(
    mut stream: UnixStream,
    name: String,
    subscribed: Arc<AtomicUsize>,
    streams: Arc<Mutex<BTreeMap<String, UnboundedSender<Vec<u8>>>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while head.split(|byte| *byte == b'\n').count() <= 2 {
        let mut chunk = [0; 512];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&chunk[..length]);
    }
    if !head.starts_with(b"fleet-shim 1 subscribe") {
        return None;
    }
    let (sender, mut frames) = unbounded_channel();
    sender.send(Frame::encode(from_shim::EVENT, &serde_json::to_vec(&now("ready")).unwrap())).unwrap();
    streams.lock().unwrap().insert(name, sender);
    subscribed.fetch_add(1, Ordering::SeqCst);
    while let Some(frame) = frames.recv().await {
        stream.write_all(&frame).await.ok()?;
    }
    Some(())
}

fn status(fleet: &Watched) -> Option<Status> {
    match client::ask(&fleet.runtime().join("supervisor.sock"), Ask::Status, LONG) {
        Ok(Answer::Status { status }) => Some(*status),
        _ => None,
    }
}

fn supervisor(fleet: &Watched) -> Child {
    let mut command = fleet.world.command(&["supervise", "--fleet", "shop"]);
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(fleet.world.manager.base.join("err")).unwrap())
        .spawn()
        .unwrap()
}

fn cpu_ms(pid: u64) -> u64 {
    fleet::system::proc::stat(u32::try_from(pid).unwrap()).unwrap().cpu_ticks * 10
}

/// What of its memory is its own, and what are pages of its program.
fn parts(pid: u64) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |line: &&str| line.starts_with("RssAnon") || line.starts_with("RssFile");
    status
        .lines()
        .filter(of)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    say(&format!("{what}: p50 {:.2?}, p90 {:.2?}, p99 {:.2?} of {}", at(50), at(90), at(99), times.len()));
}

/// What an fsync costs here, without which no figure of a durable decision says anything.
fn synced(folder: &Path) -> Vec<Duration> {
    let mut file = fs::File::create(folder.join("sync")).unwrap();
    (0..200)
        .map(|_| {
            file.write_all(&[0; 4096]).unwrap();
            let begun = Instant::now();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect()
}

#[test]
#[ignore = "figures take minutes and a quiet machine: scripts/supervisor-figures"]
fn figures_of_a_supervisor() {
    let mut world = crate::world::World::new(crate::support::As::User, Manager::Local);
    world
        .install_from(Path::new(&std::env::var("FLEET_FIGURES_BIN").expect("scripts/supervisor-figures says where")));
    let fleet = Watched { world };
    let agents = format!(
        "agent \"one\" {{ role \"coder\"; runtime \"canary\" {{ script {{ wait; }}; }}; }}\n\
         agent \"w\" count={} {{ role \"coder\"; autostart #false; runtime \"canary\" {{ script {{ wait; }}; }}; }}\n",
        AGENTS - 1
    );
    fleet.roster(&agents);
    fleet.world.fleet_within(&["apply", "--yes", "--manager=local"], 0, 10 * LONG);
    fleet.is("one", "idle");
    strike(fleet.pid(), Signal::SIGKILL);
    // Everybody runs, by the word of a record that names this very process.
    let record = fs::read(fleet.state().join("agents/one/run.json")).unwrap();
    let mut record: Value = serde_json::from_slice(&record).unwrap();
    record["shim"] = serde_json::to_value(fleet::system::proc::identify(std::process::id()).unwrap()).unwrap();
    let names: Vec<String> = (1..AGENTS).map(|number| format!("w-{number}")).collect();
    for name in &names {
        let path = fleet.state().join("agents").join(name).join("run.json");
        fs::write(&path, record.to_string()).unwrap();
        fleet.give(&path);
    }
    let sockets = names.iter().map(|name| (name.clone(), fleet.runtime().join(format!("{name}.sock")))).collect();
    let shims = Shims::new(sockets);
    for name in &names {
        fleet.give(&fleet.runtime().join(format!("{name}.sock")));
    }
    spread("an fsync of 4 kB by itself", synced(&fleet.world.manager.base));

    let mut child = None;
    let mut starts = Vec::new();
    let mut spent = 0;
    for _ in 0..5 {
        if let Some(mut old) = child.take() {
            Child::kill(&mut old).unwrap();
            old.wait().unwrap();
        }
        shims.subscribed.store(0, Ordering::SeqCst);
        let begun = Instant::now();
        let new = supervisor(&fleet);
        wait_for("it is caught up", || {
            shims.subscribed.load(Ordering::SeqCst) >= names.len() && status(&fleet).is_some()
        });
        starts.push(begun.elapsed());
        spent = cpu_ms(u64::from(new.id()));
        child = Some(new);
    }
    spread(&format!("start to caught up with {AGENTS} (processor time {spent} ms)"), starts);
    let mut child = child.unwrap();
    let own = u64::from(child.id());
    wait_for("all are idle", || {
        let idle = |row: &&fleet::driver::words::Row| row.standing.state.word() == "idle";
        status(&fleet).is_some_and(|status| status.agents.iter().filter(idle).count() >= names.len())
    });

    let time = |words: &[&str]| {
        (0..21)
            .map(|_| {
                let begun = Instant::now();
                fleet.world.command(words).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                begun.elapsed()
            })
            .collect::<Vec<_>>()
    };
    spread("fleet --version, a whole process", time(&["--version"]));
    let before = cpu_ms(own);
    spread(&format!("fleet status of {AGENTS}, a whole process"), time(&["status"]));
    say(&format!("  the supervisor's processor time for one of them: {} ms", (cpu_ms(own) - before) / 21));

    // A request in the inbox is gone once its decision is on the disk.
    let mut decided = Vec::new();
    for _ in 0..200 {
        let agents = [fleet::ids::AgentName::new("w-1").unwrap()].into();
        let begun = Instant::now();
        let file = fleet.leave(&Request::Clear { agents, caller: Caller::Operator });
        let put = begun.elapsed();
        while file.exists() {
            std::hint::spin_loop();
        }
        decided.push(begun.elapsed().checked_sub(put).unwrap());
    }
    spread("file event to durable decision", decided);

    wait_for("it is quiet", || {
        let before = switches(own);
        std::thread::sleep(Duration::from_millis(500));
        switches(own) == before
    });
    let (woken, spent, begun) = (switches(own), cpu_ms(own), Instant::now());
    while begun.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_secs(1));
    }
    // A thread that ended meanwhile takes its count with it.
    let of = |(thread, count): (&std::ffi::OsString, &u64)| count - woken.get(thread).copied().unwrap_or(0);
    let wakes: u64 = switches(own).iter().map(of).sum();
    say(&format!(
        "quiet minute: {wakes} context switches, {} ms processor time, {} kB RSS ({})",
        cpu_ms(own) - spent,
        rss(own),
        parts(own)
    ));

    let (mut sizes, spent) = (Vec::new(), cpu_ms(own));
    for round in 0..5 {
        for step in 0..20 {
            for name in names.iter().take(900) {
                shims.tell(name, &now(&format!("line {round} {step}")));
            }
        }
        for name in names.iter().take(900) {
            shims.tell(name, &screen(&[&format!("round-{round}")]));
        }
        wait_for("it has taken them", || {
            let last = |row: &&fleet::driver::words::Row| row.last_line == Some(format!("round-{round}"));
            status(&fleet).is_some_and(|status| status.agents.iter().filter(last).count() == 900)
        });
        sizes.push(rss(own));
    }
    say(&format!(
        "RSS in kB after each of five times 18,000 screens: {sizes:?} ({} ms processor time)",
        cpu_ms(own) - spent
    ));
    let reader = Reader::open(&fleet.state()).unwrap().unwrap();
    let mut known = Vec::new();
    for name in names.iter().rev().take(40) {
        let seen = reader.last_seq().unwrap();
        fs::remove_file(fleet.runtime().join(format!("{name}.sock"))).unwrap();
        fs::remove_file(fleet.state().join("agents").join(name).join("run.json")).unwrap();
        let begun = Instant::now();
        drop(shims.streams.lock().unwrap().remove(name));
        while reader.last_seq().unwrap() == seen {
            assert!(begun.elapsed() < LONG, "never known");
        }
        known.push(begun.elapsed());
    }
    spread("death to known (and written)", known);

    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    // Else this process would be taken for one that a destroy ends.
    for name in &names {
        let _ = fs::remove_file(fleet.state().join("agents").join(name).join("run.json"));
    }
    fleet.world.fleet_within(&["destroy", "--yes"], 0, 10 * LONG);
}
