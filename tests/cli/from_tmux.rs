//! `fleet init --from-tmux` against a tmux server of the test's own, with stand-ins for the agent CLIs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use insta::assert_snapshot;

use super::bench::{Bench, Said};

const ONE: &str = "11111111-1111-4111-8111-111111111111";
const TWO: &str = "22222222-2222-4222-8222-222222222222";

/// A tmux server that ends with the test.
struct Server<'a> {
    bench: &'a Bench,
    socket: PathBuf,
}

impl<'a> Server<'a> {
    /// A server with one session in which a shell waits.
    fn start(bench: &'a Bench, session: &str) -> Self {
        let tmux =
            ["/usr/bin/tmux", "/usr/local/bin/tmux", "/bin/tmux"].into_iter().find(|path| Path::new(path).exists());
        let tmux = tmux.expect("this test needs tmux: install the package tmux");
        std::os::unix::fs::symlink(tmux, bench.bin.join("tmux")).unwrap();
        let server = Self { bench, socket: bench.work.parent().unwrap().join("tmux.sock") };
        server.tmux(&[
            "new-session",
            "-d",
            "-s",
            session,
            "-n",
            "start",
            "-c",
            bench.work.to_str().unwrap(),
            "/bin/sh",
        ]);
        server
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.bench.bin.join("tmux"));
        command.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(arguments).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("LANG", "C.UTF-8");
        command.env("HOME", self.home()).current_dir(&self.bench.work);
        let output = command.output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn home(&self) -> PathBuf {
        self.bench.work.parent().unwrap().join("home").canonicalize().unwrap()
    }

    /// A window called `name` (a format of tmux's) in which `argv` runs, without a shell between.
    fn window(&self, name: &str, folder: &Path, argv: &[&str]) -> u32 {
        let folder = folder.to_str().unwrap();
        // Of several words tmux makes a command without a shell. Its own `-c` would expand the folder's name as a format.
        let mut words = vec!["new-window", "-d", "-P", "-F", "#{pane_pid}", "-n", name, "/usr/bin/env", "-C", folder];
        words.extend(argv);
        let pid: u32 = self.tmux(&words).parse().unwrap();
        wait_for(&format!("{argv:?} runs"), || {
            words_of(pid).iter().any(|word| word == argv[0]) && words_of(pid)[0] != "/usr/bin/env"
        });
        pid
    }

    fn init(&self, more: &[&str]) -> Said {
        let mut arguments = vec!["init", "--from-tmux", "--tmux-socket", self.socket.to_str().unwrap()];
        arguments.extend(more);
        self.bench.run(&arguments)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = Command::new(self.bench.bin.join("tmux")).arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn words_of(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).split('\0').map(str::to_owned).collect()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// A stand-in that takes any arguments and goes on until it is hung up.
fn script(path: &Path, body: &str) -> String {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{body}\n:\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A stand-in that is a binary: `original` under another name.
fn binary(original: &str, path: &Path) -> String {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(original, path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn folder(path: PathBuf) -> PathBuf {
    fs::create_dir_all(&path).unwrap();
    path
}

/// A conversation file, written `hours` ago.
fn talk(path: &Path, first_line: &str, hours: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{first_line}\n")).unwrap();
    let when = SystemTime::now() - Duration::from_secs(hours * 3600 + 60);
    fs::File::options().write(true).open(path).unwrap().set_modified(when).unwrap();
}

fn claude_talks(server: &Server<'_>, folder: &Path) -> PathBuf {
    let text = folder.canonicalize().unwrap().display().to_string();
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    server.home().join(".claude/projects").join(name)
}

fn valid(bench: &Bench) {
    let said = bench.run(&["validate"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.all());
}

#[test]
fn panes_become_agents_and_the_report_says_what_to_do() {
    let bench = Bench::new();
    let server = Server::start(&bench, "work");
    let bin = bench.work.parent().unwrap().join("elsewhere");
    let (api, site) = (folder(bench.work.join("api")), folder(server.home().join("site")));

    let claude = script(&bin.join("claude"), "sleep 1000");
    server.window("billing", &api, &[&claude, "--model", "opus", "--permission-mode", "acceptEdits"]);
    talk(&claude_talks(&server, &api).join(format!("{ONE}.jsonl")), "{}", 3);
    talk(&claude_talks(&server, &api).join(format!("{TWO}.jsonl")), "{}", 2);
    talk(&claude_talks(&server, &api).join("agent-1.jsonl"), "{}", 0);

    // A launcher of node's with the real program below it.
    let node = binary("/bin/sh", &bin.join("node"));
    let codex = binary("/bin/sleep", &bin.join("vendor/codex"));
    let package = bin.join("lib/node_modules/@openai/codex/bin/codex.js");
    let launcher = script(&package, &format!("{codex} 1000"));
    let launched = server.window("node", &site, &[&node, &launcher]);
    wait_for("the launcher has a child", || children(launched).iter().any(|child| words_of(*child)[0] == codex));
    let line = format!("{{\"payload\":{{\"cwd\":\"{}\",\"source\":\"cli\"}}}}", site.display());
    let days = server.home().join(".codex/sessions/2026/11/20");
    talk(&days.join(format!("rollout-2026-11-20T01-02-03-{ONE}.jsonl")), &line, 30);
    talk(&days.join(format!("rollout-2026-11-20T02-02-03-{TWO}.jsonl")), &line.replace("site", "other"), 1);

    let risky = &[&claude, "--dangerously-skip-permissions", "--resume", TWO, "--permission-mode", "plan"][..];
    server.window("zsh", &bench.work, risky);
    let opencode = binary("/bin/sleep", &bin.join("opencode"));
    server.window("zsh", &site, &[&opencode, "1000"]);
    let gemini = script(&bin.join("gemini"), "sleep 1000");
    server.window("zsh", &site, &[&gemini]);
    server.window("zsh", &site, &[&claude, "-p", "one task"]);
    let own = binary("/bin/sh", &bin.join("fleet"));
    script(&site.join("attach"), "sleep 1000");
    server.window("zsh", &site, &[&own, "attach", "lead"]);

    let said = server.init(&[]);
    assert_snapshot!("report", said.all());
    assert_snapshot!("roster", fs::read_to_string(bench.work.join("fleet.kdl")).unwrap());
    valid(&bench);
}

#[test]
fn two_in_one_folder_cannot_be_told_apart() {
    let bench = Bench::new();
    let server = Server::start(&bench, "work");
    let claude = script(&bench.bin.join("claude"), "sleep 1000");
    server.window("left", &bench.work, &[&claude]);
    server.window("right", &bench.work, &[&claude]);
    for (id, hours) in [(ONE, 2), (TWO, 5)] {
        talk(&claude_talks(&server, &bench.work).join(format!("{id}.jsonl")), "{}", hours);
    }
    let said = server.init(&["--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(said.err.matches("cannot be told").count(), 2, "{}", said.err);
    for id in [ONE, TWO] {
        assert!(!said.err.contains(&format!("/resume {id}")), "{}", said.err);
        assert_eq!(said.err.matches(id).count(), 2, "{}", said.err);
    }
    assert!(said.out.starts_with("// Made from") && said.out.contains("agent \"right\""), "{}", said.out);
    assert!(!bench.work.join("fleet.kdl").exists());
}

#[test]
fn names_and_folders_cannot_do_harm() {
    let bench = Bench::new();
    // In tmux's formats `##` is `#`: the session is called #(touch PWNED).
    let server = Server::start(&bench, "##(touch PWNED)\t\"\n%1 0 1 1 1");
    let claude = script(&bench.bin.join("claude"), "sleep 1000");
    let odd = folder(bench.work.join("~/a b #(touch PWNED) $HOME %h {x} ünï"));
    server.window("##(touch PWNED)", &odd, &[&claude]);
    server.window("\"; agent \"x", &odd.join(".."), &[&claude]);
    server.window("a\tb\\", &bench.work, &[&claude]);
    server.window("lead", &bench.work, &[&claude]);
    for refused in ["quo\"te", "apo'strophe", "back\\slash", "new\nline"] {
        let refused = folder(bench.work.join(refused));
        server.window("zsh", &refused, &[&claude]);
    }
    assert!(server.tmux(&["list-sessions", "-F", "#{session_name}"]).starts_with("#(touch PWNED)"));

    let arguments = ["init", "--from-tmux", "--tmux-socket", server.socket.to_str().unwrap()];
    // A locale in which tmux would replace what is not ASCII.
    let said = bench.finish(bench.command(&arguments).env("LC_ALL", "C").env("LANG", "C"));
    assert_eq!(said.code, 0, "{}", said.all());
    let text = fs::read_to_string(bench.work.join("fleet.kdl")).unwrap();
    valid(&bench);
    assert!(text.contains("dir \"./~/a b #(touch PWNED) $HOME %h {x} ünï\"\n"), "{text}");
    for number in 1..=4 {
        assert!(text.contains(&format!("// tmux pane %{number}\nagent \"claude-{number}\" {{")), "{text}");
    }
    assert_eq!(text.matches("\nagent ").count(), 4, "{text}");
    for words in ["its path holds \"", "its path holds '", "its path holds \\", "control character"] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(!said.out.contains(|c: char| c != '\n' && c.is_control()), "{:?}", said.out);
    assert!(bench.tree().iter().all(|path| !path.ends_with("PWNED")), "a name was run");
}

#[test]
fn inside_tmux_that_server_is_asked() {
    let bench = Bench::new();
    let server = Server::start(&bench, "work");
    let claude = script(&bench.bin.join("claude"), "sleep 1000");
    server.window("api", &bench.work, &[&claude]);
    let inside = format!("{},1,0", server.socket.display());
    let said = bench.finish(bench.command(&["init", "--from-tmux", "--dry-run"]).env("TMUX", inside));
    assert!(said.code == 0 && said.out.contains("agent \"api\""), "{}", said.all());
}

#[test]
fn nothing_to_take_over_is_an_error_that_says_what_was_looked_at() {
    let bench = Bench::new();
    let none = bench.run(&["init", "--from-tmux"]);
    assert!(none.code == 1 && none.err.contains("no program tmux"), "{}", none.all());

    let server = Server::start(&bench, "work");
    let gemini = script(&bench.bin.join("gemini"), "sleep 1000");
    server.window("zsh", &bench.work, &[&gemini]);
    let said = server.init(&[]);
    // How a shell calls itself depends on whose it is.
    assert_snapshot!(said.all().replace("/bin/sh", "sh"));

    let socket = bench.work.join("no.sock");
    let said = bench.run(&["init", "--from-tmux", "--tmux-socket", socket.to_str().unwrap()]);
    assert!(said.code == 1 && said.err.contains("no.sock") && said.err.contains("--tmux-socket"), "{}", said.all());
    assert!(!bench.work.join("fleet.kdl").exists());
    assert!(!socket.exists(), "a server was started");
}

#[test]
fn what_is_there_stays_and_wrong_options_are_refused() {
    let bench = Bench::with("// mine\n");
    let server = Server::start(&bench, "work");
    let claude = script(&bench.bin.join("claude"), "sleep 1000");
    server.window("api", &bench.work, &[&claude]);
    let said = server.init(&[]);
    assert!(said.code == 6 && said.err.contains("not overwritten"), "{}", said.all());
    assert_eq!(fs::read_to_string(bench.work.join("fleet.kdl")).unwrap(), "// mine\n");
    assert_eq!(server.init(&["--profile", "coding"]).code, 64);
    assert_eq!(bench.run(&["init", "--tmux-socket", "/x"]).code, 64);
}
