//! Starting: what the agent gets, and what is refused.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt as _;

use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Frames, Place, code, eventually};

/// Runs an agent that must not start; what is said about it.
pub fn refused(place: &Place, status: i32) -> String {
    let (ended, stderr) = place.run();
    assert_eq!(code(ended), Some(status), "{stderr}");
    assert!(!place.folder().join("exit.json").exists(), "an agent that never ran has no exit record");
    assert!(!place.folder().join("run.json").exists());
    stderr
}

#[test]
fn the_agent_gets_its_own_environment() {
    let mut place = Place::shell("env > env.txt");
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    place.environment = vec![
        set("KEPT", "yes"),
        set("INVOCATION_ID", "1"),
        set("JOURNAL_STREAM", "1"),
        set("LISTEN_FDS", "1"),
        set("WATCHDOG_USEC", "1"),
        set("MANAGERPID", "1"),
        set("SYSTEMD_EXEC_PID", "1"),
        set("TMUX", "x"),
        set("TMUX_PANE", "x"),
        set("STY", "x"),
        set("TERM_PROGRAM", "x"),
        set("TERM_PROGRAM_VERSION", "x"),
        set("OTHERS_SECRET", "x"),
        set("SOURCE_OF_TOKEN", "the-value"),
    ];
    place.manifest["launch"]["unset"] = json!(["OTHERS_SECRET"]);
    place.manifest["launch"]["secrets"] =
        json!([{"name": "TOKEN", "from": {"env": "SOURCE_OF_TOKEN"}, "as": "env", "version": null}]);
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(0), "{stderr}");
    let text = std::fs::read_to_string(place.root.path().join("env.txt")).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for gone in &place.environment {
        assert_eq!(names.contains(&gone.0.as_str()), gone.0 == "KEPT", "{}", gone.0);
    }
    let folder = place.folder().display().to_string();
    for line in [
        "TOKEN=the-value",
        "TERM=xterm-256color",
        "COLORTERM=truecolor",
        "FLEET_ID=shop",
        "FLEET_AGENT=lead",
        &format!("FLEET_AGENT_DIR={folder}"),
        &format!("FLEET_SOCKET={}", place.socket().display()),
        &format!("FLEET_FILE={}", place.manifest["roster"].as_str().unwrap()),
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_program_that_is_not_on_the_agents_path_is_named_with_it() {
    let mut place = Place::new(&["no-such-agent-cli"]);
    place.environment = vec![("PATH".to_owned(), "/opt/a:/opt/b".to_owned())];
    let stderr = refused(&place, 78);
    assert!(stderr.contains("no-such-agent-cli") && stderr.contains("PATH (/opt/a:/opt/b)"), "{stderr}");
}

#[test]
fn a_program_that_cannot_be_executed_is_an_error_of_its_own() {
    let place = Place::new(&["./broken"]);
    let program = place.root.path().join("broken");
    std::fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let stderr = refused(&place, 78);
    assert!(stderr.contains("broken could not be started: No such file"), "{stderr}");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&place, 78).contains("not an executable file"));
}

#[test]
fn a_missing_working_folder_is_named() {
    let mut place = Place::shell("true");
    place.manifest["launch"]["dir"] = json!("/nonexistent/work");
    assert!(refused(&place, 78).contains("/nonexistent/work does not exist"));
}

#[test]
fn a_newer_manifest_is_refused() {
    let mut place = Place::shell("true");
    place.manifest["format"] = json!(2);
    place.manifest["launch"] = json!("of a shape nobody knows yet");
    assert!(refused(&place, 78).contains("its format is 2 and this fleet-shim knows 1"));
}

#[test]
fn one_agent_has_one_shim() {
    let place = Place::shell("echo up; exec sleep 1000");
    let shim = place.up();
    shim.shows("up");
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(75));
    assert!(stderr.contains(&format!("already has a shim (process {})", shim.pid())), "{stderr}");
    assert_eq!(shim.status()["pid"], shim.pid().as_raw());
}

#[test]
fn a_dead_shims_socket_is_replaced_and_a_live_strangers_is_not() {
    let place = Place::shell("echo up; exec sleep 1000");
    let folder = place.socket().parent().unwrap().to_path_buf();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let stranger = UnixListener::bind(place.socket()).unwrap();
    assert!(refused(&place, 75).contains("another process listens"));
    drop(stranger);
    assert!(place.socket().exists());
    let shim = place.up();
    shim.shows("up");
}

/// Trap: a shim that ends late must not take its successor's socket away.
#[test]
fn only_its_own_socket_is_removed() {
    let place = Place::shell("echo up; exec sleep 1000");
    let shim = place.up();
    shim.shows("up");
    let mode = place.socket().metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_file(place.socket()).unwrap();
    let _successor = UnixListener::bind(place.socket()).unwrap();
    shim.signal(Signal::SIGTERM);
    shim.wait();
    assert!(place.socket().exists());
}

#[test]
fn a_folder_that_others_can_enter_is_refused() {
    let place = Place::shell("true");
    let folder = place.socket().parent().unwrap().to_path_buf();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(refused(&place, 78).contains("chmod 700"));
}

#[test]
fn a_socket_path_that_is_too_long_is_refused() {
    let mut place = Place::shell("true");
    place.manifest["socket"] = json!(place.root.path().join("x".repeat(100)).join("lead.sock"));
    assert!(refused(&place, 78).contains("at most 107"));
}

/// Trap: the agent is killed when the thread that forked it ends (prctl(2)), so there may be only the one that stays.
#[test]
fn the_shim_is_one_thread() {
    let mut place = Place::shell("echo up; exec sleep 1000");
    // Whatever runs to find a secret is gone by then.
    place.manifest["launch"]["secrets"] =
        json!([{"name": "KEY", "from": {"cmd": ["echo", "canary"]}, "as": "env", "version": null}]);
    let shim = place.up();
    let _viewer = shim.attach("rw", 80, 24);
    shim.shows("up");
    assert_eq!(shim.threads(), 1);
}

/// Traps: leaked descriptors keep the terminal from hanging up; job control needs session, terminal, mask and handlers.
#[test]
fn the_agent_has_three_descriptors_a_terminal_and_clean_signals() {
    let place = Place::shell(
        "ls -x /proc/$$/fd; grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status; ps -o pid=,sid=,pgid=,tpgid= -p $$; stty -a; echo up",
    );
    let leak = std::fs::File::open("/dev/null").unwrap();
    let mut command = place.command();
    // SAFETY: one system call.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::dup(&leak).map(std::os::fd::IntoRawFd::into_raw_fd).map(drop).map_err(Into::into)
        });
    }
    assert!(command.status().unwrap().success());
    let log = place.read("log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "{log}");
    let word =
        |name: &str| log.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().nth(1).unwrap();
    let signals = |name: &str| u64::from_str_radix(word(name), 16).unwrap();
    // Signals 32 and 33 belong to the C library, which lets nobody touch them.
    assert_eq!((signals("SigBlk"), signals("SigIgn") & !0x1_8000_0000), (0, 0), "{log}");
    let ids: Vec<&str> = lines[4].split_whitespace().collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "it leads its session, its group and the terminal: {log}");
    assert!(log.contains("rows 24; columns 80;") && log.contains(" iutf8"), "{log}");
}

#[test]
fn job_control_works() {
    let place = Place::new(&["bash", "--norc", "-i"]);
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"PS1='$ '; echo sh-$((40+2))\r");
    shim.shows("sh-42");
    viewer.send(b'I', b"sleep 1000\r");
    let agent = shim.status()["agent_pid"].to_string();
    let sleep_is_in_front = || {
        let stat = std::fs::read_to_string(format!("/proc/{agent}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(5).unwrap() != agent
    };
    // Too early a control character flushes what bash has not read, or meets a child that still ignores it.
    let interrupt = |viewer: &mut Frames, key: &[u8]| {
        eventually("sleep comes to the front", || sleep_is_in_front().then_some(()));
        let mut pressed = None;
        eventually("sleep leaves the front", || {
            if pressed.is_none_or(|at: Instant| at.elapsed().as_millis() > 200) {
                viewer.send(b'I', key);
                pressed = Some(Instant::now());
            }
            (!sleep_is_in_front()).then_some(())
        });
    };
    interrupt(&mut viewer, b"\x1a");
    shim.shows("Stopped");
    viewer.send(b'I', b"clear; jobs; fg\r");
    interrupt(&mut viewer, b"\x03");
    viewer.send(b'I', b"trap 'echo size $(stty size)' WINCH; echo trap-$((1+1))\r");
    shim.shows("trap-2");
    viewer.resize(90, 30);
    shim.shows("size 30 90");
}

#[test]
fn the_service_manager_is_told() {
    let mut place = Place::shell("test -z \"$NOTIFY_SOCKET\" || echo leaked; echo up; exec sleep 1000");
    let path = place.root.path().join("notify");
    let notify = UnixDatagram::bind(&path).unwrap();
    notify.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", &path);
    let shim = crate::support::Shim { child: command.spawn().unwrap(), socket: place.socket() };
    let told = || {
        let mut buffer = [0; 500];
        let count = notify.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    assert!(told().starts_with("READY=1\nSTATUS="));
    shim.shows("up");
    assert!(!shim.lines().contains(&"leaked".to_owned()));
    shim.signal(Signal::SIGTERM);
    assert!(told().starts_with("STOPPING=1"));
    shim.wait();

    // An abstract name, and READY only when the agent really runs.
    let name = format!("fleet-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let notify = UnixDatagram::bind_addr(&address).unwrap();
    notify.set_nonblocking(true).unwrap();
    place.environment = vec![];
    place.manifest["launch"]["argv"] = json!(["/dev/null"]);
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    assert_eq!(command.output().unwrap().status.code(), Some(78));
    assert!(notify.recv(&mut [0; 10]).is_err(), "READY for an agent that never ran");
    place.manifest["launch"]["argv"] = json!(["true"]);
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let mut buffer = [0; 500];
    notify.recv(&mut buffer).unwrap();
    assert!(buffer.starts_with(b"READY=1\n"));
}

#[test]
fn the_run_record_names_both_processes_and_what_was_launched() {
    let place = Place::shell("echo up; exec sleep 1000");
    let shim = place.up();
    shim.shows("up");
    let record = place.json("run.json");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(record["shim"]["pid"], shim.pid().as_raw());
    assert_eq!(record["child"]["pid"], shim.status()["agent_pid"]);
    assert_eq!(record["child"]["boot_id"], boot.trim());
    assert!(record["child"]["start_ticks"].as_u64() >= record["shim"]["start_ticks"].as_u64());
    assert_eq!(record["launch"], place.manifest["launch"]);
    let digest = fleet::ids::Digest::of(place.read("manifest.json").as_bytes());
    assert_eq!(record["manifest"], digest.as_str());
    let started: jiff::Timestamp = record["started"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(started) < jiff::SignedDuration::from_mins(1));
}

#[test]
fn a_first_message_can_go_into_the_arguments() {
    let mut place = Place::shell("true");
    place.manifest["launch"]["argv"] = json!(["echo", "agent"]);
    place.manifest["launch"]["prompt_argv"] = json!(["--prompt={prompt}", "-i"]);
    place.manifest["policy"]["prompt"] = json!("do $(this) and 'that'");
    place.run();
    assert_eq!(place.read("log"), "agent --prompt=do $(this) and 'that' -i\r\n");
}

#[test]
fn the_command_line_is_small() {
    let shim = env!("CARGO_BIN_EXE_fleet-shim");
    let run = |arguments: &[&str]| std::process::Command::new(shim).args(arguments).output().unwrap();
    assert_eq!(
        String::from_utf8(run(&["--version"]).stdout).unwrap(),
        format!("fleet-shim {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(run(&[]).status.code(), Some(64));
    assert_eq!(run(&["--help"]).status.code(), Some(64));
    assert_eq!(run(&["/nonexistent/manifest.json"]).status.code(), Some(78));
}

/// The kernel cuts a program's name at 15 bytes, in the middle of a character too (proc(5)).
#[test]
fn a_program_whose_name_is_cut_inside_a_character_is_recorded() {
    let mut place = Place::shell("");
    let program = place.root.path().join(format!("{}é", "x".repeat(14)));
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    place.manifest["launch"]["argv"] = json!([program, "-c", "sleep 1000"]);
    let _shim = place.up();
    assert!(place.json("run.json")["child"]["start_ticks"].is_u64());
}
