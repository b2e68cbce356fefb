//! `fleet plan` without a fleet on the machine.

use insta::assert_snapshot;

use super::bench::Bench;

const ROSTER: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n\
    agent \"two\" { role \"coder\"; runtime \"canary\"; after \"one\"; autostart #false; limits memory=\"1G\"; }\n";

#[test]
fn a_first_plan_names_everything_and_writes_nothing() {
    let bench = Bench::with(ROSTER);
    let before = bench.tree();
    let said = bench.run(&["plan", "--manager=local"]);
    assert_snapshot!(said.all());
    assert_eq!(bench.run(&["plan", "--manager=local", "--detailed-exitcode"]).code, 2);
    assert_eq!(bench.tree(), before, "plan wrote something");
}

#[test]
fn tools_get_the_same_as_json() {
    let said = Bench::with(ROSTER).run(&["plan", "--manager=local", "--json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["format"] == 1));
    let agents: Vec<_> = lines.iter().filter(|line| line["type"] == "agent").collect();
    for key in ["agent", "action", "effect", "reason", "fields", "paths"] {
        assert!(agents.iter().all(|line| line.get(key).is_some()), "no {key} in {agents:?}");
    }
    assert_eq!((&agents[0]["effect"], &agents[1]["effect"]), (&"start".into(), &"none".into()));
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["add"], &last["start"]), (&"summary".into(), &2.into(), &1.into()));
}

/// Whoever lacks what it starts with cannot work; whoever lacks what it would fall back to can.
#[test]
fn a_program_to_fall_back_to_that_is_not_there_is_a_warning() {
    let roster = |uses: &str| {
        format!(
            "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nmodels \"m\" {{ {uses} }}\n\
             agent \"one\" {{ role \"coder\"; runtime \"here\"; models \"m\"; }}\n"
        )
    };
    for (uses, code, words) in [
        ("use \"a\"; use \"b\" runtime=\"gone\"", 0, "warning"),
        ("use \"b\" runtime=\"gone\"; use \"a\"", 1, "error"),
    ] {
        let bench = Bench::with(&roster(uses));
        std::fs::create_dir(bench.work.join("runtimes")).unwrap();
        for (name, program) in [("here", "/bin/sh"), ("gone", "no-such-cli")] {
            let text = format!("runtime \"{name}\" {{ program \"{program}\"; model \"-m\" \"{{model}}\"; }}\n");
            std::fs::write(bench.work.join(format!("runtimes/{name}.kdl")), text).unwrap();
        }
        let said = bench.run(&["plan", "--manager=local"]);
        assert_eq!(said.code, code, "{}", said.all());
        let told = said.all();
        assert!(told.contains("`no-such-cli` is not on the path of agent `one`") && told.contains(words), "{told}");
    }
}

#[test]
fn without_colour_nothing_is_lost_and_no_escape_is_printed() {
    let bench = Bench::with(ROSTER);
    let said = bench.finish(bench.command(&["plan", "--manager=local"]).env("NO_COLOR", "1").env("TERM", "xterm"));
    assert!(!said.all().contains('\u{1b}'), "{}", said.all());
}

#[test]
fn what_nothing_acts_on_yet_is_listed() {
    let roster = |supervise: &str| {
        format!(
            "fleet \"shop\" version=1 supervise={supervise}\n{}",
            "workspace \".\" base=\"main\"\ndefaults { runtime \"canary\"; stall after=\"20m\" }\n\
         orchestrator \"lead\" { connector \"ops\" }\nenhancer \"mender\" { digest every=\"1h\" }\n\
         connector \"ops\" kind=\"desktop\"\nagent \"coder\" count=2 { role \"coder\"; worktree; sandbox \"inner\"; home \"shared\"; resume \"never\" }\n\
         gate \"merge\" { approval by=\"human\" }\nforge \"github\" repo=\"a/b\"\non \"approved-and-green\" { require gate=\"merge\"; merge }\n",
        )
    };
    let bench = Bench::with(&roster("#false"));
    std::fs::create_dir(bench.work.join(".git")).unwrap();
    let said = bench.run(&["plan", "--manager", "local"]);
    let note: Vec<_> =
        said.out.lines().skip_while(|line| !line.contains("declared, not enforced yet")).take(4).collect();
    insta::assert_snapshot!(note.join("\n"));
    let said = bench.run(&["plan", "--manager", "local", "--json"]);
    let notes = said.out.lines().filter(|line| line.contains("declared, not enforced yet")).count();
    assert_eq!(notes, 6, "{}", said.out);
    // What the supervisor acts on is enforced where there is one.
    std::fs::write(bench.work.join("fleet.kdl"), roster("#true")).unwrap();
    let said = bench.run(&["plan", "--manager", "local", "--json"]);
    let notes: Vec<_> = said.out.lines().filter(|line| line.contains("declared, not enforced yet")).collect();
    assert_eq!(notes.len(), 4, "{}", said.out);
    assert!(!notes.iter().any(|note| note.contains("stall") || note.contains("digest")), "{notes:?}");
}
