//! The commands that look at what the supervisor knows and did, where none runs: they read what it left.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fleet::ids::{AgentName, FleetId, UnitName};
use fleet::journal::Journal;
use fleet::plan::{Desired, Ledger, LedgerAgent};
use fleet::supervise::decision::{Act, Decision, Effect, Level, Rule};
use fleet::supervise::event::{AgentEvent, Caller, EffectResult, End, Event, Shows};
use fleet::supervise::memory::Memory;
use fleet::supervise::message::{Message, MessageState};
use fleet::supervise::standing::{Standing, State};
use fleet::units::ManagerKind;

use super::bench::{Bench, Said};

/// 2020-09-13T12:26:40Z, in milliseconds since the epoch: so long ago that its times are shown with their year.
const AT: u64 = 1_600_000_000_000;
const ROSTER: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"coder\" { role \"coder\"; runtime \"canary\"; }\n";

fn agent() -> AgentName {
    AgentName::new("coder").unwrap()
}

/// A fleet that seems to be applied, with one agent.
fn applied() -> Bench {
    let bench = Bench::with(ROSTER);
    let state = bench.state().join("shop");
    fs::create_dir_all(state.join("agents/coder")).unwrap();
    for folder in [&bench.state(), &state, &state.join("agents"), &state.join("agents/coder")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let id = FleetId::new("shop").unwrap();
    let roster = bench.work.join("fleet.kdl").canonicalize().unwrap();
    let mut ledger = Ledger::new(id.clone(), roster, ManagerKind::Local);
    let entry = LedgerAgent {
        desired: Desired::Running,
        unit: UnitName::agent(&id, &agent()),
        folder: state.join("agents/coder"),
        socket: state.join("run/coder.sock"),
        files: BTreeMap::new(),
        links: BTreeMap::new(),
        worktree: None,
    };
    ledger.agents.insert(agent(), entry);
    fs::write(state.join("ledger.json"), serde_json::to_vec(&ledger).unwrap()).unwrap();
    bench
}

fn decision(rule: Rule, reason: &str, effects: Vec<(u64, Act)>) -> Decision {
    let effects = effects.into_iter().map(|(id, act)| Effect { id, act }).collect();
    let (reason, messages) = (reason.to_owned(), vec![]);
    Decision { agent: Some(agent()), rule, reason, effects, standing: None, memory: None, messages }
}

/// The same with what a supervisor has left: a death, a restart that failed, a quarantine, and a message that waits.
fn told() -> Bench {
    let bench = applied();
    let folder = bench.state().join("shop");
    let mut journal = Journal::open(&folder).unwrap().journal;
    let end = End {
        code: Some(3),
        signal: None,
        stop_requested: false,
        out_of_memory: false,
        step: "itself".to_owned(),
        started: AT - 60_000,
        ended: AT,
        screen: vec!["boom \u{1b}[31m".to_owned()],
        shows: Shows::Nothing,
    };
    let ended = Event::Agent { agent: agent(), what: AgentEvent::Ended { end } };
    let snapshot = Act::Snapshot { agent: agent(), why: "it ended".to_owned() };
    let died =
        decision(Rule::Restart, "it ended (exit 3) after 60 s; its last line: boom \u{1b}[31m", vec![(1, snapshot)]);
    journal.append(AT, &[ended], &[died]).unwrap();
    let start = Act::Start { agent: agent(), fresh: false };
    let result = EffectResult::Failed { why: "no such file".to_owned() };
    journal
        .append(
            AT + 1_000,
            &[Event::Effect { id: 1, result: EffectResult::Done }],
            &[decision(Rule::Restart, "started: again", vec![(2, start)])],
        )
        .unwrap();
    let text = "coder is quarantined: over budget".to_owned();
    let mut over = decision(Rule::Quarantine, "over budget", vec![(3, Act::Notify { level: Level::Action, text })]);
    let standing = Standing { state: State::Quarantined, reason: "over budget".to_owned(), since: AT + 2_000 };
    over.standing = Some(standing.clone());
    over.memory = Some(Box::new(Memory { standing: Some(standing), ..Memory::default() }));
    over.messages.push(Message {
        id: "m-0123456789abcdef".to_owned(),
        to: agent(),
        from: Caller::Operator,
        text: "do\nthis".to_owned(),
        created: AT,
        ttl_ms: 1_000,
        state: MessageState::Queued,
        why: String::new(),
        changed: AT,
    });
    journal.append(AT + 2_000, &[Event::Effect { id: 2, result }], &[over]).unwrap();
    let proposal = |text: &str, base: &str| serde_json::json!({"format": 1, "title": "two coders", "why": "one is slow", "base": base, "text": text});
    let changed = ROSTER.replace("\"coder\" {", "\"coder\" count=2 {");
    journal.propose(AT, "p1", &agent(), "roster", &proposal(&changed, "0")).unwrap();
    drop(journal);
    fs::write(folder.join("agents/coder/quarantined"), "over budget\n").unwrap();
    bench
}

fn run(bench: &Bench, arguments: &[&str]) -> Said {
    bench.finish(bench.command(arguments).env("TZ", "UTC"))
}

/// What the command said, with ages by name: they grow.
fn shown(bench: &Bench, arguments: &[&str]) -> String {
    let said = run(bench, arguments).all();
    let words: Vec<&str> = said.split_inclusive([' ', '\n', '(', ')']).collect();
    let age = |word: &str| {
        let number = word.trim_end_matches([' ', '\n', '(', ')', ',', ':']).strip_suffix('d');
        number.is_some_and(|number| number.len() == 4 && number.parse::<u32>().is_ok())
    };
    words.into_iter().map(|word| if age(word) { format!("[AGE]{}", &word[5..]) } else { word.to_owned() }).collect()
}

#[test]
fn what_is_not_there_is_said() {
    let bench = Bench::with(ROSTER);
    for command in
        [&["events"][..], &["why", "coder"], &["logs", "coder"], &["messages"], &["digest"], &["clear"], &["propose"]]
    {
        let said = bench.run(command);
        assert!(said.code == 1 && said.err.contains("fleet shop is not applied here"), "{}", said.all());
    }
    let bench = applied();
    for command in
        [&["events"][..], &["why", "coder"], &["messages"], &["digest"], &["propose"], &["propose", "show", "p1"]]
    {
        let said = bench.run(command);
        assert!(
            said.code == 1 && said.err.contains("has no journal yet") && said.err.contains("supervise=#true"),
            "{}",
            said.all()
        );
    }
    let said = bench.run(&["logs", "coder"]);
    assert!(said.code == 1 && said.err.contains("has printed nothing yet"), "{}", said.all());
    let said = bench.run(&["clear", "coder"]);
    assert!(said.code == 1 && said.err.contains("nothing to clear"), "{}", said.all());
    for wrong in [
        &["events", "--rule", "restrat"][..],
        &["events", "--since", "yesterday"],
        &["messages", "--unread", "--all"],
        &["clear", "coder", "--all"],
        &["logs", "coder", "--follow", "--death", "1"],
        &["logs", "coder", "--raw", "--json"],
        &["propose", "bug", "--title", "x"],
        &["plan", "--proposal", "p1", "--out", "x"],
    ] {
        assert_eq!(bench.run(wrong).code, 64, "{wrong:?}");
    }
}

#[test]
fn decisions_are_listed_with_what_became_of_them() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["events"]));
    insta::assert_snapshot!(shown(&bench, &["events", "--all", "--limit", "4"]));
    let json = run(&bench, &["events", "--json", "--rule", "quarantine"]);
    let row: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&row["format"], &row["row"], &row["rule"]), (&1.into(), &"decision".into(), &"quarantine".into()));
    assert_eq!(run(&bench, &["events", "--since", "2020-09-13T12:26:42Z"]).out.lines().count(), 1);
    assert_eq!(run(&bench, &["events", "--limit", "1"]).out.lines().count(), 1);
    assert_eq!(run(&bench, &["events", "--since", "1h"]).out, "");
}

#[test]
fn the_journal_tells_why_when_the_supervisor_does_not() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["why", "coder"]));
    let said = run(&bench, &["why", "coder", "--json", "--limit", "1"]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&value["from"], &value["standing"]["state"]), (&"journal".into(), &"quarantined".into()));
    assert_eq!(value["decisions"].as_array().unwrap().len(), 1);
}

#[test]
fn notices_stay_unread_while_nobody_can_mark_them() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["messages"]));
    let said = run(&bench, &["messages", "--unread", "--json"]);
    assert!(said.out.contains("\"type\":\"notice\"") && said.out.contains("\"type\":\"message\""), "{}", said.all());
    let said = run(&bench, &["messages", "--cancel", "m-0123456789abcdef"]);
    assert!(said.code == 1 && said.err.contains("does not run"), "{}", said.all());
}

#[test]
fn what_went_wrong_is_counted() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["digest", "--since", "2020-09-13T00:00:00Z"]));
    let said = run(&bench, &["digest"]);
    assert!(said.code == 0 && said.out.starts_with("Nothing went wrong since "), "{}", said.all());
}

#[test]
fn a_clear_waits_in_the_inbox_for_the_supervisor() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["clear"]));
    let said = run(&bench, &["clear", "coder"]);
    assert!(said.code == 0 && said.out.contains("coder will be cleared when it does"), "{}", said.all());
    let said = run(&bench, &["clear", "--journal-lost"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let inbox = fs::read_dir(bench.state().join("shop/inbox")).unwrap();
    let mut left: Vec<String> = inbox.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    left.sort();
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(|text| text.contains("\"clear\"") && text.contains("coder")), "{left:?}");
    assert!(left.iter().any(|text| text.contains("\"clear-journal-lost\"")), "{left:?}");
}

#[test]
fn a_proposal_is_shown_and_planned_and_not_written() {
    let bench = told();
    insta::assert_snapshot!(shown(&bench, &["propose"]));
    insta::assert_snapshot!(shown(&bench, &["propose", "show", "p1"]));
    let said = run(&bench, &["plan", "--proposal", "p1", "--manager", "local"]);
    assert!(said.code == 0 && said.out.contains("+ coder-2"), "{}", said.all());
    let said = run(&bench, &["propose", "show", "p7"]);
    assert!(said.code == 64 && said.err.contains("there is no proposal `p7`"), "{}", said.all());
    // Who accepts is known by the supervisor.
    let said = run(&bench, &["propose", "accept", "p1"]);
    assert!(said.code == 1 && said.err.contains("does not run"), "{}", said.all());
    assert_eq!(fs::read_to_string(bench.work.join("fleet.kdl")).unwrap(), ROSTER);
}

/// A follower that is ended with the test.
struct Follower {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Follower {
    fn start(bench: &Bench) -> Self {
        use std::io::BufRead as _;
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(["events", "--follow", "--json"]).current_dir(&bench.work).env_clear();
        command
            .env("HOME", bench.state().ancestors().nth(3).unwrap())
            .env("XDG_RUNTIME_DIR", bench.work.join("none"));
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The reason of the next decision.
    fn next(&self) -> String {
        let line = self.lines.recv_timeout(std::time::Duration::from_mins(1)).expect("a line");
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        row["reason"].as_str().unwrap().to_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Also over the writer's end, and over a journal that is set aside for another one, whose numbers begin anew.
#[test]
fn what_is_decided_is_followed() {
    let bench = applied();
    let folder = bench.state().join("shop");
    let mut follower = Follower::start(&bench);
    let write = |reason: &str| {
        let mut journal = Journal::open(&folder).unwrap().journal;
        journal.append(AT, &[], &[decision(Rule::State, reason, vec![])]).unwrap();
    };
    write("first");
    assert_eq!(follower.next(), "first");
    write("second");
    assert_eq!(follower.next(), "second");
    for name in ["journal.db", "journal.db-wal", "journal.db-shm", "journal.json"] {
        let _ = fs::remove_file(folder.join(name));
    }
    write("of another journal");
    assert_eq!(follower.next(), "of another journal");
    // It ends with the fleet.
    fs::remove_file(folder.join("ledger.json")).unwrap();
    assert!(follower.child.wait().unwrap().success());
}
