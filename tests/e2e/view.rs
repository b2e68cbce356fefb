//! `fleet view` against a real tmux, for root and an ordinary user, under both service managers.

use std::fs;
use std::path::PathBuf;

use fleet::system::proc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pty::Pty;
use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

/// What tmux, a shell or strftime would take for something else.
const ODD: &str = "; =a $(touch x) %H ~ 'p' größe 日本;";

fn roster(layout: &str) -> String {
    format!(
        "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"a test\"\ndefaults {{ stop-timeout \"5s\"; restart \"never\"; }}\n\
         orchestrator \"lead\" {{ runtime \"command\" {{ argv \"sh\" \"-c\" \"echo run-$$ of the lead; exec sleep 1000\"; }}; }}\n\
         agent \"view\" count=3 {{ role \"coder\"; runtime \"canary\"; }}\n{layout}"
    )
}

const BEFORE: &str = "layout { window \"core\" { pane \"lead\"; }; window \"old\" { pane \"view-1\"; }; window \"; =a $(touch x) %H ~ 'p' größe 日本;\" arrange=\"even-vertical\" { pane \"view-1\"; pane \"view-2\"; }; }\n";
const AFTER: &str = "layout { window \"core\" { pane \"lead\"; pane \"view-3\"; }; window \"; =a $(touch x) %H ~ 'p' größe 日本;\" arrange=\"even-vertical\" { pane \"view-2\"; pane \"view-3\"; }; window \"new\" { pane \"view-1\"; }; }\n";

/// A tmux server at a socket.
struct Tmux<'a> {
    world: &'a World,
    socket: PathBuf,
}

impl<'a> Tmux<'a> {
    /// That of the fleet's own view.
    fn of_view(world: &'a World) -> Self {
        let runtime = world.manager.variable("XDG_RUNTIME_DIR");
        Self { world, socket: runtime.join("fleet/shop/view.tmux") }
    }

    /// One as a user has it, with a configuration of its own.
    fn of_a_user(world: &'a World) -> Self {
        let tmux = Self { world, socket: world.folder.join("own.tmux") };
        tmux.run(&["new-session", "-d", "-x", "150", "-y", "40", "-n", "mine", "sleep", "1000"]);
        tmux
    }

    fn run(&self, words: &[&str]) -> String {
        let mut command = self.world.manager.command("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket).args(words);
        let said = output(&mut command, LONG);
        assert!(said.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// A key after the prefix. Keys that come within a millisecond are taken for a paste, and bind nothing.
    fn prefixed(&self, pty: &mut Pty, key: &str) {
        pty.type_in("\x02");
        wait_for("tmux has seen its prefix", || self.run(&["list-clients", "-F", "#{client_prefix}"]).contains('1'));
        pty.type_in(key);
    }

    fn pid(&self) -> u32 {
        self.run(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap()
    }

    /// Window, agent and pane of every pane, in order.
    fn panes(&self) -> Vec<(String, String, String)> {
        let said = self.run(&["list-panes", "-a", "-F", "#{window_name}\t#{@fleet_agent}\t#{pane_id}"]);
        let word = |line: &str, at: usize| line.split('\t').nth(at).unwrap().to_owned();
        said.lines().map(|line| (word(line, 0), word(line, 1), word(line, 2))).collect()
    }

    fn windows(&self) -> Vec<(String, Vec<String>)> {
        let mut windows: Vec<(String, Vec<String>)> = Vec::new();
        for (window, agent, _) in self.panes() {
            match windows.iter_mut().find(|(title, _)| *title == window) {
                Some((_, agents)) => agents.push(agent),
                None => windows.push((window, vec![agent])),
            }
        }
        windows
    }

    fn pane(&self, window: &str, agent: &str) -> String {
        let found = self.panes().into_iter().find(|(title, name, _)| title == window && name == agent);
        found.unwrap_or_else(|| panic!("no pane of {agent} in {window}: {:?}", self.panes())).2
    }

    fn text(&self, pane: &str) -> String {
        self.run(&["capture-pane", "-p", "-t", pane])
    }
}

fn window(title: &str, agents: &[&str]) -> (String, Vec<String>) {
    (title.to_owned(), agents.iter().map(|name| (*name).to_owned()).collect())
}

fn each_world(with: impl Fn(&World)) {
    assert!(
        std::process::Command::new("tmux").arg("-V").output().is_ok(),
        "these tests need tmux: install the package tmux"
    );
    for who in As::all() {
        for kind in [Manager::Systemd, Manager::Local] {
            with(&World::new(*who, kind));
        }
    }
}

#[test]
fn the_view_is_a_server_of_its_own_that_follows_the_layout() {
    each_world(|world| {
        world.roster(&roster(BEFORE));
        world.apply(&[], 0);
        let pid = opens(world);
        is_apart(world, pid);
        follows_the_layout(world);
        comes_back(world);
        world.fleet(&["view", "--kill"], 0);
        assert!(proc::identify(Tmux::of_view(world).pid_or_zero()).is_none());
        assert!(world.fleet(&["view", "--kill"], 0).contains("There was no view"));
        // A fleet that goes takes its view along.
        world.fleet(&["view", "--no-attach"], 0);
        let pid = Tmux::of_view(world).pid();
        world.fleet(&["destroy", "--yes"], 0);
        wait_for("the view's server ends", || proc::identify(pid).is_none());
        let sockets = world.manager.variable("XDG_RUNTIME_DIR").join("fleet");
        assert!(!sockets.exists(), "left behind in {}: {:?}", sockets.display(), fs::read_dir(sockets.join("shop")));
        assert_eq!(world.loaded_units(), "");
    });
}

impl Tmux<'_> {
    /// 0 when no server answers.
    fn pid_or_zero(&self) -> u32 {
        let mut command = self.world.manager.command("tmux");
        command.args(["-N", "-S"]).arg(&self.socket).args(["display-message", "-p", "#{pid}"]);
        String::from_utf8_lossy(&output(&mut command, LONG).stdout).trim().parse().unwrap_or(0)
    }
}

fn opens(world: &World) -> u32 {
    let mut command = world.command(&["view", "--no-attach"]);
    let said = output(command.env("SECRET_OF_THE_CALLER", "value-of-a-canary"), LONG);
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("Opened 3 windows"), "{said}");
    let tmux = Tmux::of_view(world);
    assert_eq!(
        tmux.windows(),
        [window("core", &["lead"]), window("old", &["view-1"]), window(ODD, &["view-1", "view-2"])]
    );
    // People begin at the first window and the first pane.
    let first = |target: &str| tmux.run(&["display-message", "-p", "-t", target, "#{window_index}.#{pane_index}"]);
    assert_eq!((first("=fleet-shop:").trim(), first("=fleet-shop:2").trim()), ("0.0", "2.0"));
    let lead = tmux.pane("core", "lead");
    wait_for("the agent in its pane", || tmux.text(&lead).contains("of the lead"));
    tmux.pid()
}

/// Neither the caller's control group nor its environment is the server's, nor an agent's.
fn is_apart(world: &World, pid: u32) {
    let cgroup = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let environment = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/environ")).unwrap()).into_owned();
    assert!(!environment.contains("value-of-a-canary"), "{environment}");
    assert!(environment.contains("view.no-bus") && environment.contains("HOME="), "{environment}");
    let tmux = Tmux::of_view(world);
    assert!(!tmux.run(&["show-environment", "-g"]).contains("no-bus"), "for people the bus is where it is");
    let shim = u32::try_from(world.pid("lead")).unwrap();
    if world.kind == Manager::Systemd {
        let ours = cgroup(pid);
        assert!(ours.contains("/fleet-shop.view.service"), "{ours}");
        assert_ne!(ours, cgroup(shim));
        // No pane was moved into a scope of its own.
        for pane in tmux.run(&["list-panes", "-a", "-F", "#{pane_pid}"]).lines() {
            assert_eq!(cgroup(pane.parse().unwrap()), ours);
        }
    } else {
        assert_ne!(proc::stat(pid).unwrap().parent, std::process::id(), "it has not detached");
    }
}

fn follows_the_layout(world: &World) {
    let tmux = Tmux::of_view(world);
    let before = tmux.panes();
    assert!(world.fleet(&["view", "--no-attach"], 0).contains("as the layout says"));
    assert_eq!(tmux.panes(), before, "a view that is right was touched");
    // What people open stays: a window, and a pane in one of fleet's windows.
    tmux.run(&["new-window", "-d", "-n", "mine", "sleep", "1000"]);
    tmux.run(&["split-window", "-d", "-t", &tmux.pane("old", "view-1"), "sleep", "1000"]);
    world.roster(&roster(AFTER));
    let said = world.apply(&[], 0);
    assert!(said.contains("`fleet view` brings windows that are open up to date"), "{said}");
    let kept = [tmux.pane("core", "lead"), tmux.pane(ODD, "view-2")];
    let said = world.fleet(&["view", "--json"], 0);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["windows"].as_array().unwrap().len(), 3, "{said}");
    assert_eq!(
        tmux.windows(),
        [
            window("core", &["lead", "view-3"]),
            window("old", &[""]),
            window(ODD, &["view-2", "view-3"]),
            window("mine", &[""]),
            window("new", &["view-1"]),
        ]
    );
    assert_eq!([tmux.pane("core", "lead"), tmux.pane(ODD, "view-2")], kept, "a pane that was right is another one");
    assert!(world.fleet(&["view", "--no-attach"], 0).contains("as the layout says"));
    // In the view itself there is nothing to nest.
    let mut command = world.command(&["view"]);
    let said = output(command.env("TMUX", format!("{},{},0", tmux.socket.display(), tmux.pid())), LONG);
    assert!(String::from_utf8_lossy(&said.stdout).contains("as the layout says"), "{said:?}");
    let mut command = world.command(&["destroy", "--yes"]);
    let said = output(command.env("TMUX", format!("{},{},0", tmux.socket.display(), tmux.pid())), LONG);
    assert_eq!(said.status.code(), Some(6), "a destroy that ends with the view it is run in: {said:?}");
    // A viewer that left begins again in its place.
    let pane = tmux.pane("core", "lead");
    let dead = || tmux.run(&["display-message", "-p", "-t", &pane, "#{pane_dead}"]).trim() == "1";
    tmux.run(&["send-keys", "-t", &pane, "C-\\"]);
    wait_for("the pane's viewer leaves", dead);
    world.fleet(&["view", "--no-attach"], 0);
    assert!(!dead());
    wait_for("the agent in its pane", || tmux.text(&pane).contains("of the lead"));
    assert!(!world.folder.join("x").exists() && !world.manager.variable("HOME").join("x").exists());
}

/// A killed tmux costs the view and nothing else; a restarted agent comes back in its pane.
fn comes_back(world: &World) {
    let tmux = Tmux::of_view(world);
    let before = world.pid("lead");
    let pid = tmux.pid();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    wait_for("the server is gone", || proc::identify(pid).is_none());
    let said = world.fleet(&["view", "--no-attach"], 0);
    assert!(said.contains("Opened 3 windows"), "{said}");
    assert_eq!(world.pid("lead"), before);
    let pane = tmux.pane("core", "lead");
    wait_for("the agent in its pane", || tmux.text(&pane).contains("of the lead"));
    let run = |text: &str| text.lines().find(|line| line.starts_with("run-")).map(str::to_owned);
    let first = run(&tmux.text(&pane));
    world.fleet(&["restart", "lead"], 0);
    assert_ne!(world.pid("lead"), before);
    wait_for("the new run in the same pane", || run(&tmux.text(&pane)).is_some_and(|now| Some(now) != first));
    // One that does not run is waited for.
    world.fleet(&["stop", "lead"], 0);
    wait_for("its viewer waits", || tmux.text(&pane).contains("waiting for it to start again"));
    world.fleet(&["start", "lead"], 0);
    wait_for("the agent is back", || tmux.text(&pane).contains("of the lead"));
}

#[test]
fn inside_tmux_it_refuses_to_nest_and_makes_windows_there_when_asked() {
    each_world(|world| {
        world.roster(&roster(BEFORE));
        world.apply(&[], 0);
        let tmux = Tmux::of_a_user(world);
        let evil = world.folder.join("evil");
        // Names and options of the user's own, one of which looks like a mark.
        tmux.run(&["new-window", "-d", "-n", "x", "sleep", "1000"]);
        let value = format!("#(touch {})\n$0 @1 %1 0 4 4 0 0 shop core", evil.display());
        tmux.run(&["set-option", "-w", "-t", ":1", "@fleet_title", &value]);
        tmux.run(&["set-option", "-w", "-t", ":0", "@fleet", "another"]);
        let before = tmux.panes();
        let inside = |words: &[&str], expected: i32| {
            let mut command = world.command(words);
            command.env("TMUX", format!("{},{},0", tmux.socket.display(), tmux.pid())).env("TMUX_PANE", "%0");
            let said = output(&mut command, LONG);
            let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
            assert_eq!(said.status.code(), Some(expected), "{words:?}: {text}");
            text
        };
        let said = inside(&["view"], 6);
        assert!(said.contains("fleet view --here"), "{said}");
        assert_eq!(tmux.panes(), before);
        world.fleet(&["view", "--here"], 6);
        inside(&["view", "--here"], 0);
        assert_eq!(tmux.panes()[..2], before[..], "the user's own windows");
        assert_eq!(
            tmux.windows()[2..],
            [window("core", &["lead"]), window("old", &["view-1"]), window(ODD, &["view-1", "view-2"])]
        );
        assert_eq!(tmux.run(&["display-message", "-p", "#{window_id}"]).trim(), "@0", "nobody is taken elsewhere");
        let lead = tmux.pane("core", "lead");
        wait_for("the agent in its pane", || tmux.text(&lead).contains("of the lead"));
        let made = tmux.panes();
        assert!(inside(&["view", "--here"], 0).contains("as the layout says"));
        assert_eq!(tmux.panes(), made);
        assert!(!Tmux::of_view(world).socket.exists(), "fleet's own server was started");
        inside(&["view", "--here", "--kill"], 0);
        assert_eq!(tmux.panes(), before);
        assert!(!evil.exists(), "tmux ran what stood in an option");
        let pid = tmux.pid();
        world.fleet(&["view", "--no-attach"], 0);
        world.fleet(&["destroy", "--yes"], 0);
        assert_eq!((tmux.panes(), tmux.pid()), (before, pid), "the user's own server was touched");
        tmux.run(&["kill-server"]);
    });
}

#[test]
fn people_with_terminals_of_different_sizes_look_at_it() {
    let world = World::new(As::User, Manager::Systemd);
    world.roster(&roster(BEFORE));
    world.apply(&[], 0);
    let open = |columns, rows| {
        let mut command = world.command(&["view"]);
        command.env("TERM", "xterm-256color");
        Pty::spawn(command, columns, rows)
    };
    let mut large = open(120, 40);
    let has_lead = |screen: &crate::pty::Screen| screen.lines.iter().any(|line| line.contains("of the lead"));
    large.wait("the lead in the large terminal", has_lead);
    let mut small = open(60, 12);
    small.wait("the lead in the small terminal", has_lead);
    // The one who came last sets the size, in tmux as in the shim; both still see the agent.
    large.wait("the lead, as large as the small terminal", has_lead);
    let tmux = Tmux::of_view(&world);
    wait_for("both are attached", || tmux.run(&["list-clients", "-F", "#{client_width}"]).lines().count() == 2);
    assert!(tmux.run(&["list-clients", "-F", "#{client_width}"]).contains("120"));
    tmux.prefixed(&mut small, "d");
    assert_eq!(small.code(), 0);
    large.wait("the lead in the large terminal again", has_lead);
    world.fleet(&["view", "--kill"], 0);
    large.finish();
    world.fleet(&["destroy", "--yes"], 0);
}

/// The wheel over a pane, from a real terminal through a real tmux.
#[test]
fn the_wheel_goes_to_those_who_asked_for_the_mouse_and_to_nobody_else() {
    let world = World::new(As::User, Manager::Local);
    let agent = |name: &str, modes: &str| {
        let script = format!("stty raw -echo; printf '{modes}ready of {name}: '; exec cat -v");
        format!(
            "agent \"{name}\" {{ role \"coder\"; runtime \"command\" {{ argv \"sh\" \"-c\" #\"{script}\"#; }}; }}\n"
        )
    };
    world.roster(&format!(
        "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"a test\"\ndefaults {{ stop-timeout \"5s\"; restart \"never\"; }}\n{}{}\
         layout {{ window \"deaf\" {{ pane \"deaf\"; }}; window \"mouse\" {{ pane \"mouse\"; }}; }}\n",
        agent("deaf", ""),
        agent("mouse", r"\033[?1000h\033[?1006h"),
    ));
    world.apply(&[], 0);
    let mut command = world.command(&["view"]);
    command.env("TERM", "xterm-256color");
    let mut pty = Pty::spawn(command, 100, 30);
    pty.wait("the first agent", |screen| screen.lines.iter().any(|line| line.contains("ready of deaf:")));
    let wheel = "\x1b[<64;20;10M\x1b[<65;20;10M";
    pty.type_in(wheel);
    pty.type_in("typed");
    pty.wait("what was typed, and nothing else", |screen| {
        screen.lines.iter().any(|line| line.contains("ready of deaf: typed"))
    });
    let tmux = Tmux::of_view(&world);
    assert_eq!(tmux.run(&["display-message", "-p", "#{pane_in_mode}"]).trim(), "0");
    // C-b n: the next window.
    tmux.prefixed(&mut pty, "n");
    pty.wait("the second agent", |screen| screen.lines.iter().any(|line| line.contains("ready of mouse:")));
    let pane = tmux.pane("mouse", "mouse");
    wait_for("the pane has the agent's mode", || {
        tmux.run(&["display-message", "-p", "-t", &pane, "#{mouse_any_flag}"]).trim() == "1"
    });
    pty.type_in(wheel);
    pty.wait("the wheel at the agent", |screen| {
        screen.lines.iter().any(|line| line.contains("ready of mouse: ^[[<64;20;9M^[[<65;20;9M"))
    });
    tmux.prefixed(&mut pty, "d");
    assert_eq!(pty.code(), 0);
    world.fleet(&["destroy", "--yes"], 0);
}

/// The grammar keeps most of this out of titles. tmux would run it, were it ever part of a format.
#[test]
fn no_title_is_a_command() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(BEFORE));
    world.apply(&[], 0);
    let evil = world.folder.join("evil");
    let title = format!("#(touch {0})#{{E:pane_title}}%H#[fill=red];", evil.display());
    let file = world.state_folder().join("shop/view.tmux");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("'@fleet_title' 'old'", &format!("'@fleet_title' '{title}'"))).unwrap();
    let mut command = world.command(&["view"]);
    command.env("TERM", "xterm-256color");
    let mut pty = Pty::spawn(command, 120, 40);
    pty.wait("the lead", |screen| screen.lines.iter().any(|line| line.contains("of the lead")));
    let tmux = Tmux::of_view(&world);
    assert!(tmux.windows().contains(&window(&title, &["view-1"])), "{:?}", tmux.windows());
    // The same by the other way: a window that is added to a server that runs.
    let id = tmux.run(&["display-message", "-p", "-t", &tmux.pane(&title, "view-1"), "#{window_id}"]);
    tmux.run(&["kill-window", "-t", id.trim()]);
    world.fleet(&["view", "--no-attach"], 0);
    assert!(tmux.windows().contains(&window(&title, &["view-1"])), "{:?}", tmux.windows());
    // It stands in the status line that the client draws.
    pty.wait("the title as it is", |screen| screen.lines.last().is_some_and(|line| line.contains("#(touch /tmp")));
    assert!(!evil.exists(), "tmux ran a title");
    world.fleet(&["view", "--kill"], 0);
    pty.finish();
    world.fleet(&["destroy", "--yes", "--overwrite"], 0);
}
