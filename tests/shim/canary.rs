//! A secret is where it belongs and nowhere else: values made up for each test are looked for everywhere.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::starts::refused;
use crate::support::{Place, Shim, code, eventually, lives, pid_in, signal};

/// A value that is nowhere else on this machine.
fn canary() -> String {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes.iter().fold("canary".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    memchr::memmem::find(bytes, canary.as_bytes()).is_some()
}

/// All files below a folder that hold the text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() && std::fs::read(&path).is_ok_and(|bytes| holds(&bytes, text)) {
            found.push(path);
        }
    }
    found
}

/// All processes whose argument vector holds the text.
fn arguments_with(text: &str) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    processes.filter(|path| std::fs::read(path).is_ok_and(|bytes| holds(&bytes, text))).collect()
}

fn environment_holds(pid: impl std::fmt::Display, text: &str) -> bool {
    holds(&std::fs::read(format!("/proc/{pid}/environ")).unwrap(), text)
}

/// One secret of each delivery from each kind of source, and what the agent knows of them.
struct Story {
    place: Place,
    /// From a file, as a file.
    file: String,
    /// From a program, as a variable.
    printed: String,
    /// From the shim's own environment, as a file.
    inherited: String,
}

impl Story {
    /// The agent reads all three, prints none, and waits.
    fn new() -> Self {
        let (file, printed, inherited) = (canary(), canary(), canary());
        let mut place = Place::shell(
            "stty -echo; s=$(cat \"$F_FILE\" \"$I_FILE\"; printf %s \"$P\"); printf %s \"$s\" | wc -c | tr -d ' '; \
             stat -c %a \"$F_FILE\" \"$I_FILE\"; sleep 1000 & printf '\\033]2;a title\\007up\\n'; \
             while read line; do echo \"got $line\"; done",
        );
        let source = place.root.path().join("source");
        std::fs::write(&source, format!("{file}\n")).unwrap();
        let program = place.root.path().join("vault");
        std::fs::write(&program, format!("#!/bin/sh\necho {printed}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        place.environment = vec![("SOURCE".to_owned(), inherited.clone())];
        place.manifest["launch"]["secrets"] = json!([
            {"name": "F", "from": {"file": source}, "as": "file", "version": null},
            {"name": "P", "from": {"cmd": [program]}, "as": "env", "version": null},
            {"name": "I", "from": {"env": "SOURCE"}, "as": "file", "version": null},
        ]);
        place.manifest["launch"]["terminal"]["scrollback"] = json!(100);
        place.pattern("idle", json!("screen"), "^up");
        Self { place, file, printed, inherited }
    }

    fn canaries(&self) -> [&str; 3] {
        [&self.file, &self.printed, &self.inherited]
    }

    fn secrets(&self) -> PathBuf {
        self.place.root.path().join("r/lead.secrets")
    }

    /// Asserts that no file but the sources, and the agent's own while it runs, holds any of them.
    fn assert_files(&self, expected: &[(&str, &[&str])]) {
        for canary in self.canaries() {
            let found = files_with(self.place.root.path(), canary);
            let wanted: Vec<PathBuf> = expected
                .iter()
                .filter(|(_, names)| names.contains(&canary))
                .map(|(path, _)| self.place.root.path().join(path))
                .collect();
            assert_eq!(found, wanted, "{canary}");
        }
    }
}

#[test]
fn a_canary_is_found_nowhere_else() {
    let story = Story::new();
    let place = &story.place;
    let notify = UnixDatagram::bind(place.root.path().join("notify")).unwrap();
    notify.set_nonblocking(true).unwrap();
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", place.root.path().join("notify"));
    let shim = Shim { child: command.spawn().unwrap(), socket: place.socket() };
    shim.shows("up");
    let length = story.canaries().concat().len() + "\n".len();
    assert_eq!(shim.lines()[..3], [(length - 1).to_string(), "600".to_owned(), "600".to_owned()], "it has all three");
    assert_eq!(story.secrets().metadata().unwrap().permissions().mode() & 0o777, 0o700);

    let mut events = shim.frames("subscribe", &json!({}));
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"word\r");
    shim.shows("got word");
    let mut told: Vec<Vec<u8>> = vec![events.event("settled").to_string().into_bytes()];
    told.push(viewer.next().unwrap().payload);
    for (verb, request) in [
        ("status", json!({})),
        ("screen", json!({})),
        ("scrollback", json!({"lines": 100})),
        ("send", json!({"text": "hello"})),
        ("signal", json!({"signal": "CONT"})),
        ("reload", json!({})),
    ] {
        told.push(shim.ask(verb, &request).to_string().into_bytes());
    }
    let mut buffer = [0; 4096];
    while let Ok(count) = notify.recv(&mut buffer) {
        told.push(buffer[..count].to_vec());
    }
    assert!(told.last().unwrap().starts_with(b"READY=1"), "the manager was told");

    let agent = shim.status()["agent_pid"].as_i64().unwrap();
    for canary in story.canaries() {
        assert_eq!(arguments_with(canary), Vec::<PathBuf>::new());
        assert!(told.iter().all(|text| !holds(text, canary)));
        assert_eq!(
            environment_holds(shim.pid(), canary),
            canary == story.inherited,
            "the shim has what it was given"
        );
        assert_eq!(
            environment_holds(agent, canary),
            canary == story.printed,
            "the agent has what it is to have there"
        );
    }
    let running: [(&str, &[&str]); 4] = [
        ("source", &[&story.file]),
        ("vault", &[&story.printed]),
        ("r/lead.secrets/F", &[&story.file]),
        ("r/lead.secrets/I", &[&story.inherited]),
    ];
    // Nothing is held open through which another process could read them.
    let open = std::fs::read_dir(format!("/proc/{}/fd", shim.pid())).unwrap().flatten();
    for target in open.filter_map(|entry| std::fs::read_link(entry.path()).ok()) {
        assert!(!target.starts_with(story.secrets()), "{}", target.display());
    }
    for (path, names) in running {
        for name in names {
            assert!(holds(&std::fs::read(place.root.path().join(path)).unwrap(), name), "{path}");
        }
    }
    for canary in story.canaries() {
        let found = files_with(place.root.path(), canary);
        assert!(found.iter().all(|path| running.iter().any(|(name, _)| path.ends_with(name))), "{found:?}");
    }

    kill(Pid::from_raw(i32::try_from(agent).unwrap()), Signal::SIGKILL).unwrap();
    let (status, stderr) = shim.wait();
    assert_eq!(signal(status), Some(Signal::SIGKILL as i32));
    assert!(!story.secrets().exists(), "the agent was killed, its secrets stay");
    story.assert_files(&[("source", &[&story.file]), ("vault", &[&story.printed])]);
    for name in ["exit.json", "last-screen", "log"] {
        assert!(place.folder().join(name).exists(), "{name} was looked through");
    }
    for canary in story.canaries() {
        assert!(!holds(stderr.as_bytes(), canary), "{stderr}");
    }
}

/// When the agent cannot be started after all, nothing stays of what was made for it.
#[test]
fn a_failed_start_leaves_no_secret() {
    let mut story = Story::new();
    story.place.manifest["launch"]["argv"] = json!(["no-such-agent-cli"]);
    let stderr = refused(&story.place, 78);
    story.place.manifest["launch"]["argv"] = json!(["sh"]);
    story.place.manifest["launch"]["secrets"][2]["from"]["env"] = json!("FLEET_TEST_NOT_SET");
    let stderr = stderr + &refused(&story.place, 78);
    assert!(!story.secrets().exists());
    story.assert_files(&[("source", &[&story.file]), ("vault", &[&story.printed])]);
    assert!(story.canaries().iter().all(|canary| !stderr.contains(canary)), "{stderr}");
}

/// A source may take ten seconds. Nobody cleans up after a shim that is ended meanwhile, so there must be nothing.
#[test]
fn a_shim_that_is_ended_while_it_asks_leaves_no_secret() {
    let mut story = Story::new();
    let asked = story.place.root.path().join("asked");
    let program = story.place.root.path().join("slow");
    std::fs::write(&program, format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 1000\n", asked.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let secrets = story.place.manifest["launch"]["secrets"].as_array_mut().unwrap();
    secrets.push(json!({"name": "SLOW", "from": {"cmd": [program]}, "as": "file", "version": null}));
    let shim = story.place.start();
    let asking = pid_in(&asked);
    shim.signal(Signal::SIGTERM);
    let (status, _) = shim.wait();
    // It belongs to nobody any more.
    let _ = kill(Pid::from_raw(asking), Signal::SIGKILL);
    assert_eq!(signal(status), Some(Signal::SIGTERM as i32));
    story.assert_files(&[("source", &[&story.file]), ("vault", &[&story.printed])]);
    assert!(!story.secrets().exists());
}

/// A stop that comes while the agent is being started ends the agent, and its secrets with it.
#[test]
fn a_stop_during_the_start_cleans_up() {
    for _ in 0..20 {
        let story = Story::new();
        let shim = story.place.start();
        eventually("the first secret is written", || story.secrets().exists().then_some(()));
        shim.signal(Signal::SIGTERM);
        shim.wait();
        assert!(!story.secrets().exists());
    }
}

/// What a program shows of a secret is hidden in the words about its screen too, over the end of a line as well.
#[test]
fn words_about_the_screen_show_no_secret() {
    let mut story = Story::new();
    let long = "0".repeat(40);
    let script = format!(
        "stty -echo; echo up; while read kind; do clear; case $kind in \
         dialog) echo \"proceed with $P? y/n\";; wrapped) echo \"proceed {long} $P\";; fatal) echo \"bad key $P!\";; \
         draft) printf '> %s' \"$P\";; title) printf '\\033]2;proceed %s\\007' \"$P\";; esac; done"
    );
    story.place.manifest["launch"]["argv"] = json!(["sh", "-c", script]);
    for (kind, region, expr) in [
        ("dialog", "screen", "^proceed"),
        ("dialog", "title", "^proceed"),
        ("dialog", "screen", "[0-9a-f]{30,}$"),
        ("fatal", "screen", "key [a-z0-9]+!"),
        ("input", "screen", "^> ?(.*)$"),
    ] {
        story.place.pattern(kind, json!(region), expr);
    }
    let shim = story.place.up();
    shim.shows("up");
    let mut viewer = shim.attach("rw", 80, 24);
    let half = &story.printed[4..20];
    for (kind, sign) in
        [("dialog", "proceed with ***?"), ("wrapped", "000 ***"), ("fatal", "bad key ***!"), ("title", "proceed ***")]
    {
        viewer.send(b'I', format!("{kind}\r").as_bytes());
        let status: Value = eventually(kind, || {
            let status = shim.status();
            status["reason"].as_str().unwrap().contains(sign).then_some(status)
        });
        assert!(!status.to_string().contains(half), "{status}");
        if kind != "fatal" {
            let answer = shim.ask("send", &json!({"text": "hello"}));
            assert!(answer["why"].as_str().unwrap().contains(sign), "{answer}");
            assert!(!answer.to_string().contains(half), "{answer}");
        }
    }
    let agent = i32::try_from(shim.status()["agent_pid"].as_i64().unwrap()).unwrap();
    assert!(lives(agent));
    shim.signal(Signal::SIGTERM);
    assert_ne!(code(shim.wait().0), Some(0));
}
