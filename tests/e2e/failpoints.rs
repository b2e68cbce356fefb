//! The supervisor dies at each named point of its work: no agent notices, no message comes twice, nothing accepted is lost.

use std::fs;
use std::process::Stdio;

use fleet::driver::failpoint::POINTS;
use fleet::ids::AgentName;
use fleet::supervise::event::{Caller, Request};
use fleet::supervise::message::{Message, MessageState};
use fleet::system::proc::{Handle, identify};
use nix::sys::signal::Signal;

use crate::support::wait_for;
use crate::watched::{Watched, canary, strike};
use crate::world::Manager;

const AGENTS: usize = 20;
const LISTENERS: usize = 10;

#[test]
fn a_death_at_any_point_harms_nobody() {
    // Half of them work at what they are told, the others without an end.
    let listens = "repeat 100000 { wait; busy \"100ms\"; };";
    let names: Vec<String> = (0..LISTENERS).map(|at| format!("a{at}")).collect();
    let others: Vec<String> = (LISTENERS..AGENTS).map(|at| format!("a{at}")).collect();
    let mut agents: String = names.iter().map(|name| canary(name, "", listens)).collect();
    agents.extend(others.iter().map(|name| canary(name, "", "busy \"10h\";")));
    let burst = "restart \"on-failure\" delay=\"1s\" max-delay=\"1s\" burst=1000 within=\"1h\";";
    let fleet = Watched::new(Manager::Local, &(agents + &canary("dies", burst, "repeat 100000 { wait; };")));
    fleet.is("dies", "idle");
    for (name, state) in names.iter().map(|name| (name, "idle")).chain(others.iter().map(|name| (name, "working"))) {
        fleet.is(name, state);
    }
    let pids = || -> Vec<u64> {
        let status = fleet.world.status();
        let agents = status["agents"].as_array().unwrap().iter().filter(|agent| agent["name"] != "dies");
        agents.map(|agent| agent["pid"].as_u64().unwrap_or_else(|| panic!("{agent}"))).collect()
    };
    let before = pids();
    assert_eq!(before.len(), AGENTS);
    let mut sent = Vec::new();
    for point in POINTS {
        strike(fleet.pid(), Signal::SIGKILL);
        wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
        let mut command = fleet.world.command(&["supervise", "--fleet", "shop"]);
        command.env("FLEET_FAILPOINT", point).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let handle = identify(child.id()).and_then(|process| Handle::open(&process).unwrap());
        let ended =
            |wait| handle.as_ref().is_none_or(|handle| handle.wait_until(std::time::Instant::now() + wait).unwrap());
        let mut round = 0;
        // Until it dies there is always something for it to do.
        while !ended(std::time::Duration::from_millis(20)) {
            assert!(round < 400, "{point} was never reached");
            let text = format!("{point}-{round}-end");
            let to = names[round % names.len()].as_str();
            if round % 2 == 0 {
                sent.push((to, text.clone(), fleet.offer(to, &text)));
            } else {
                let agent = AgentName::new(to).unwrap();
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                let at = u64::try_from(now.as_millis()).unwrap();
                let moment = fleet::supervise::clock::Moment { awake: at, boot: at, wall: at };
                let message = Message::new(
                    format!("m-{point}-{round}"),
                    agent,
                    Caller::Operator,
                    text.clone(),
                    moment,
                    600_000,
                );
                fleet.leave(&Request::Send { message });
                sent.push((to, text, Some("queued".to_owned())));
            }
            let policy = fleet.state().join("supervise.json");
            let copy = fleet.state().join("supervise.new");
            fs::copy(&policy, &copy).unwrap();
            fleet.give(&copy);
            fs::rename(&copy, &policy).unwrap();
            if round % 8 == 3 && fleet.state().join("agents/dies/run.json").exists() {
                let process = identify(u32::try_from(fleet.child("dies")).unwrap());
                if let Some(handle) = process.and_then(|process| Handle::open(&process).unwrap()) {
                    let _ = handle.signal(Signal::SIGKILL);
                }
            }
            round += 1;
        }
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6), "{point}: {status}");
        fleet.world.apply(&["--yes"], 0);
        assert_eq!(pids(), before, "{point}: an agent noticed");
    }
    wait_for("everything has an end", || {
        let left = fs::read_dir(fleet.state().join("inbox")).into_iter().flatten().flatten();
        left.filter(|entry| entry.path().is_file()).count() == 0
            && fleet.messages().iter().all(|message| message.state.is_final())
    });
    let kept = fleet.messages();
    let mut arrived = 0;
    for (to, text, outcome) in &sent {
        let times = fleet.log(to).matches(&format!("got: {text}")).count();
        assert!(times <= 1, "{text} came {times} times");
        arrived += times;
        let known = kept.iter().find(|message| message.text == *text);
        if outcome.as_deref() == Some("queued") {
            let known = known.unwrap_or_else(|| panic!("{text} was accepted and is lost"));
            let delivered = matches!(known.state, MessageState::Confirmed | MessageState::Submitted);
            assert_eq!(times == 1, delivered || (known.state == MessageState::Unknown && times == 1), "{known:?}");
        }
    }
    assert!(arrived * 2 > sent.len(), "only {arrived} of {} arrived", sent.len());
    let old = fleet.world.pid("dies");
    strike(fleet.child("dies"), Signal::SIGKILL);
    fleet.comes_back("dies", old);
    fleet.destroy();
}
