//! What bad luck gets: what happened, where, what next, and the right exit status.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;

use fleet::system::lock::{Attempt, try_lock};

use super::bench::Bench;

const ROSTER: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n";

fn agent(settings: &str) -> String {
    format!(
        "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" {{ role \"coder\"; {settings} }}\n"
    )
}

#[test]
fn a_program_that_is_not_on_the_agents_path() {
    let bench = Bench::with(&agent("runtime \"command\" { argv \"no-such-program\"; };"));
    let said = bench.run(&["apply", "--manager=local"]);
    assert!(said.code == 1 && said.err.contains("F0401") && said.err.contains("no-such-program"), "{}", said.all());
    assert!(!bench.state().exists(), "something was written");
    // The shell finds it, the agent would not: the help is the line to write.
    bench.program("only-here");
    bench.roster(&agent("runtime \"command\" { argv \"only-here\"; };"));
    let said = bench.run(&["plan", "--manager=local"]);
    assert!(said.err.contains("path \"[ROOT]/bin\""), "{}", said.err);
    bench.roster(&agent("runtime \"command\" { argv \"only-here\"; }; path \"../bin\";"));
    assert_eq!(bench.run(&["plan", "--manager=local"]).code, 0);
}

#[test]
fn a_working_folder_that_cannot_be_used() {
    for (dir, words) in [("missing", "does not exist"), ("fleet.kdl", "not a folder")] {
        let bench = Bench::with(&agent(&format!("runtime \"canary\"; dir \"{dir}\";")));
        let said = bench.run(&["apply", "--manager=local"]);
        assert!(said.code == 1 && said.err.contains("F0402") && said.err.contains(words), "{}", said.all());
        assert!(!bench.state().exists());
    }
}

#[test]
fn no_user_manager_where_one_is_asked_for() {
    let said = Bench::with(ROSTER).run(&["apply", "--manager=systemd"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(said.err.contains("systemd") && said.err.contains("help:"), "{}", said.err);
}

#[test]
fn a_lock_that_somebody_holds() {
    let bench = Bench::with(ROSTER);
    fleet::system::fs::ensure_private_dir(&bench.state().join("shop")).unwrap();
    let held = try_lock(&bench.state().join("shop/lock"), "fleet apply").unwrap();
    assert!(matches!(held, Attempt::Taken(_)));
    let said = bench.run(&["apply", "--manager=local"]);
    assert_eq!(said.code, 4, "{}", said.all());
    let pid = std::process::id().to_string();
    assert!(
        said.err.contains("`fleet apply`") && said.err.contains(&pid),
        "it does not name the holder: {}",
        said.err
    );
}

#[test]
fn a_state_folder_that_cannot_be_made() {
    let bench = Bench::with(ROSTER);
    fs::create_dir_all(bench.state().parent().unwrap()).unwrap();
    fs::write(bench.state(), "in the way").unwrap();
    let said = bench.run(&["apply", "--manager=local"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(said.err.contains(".local/state/fleet"), "{}", said.err);
    assert_eq!(fs::read_to_string(bench.state()).unwrap(), "in the way");
}

#[test]
fn a_state_folder_behind_a_link_is_not_followed() {
    let bench = Bench::with(ROSTER);
    let elsewhere = bench.work.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(bench.state()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, bench.state().join("shop")).unwrap();
    let said = bench.run(&["apply", "--manager=local"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "it wrote through the link");
}

#[test]
fn a_socket_path_that_is_too_long() {
    let bench = Bench::with(ROSTER);
    let long = bench.work.join("x".repeat(100));
    let said = bench.finish(bench.command(&["plan", "--manager=local"]).env("XDG_STATE_HOME", &long));
    assert!(said.code == 1 && said.err.contains("F0312") && said.err.contains("107"), "{}", said.all());
}

#[test]
fn a_state_folder_that_systemd_cannot_name() {
    let bench = Bench::with(ROSTER);
    let said = bench.finish(bench.command(&["plan", "--manager=local"]).env("XDG_STATE_HOME", "/tmp/a'b"));
    assert!(said.code == 1 && said.err.contains("F0320") && said.err.contains("XDG_STATE_HOME"), "{}", said.all());
}

#[test]
fn a_ledger_of_a_newer_fleet_or_none_at_all() {
    let bench = Bench::with(ROSTER);
    fleet::system::fs::ensure_private_dir(&bench.state().join("shop")).unwrap();
    for (text, words) in [("{\"format\": 99}", "newer"), ("not json", "not a ledger")] {
        fs::write(bench.state().join("shop/ledger.json"), text).unwrap();
        let said = bench.run(&["plan", "--manager=local"]);
        assert!(said.code == 1 && said.err.contains(words), "{}", said.all());
        assert_eq!(fs::read_to_string(bench.state().join("shop/ledger.json")).unwrap(), text);
    }
}

/// Its shim may run on while an older fleet looks at it.
#[test]
fn a_record_of_a_newer_fleet() {
    let bench = Bench::with(ROSTER);
    let folder = bench.state().join("shop/agents/one");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    fs::write(folder.join("run.json"), "{\"format\": 99}").unwrap();
    for arguments in [["plan", "--manager=local"], ["apply", "--manager=local"]] {
        let said = bench.run(&arguments);
        assert!(said.code == 1 && said.err.contains("run.json") && said.err.contains("newer"), "{}", said.all());
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing was written");
}

#[test]
fn a_runtime_file_cannot_write_elsewhere() {
    let bench = Bench::with(&agent("runtime \"evil\";"));
    fs::create_dir(bench.work.join("runtimes")).unwrap();
    for name in ["../escaped", "/tmp/fleet-escaped", "..", "", "a/b", ".hidden"] {
        let text = format!("runtime \"evil\" {{ program \"sh\"; file \"{name}\" \"x\"; }}");
        fs::write(bench.work.join("runtimes/evil.kdl"), text).unwrap();
        let said = bench.run(&["plan", "--manager=local"]);
        assert!(said.code == 1 && said.err.contains("F0318"), "{name:?}: {}", said.all());
    }
}

#[test]
fn a_runtime_file_cannot_set_what_a_roster_cannot() {
    let bench = Bench::with(&agent("runtime \"evil\";"));
    fs::create_dir(bench.work.join("runtimes")).unwrap();
    for (line, code) in [
        ("env \"LD_PRELOAD\" \"/tmp/x.so\"", "F0313"),
        ("env \"FLEET_ID\" \"x\"", "F0313"),
        ("env \"MY_API_TOKEN\" \"value-of-a-canary\"", "F0311"),
        ("env \"MULTI\" \"a\\nb\"", "F0207"),
    ] {
        fs::write(bench.work.join("runtimes/evil.kdl"), format!("runtime \"evil\" {{ program \"sh\"; {line}; }}"))
            .unwrap();
        let said = bench.run(&["validate"]);
        assert!(said.code == 1 && said.err.contains(code), "{line}: {}", said.all());
        assert!(!said.all().contains("value-of-a-canary"), "{}", said.all());
    }
}

#[test]
fn paths_that_are_not_text_are_refused_before_anything_is_written() {
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::with(ROSTER);
    let odd = bench.work.join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("fleet.kdl"), ROSTER).unwrap();
    let said = bench.finish(bench.command(&["apply", "--manager=local"]).current_dir(&odd));
    assert!(said.code == 1 && said.err.contains("UTF-8"), "{}", said.all());
    let said = bench.finish(bench.command(&["plan", "--manager=local"]).env("XDG_STATE_HOME", &odd));
    assert!(said.code == 1 && said.err.contains("UTF-8"), "{}", said.all());
    assert!(!bench.state().exists());
}

#[test]
fn a_pipe_as_a_secret_does_not_hold_the_plan_up() {
    let bench = Bench::with(&agent("runtime \"canary\"; secret \"S\" from=\"file:pipe\";"));
    nix::unistd::mkfifo(&bench.work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = bench.run(&["plan", "--manager=local"]);
    assert!(said.code == 0 && said.err.contains("F0404") && said.err.contains("not a plain file"), "{}", said.all());
}

#[test]
fn a_roster_cannot_command_the_terminal_of_its_reader() {
    for evil in ["// \u{1b}]0;title\u{7}\n", "// \u{9b}2J\n", "// \u{202e}txet\n", "agent \"\\u{1b}[2J\" { }\n"] {
        let bench = Bench::with(&format!("{ROSTER}{evil}nonsense\n"));
        for arguments in [&["validate"][..], &["validate", "--json"]] {
            let said = bench.run(arguments);
            assert_eq!(said.code, 1, "{}", said.all());
            let acts = |c: char| fleet::diagnostic::acts(c);
            assert!(!said.all().contains(acts), "{:?}", said.all());
        }
    }
}

#[test]
fn commands_about_a_fleet_that_is_not_there() {
    let bench = Bench::with(ROSTER);
    for command in [
        &["status"][..],
        &["screen", "one"],
        &["send", "one", "x"],
        &["stop", "one"],
        &["attach", "one"],
        &["destroy", "--yes"],
    ] {
        let said = bench.run(command);
        assert_eq!(said.code, 1, "{command:?}: {}", said.all());
        assert!(
            said.err.contains("not applied here") && said.err.contains("fleet apply"),
            "{command:?}: {}",
            said.err
        );
    }
    let said = Bench::new().run(&["status"]);
    assert!(said.code == 1 && said.err.contains("fleet init"), "{}", said.all());
}

#[test]
fn doctor_names_every_part_and_its_next_step() {
    let bench = Bench::with(ROSTER);
    let said = bench.run(&["doctor"]);
    for part in [
        "systemd",
        "bus",
        "linger",
        "runtime folder",
        "state folder",
        "socket paths",
        "tmux",
        "claude",
        "codex",
        "opencode",
        "roster",
    ] {
        assert!(said.out.contains(part), "doctor does not speak of {part}: {}", said.all());
    }
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(!bench.state().exists(), "doctor left something behind");
    let json = bench.run(&["doctor", "--json"]);
    assert!(json.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", json.out);
}

/// `apply` looks twice, before and under the lock; what it found is said once.
#[test]
fn a_warning_is_one_line_of_json() {
    let bench = Bench::with(&agent("runtime \"canary\"; limits memory=\"9000000G\";"));
    // Somebody's file where fleet's own belongs: refused under the lock.
    let folder = bench.state().join("shop/agents/one");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    fs::write(folder.join("manifest.json"), "mine").unwrap();
    let said = bench.run(&["apply", "--json", "--manager=local", "--yes"]);
    assert_ne!(said.code, 0, "{}", said.all());
    assert_eq!(said.out.matches("F0316").count(), 1, "{}", said.all());
    assert!(said.out.contains("\"conflict\""), "{}", said.all());
}
