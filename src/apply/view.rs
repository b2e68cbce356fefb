//! The viewer: a tmux server of fleet's own, or windows in the one that a person is in. Behaviour is in `plan::view`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::ApplyError;
use super::managers::Chosen;
use super::state::State;
use crate::ids::{AgentName, UnitName};
use crate::plan::view::{LivePane, LiveWindow, Step, diff};
use crate::render::view::{AGENT, ARRANGE, NAME, OWNER, SIZE, TITLE, program, read, session};
use crate::resolve::Window;
use crate::system::fs;
use crate::system::lock::{self, Attempt, Lock};
use crate::system::process::{self, Invocation};
use crate::system::service::{ManagerKind, transient};
use crate::system::tmux::{self, Server, TmuxError};

/// Longest wait for the server to come up or to end.
const SERVER: Duration = Duration::from_secs(20);
/// Rounds after which a view that is never right is given up: opening, then the order of panes, then nothing.
const ROUNDS: usize = 4;
/// Largest file of windows that is read, in bytes.
const VIEW_CAP: u64 = 16 << 20;
/// Longest path of a socket, in bytes (unix(7)).
const SOCKET_MAX: usize = 107;

/// Variables that the server of fleet's own gets from its caller. Everything else stays behind: what panes and the
/// windows that people open there need is in here, and no secret is.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "COLORTERM",
    "NO_COLOR",
    "PAGER",
    "LESS",
    "EDITOR",
    "VISUAL",
];
/// Those that say where fleet's folders are. A pane in somebody else's server is given them.
const FOLDERS: &[&str] =
    &["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"];
/// The variable by which a distribution's tmux finds systemd, to move each pane into a scope of its own.
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// Where the windows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On fleet's own server.
    Own,
    /// In the tmux that the caller sits in: its server and this session.
    Here { socket: PathBuf, session: String },
}

/// What came of it.
#[derive(Debug)]
pub struct Shown {
    pub server: Server,
    /// The session to look at, by its id.
    pub session: String,
    /// Whether the server was started for it.
    pub started: bool,
    /// What was changed in a view that was there already.
    pub steps: Vec<Step>,
    /// Titles and ids of the windows, in the layout's order.
    pub windows: Vec<LiveWindow>,
}

/// The view of one applied fleet.
#[derive(Debug)]
pub struct View<'a> {
    state: &'a State,
    place: Place,
    server: Server,
    _lock: Lock,
}

impl<'a> View<'a> {
    /// Takes hold of the view: one command at a time changes it.
    ///
    /// # Errors
    /// When another command has hold of it.
    pub fn open(state: &'a State, place: Place) -> Result<Self, ApplyError> {
        fs::ensure_private_dir(&state.paths.runtime)?;
        let lock = match lock::try_lock(&lock_path(state), "fleet view")? {
            Attempt::Taken(lock) => lock,
            Attempt::Held(holder) => {
                return Err(ApplyError::Locked { fleet: format!("{}'s view", state.fleet), holder });
            }
        };
        let socket = match &place {
            Place::Own => state.paths.view_socket(),
            Place::Here { socket, .. } => socket.clone(),
        };
        if socket.as_os_str().len() > SOCKET_MAX {
            let message = format!("the path of the view's socket is too long: {}", socket.display());
            return Err(ApplyError::other(message, "set XDG_RUNTIME_DIR, or XDG_STATE_HOME, to a shorter path"));
        }
        Ok(Self { state, place, server: Server { socket }, _lock: lock })
    }

    /// Makes the windows what the applied layout says. A server of fleet's own is started when there is none.
    ///
    /// # Errors
    /// When there is no layout, or tmux or the service manager fails.
    pub fn show(&self, kind: ManagerKind) -> Result<Shown, ApplyError> {
        let wanted = self.wanted()?;
        let started = self.place == Place::Own && !self.server.is_running()?;
        if started {
            self.start(kind)?;
        }
        let mut steps = Vec::new();
        for _ in 0..ROUNDS {
            let live = self.live()?;
            let round = diff(&wanted, &live);
            if round.is_empty() {
                let session = self.session()?.ok_or_else(|| gone(&self.server))?;
                let place = |live: &LiveWindow| wanted.iter().position(|window| window.title == live.title);
                let mut windows = live;
                windows.sort_by_key(place);
                return Ok(Shown { server: self.server.clone(), session, started, steps, windows });
            }
            for step in round {
                self.carry_out(&step)?;
                steps.push(step);
            }
        }
        let message = "the view's windows change while they are set up, so it was given up";
        Err(ApplyError::other(message, "run `fleet view` again when nobody else changes them"))
    }

    /// Takes the view away. How many windows there were.
    ///
    /// # Errors
    /// When tmux or the service manager fails.
    pub fn close(&self, chosen: &Chosen) -> Result<usize, ApplyError> {
        if !self.server.is_running()? {
            return Ok(0);
        }
        let live = self.live()?;
        match self.place {
            Place::Own => end(self.state, chosen)?,
            Place::Here { .. } => diff(&[], &live).iter().try_for_each(|step| self.carry_out(step))?,
        }
        Ok(live.len())
    }

    /// The windows of the layout that was applied last, as they were rendered then.
    fn wanted(&self) -> Result<Vec<Window>, ApplyError> {
        let path = self.state.paths.view();
        let text = fs::read_optional(&path, VIEW_CAP)?.unwrap_or_default();
        let windows = read(&String::from_utf8_lossy(&text));
        if windows.is_empty() {
            let message = format!("{} describes no windows", path.display());
            return Err(ApplyError::other(
                message,
                "`fleet apply` writes it anew; a fleet without agents has no view",
            ));
        }
        Ok(windows)
    }

    fn start(&self, kind: ManagerKind) -> Result<(), ApplyError> {
        let socket = &self.server.socket;
        let mut environment: Vec<(String, OsString)> = Vec::new();
        let inherited = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        environment.extend(inherited.filter(|(name, _)| {
            INHERITED.contains(&name.as_str()) || FOLDERS.contains(&name.as_str()) || name.starts_with("LC_")
        }));
        // Nothing listens there: the server must not move its panes into scopes of their own.
        let nowhere = format!("unix:path={}", self.state.paths.runtime.join("view.no-bus").display());
        environment.push((BUS.to_owned(), nowhere.into()));
        let argv = tmux::start(socket, &self.state.paths.view(), &environment);
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        match kind {
            ManagerKind::Systemd => {
                let description = format!("Viewer of fleet {}", self.state.fleet);
                transient::start(&UnitName::view(&self.state.fleet), &description, &home, &argv, SERVER)?;
            }
            ManagerKind::Local => {
                let mut invocation = Invocation::new(argv, SERVER);
                invocation.dir = Some(home);
                let finished = process::run(&invocation).map_err(|error| start_failed(&error.to_string()))?;
                if !finished.status.success() {
                    return Err(start_failed(String::from_utf8_lossy(&finished.stderr).trim()));
                }
            }
        }
        if !self.server.is_running()? {
            return Err(start_failed("the server ended at once"));
        }
        // For the windows that people open: the server itself has its own reasons not to see the bus.
        match std::env::var(BUS) {
            Ok(address) => self.server.run(&["set-environment", "-g", BUS, &address])?,
            Err(_) => self.server.run(&["set-environment", "-g", "-u", BUS])?,
        };
        Ok(())
    }

    /// The session that new windows go to. `None`: fleet's own is gone, though its server runs.
    fn session(&self) -> Result<Option<String>, ApplyError> {
        match &self.place {
            Place::Own => Ok(self.server.session(&session(&self.state.fleet))?),
            Place::Here { session, .. } => Ok(Some(session.clone())),
        }
    }

    /// The windows with this fleet's mark.
    fn live(&self) -> Result<Vec<LiveWindow>, ApplyError> {
        let mut windows: Vec<LiveWindow> = Vec::new();
        for pane in self.server.marked(&[OWNER, TITLE, ARRANGE, AGENT])? {
            let [owner, title, arrange, agent] = pane.values.as_slice() else { continue };
            if owner != self.state.fleet.as_str() || title.is_empty() {
                continue;
            }
            let found = windows.iter().position(|window| window.id == pane.window).unwrap_or_else(|| {
                let (title, arrange) = (title.clone(), arrange.clone());
                windows.push(LiveWindow { id: pane.window.clone(), title, arrange, panes: Vec::new() });
                windows.len() - 1
            });
            let agent = (!agent.is_empty()).then(|| agent.clone());
            windows[found].panes.push(LivePane { id: pane.pane, agent, dead: pane.dead });
        }
        Ok(windows)
    }

    fn carry_out(&self, step: &Step) -> Result<(), ApplyError> {
        let run = |words: &[&str]| self.server.run(words);
        match step {
            Step::OpenWindow { title, arrange, agents } => self.open_window(title, arrange, agents)?,
            Step::OpenPane { window, agent } => {
                self.open_pane(window, agent)?;
                // Room for the next one.
                run(&["select-layout", "-t", window, "tiled"])?;
            }
            Step::RestartPane { pane, agent } => {
                let mut words = vec!["respawn-pane".to_owned(), "-k".to_owned()];
                words.extend(self.variables());
                words.extend(["-t".to_owned(), pane.clone()]);
                words.extend(program(&self.state.paths, &self.state.fleet, agent));
                run(&borrowed(&words))?;
            }
            Step::SwapPanes { pane, with } => drop(run(&["swap-pane", "-d", "-s", pane, "-t", with])?),
            Step::ClosePane { pane } => drop(run(&["kill-pane", "-t", pane])?),
            Step::CloseWindow { window } => drop(run(&["kill-window", "-t", window])?),
            Step::ReleaseWindow { window } => {
                for option in [OWNER, TITLE, ARRANGE] {
                    run(&["set-option", "-w", "-u", "-t", window, option])?;
                }
            }
            Step::Arrange { window, arrange } => {
                run(&["select-layout", "-t", window, arrange])?;
                run(&["set-option", "-w", "-t", window, ARRANGE, arrange])?;
            }
        }
        Ok(())
    }

    fn open_window(&self, title: &str, arrange: &str, agents: &[AgentName]) -> Result<(), ApplyError> {
        let Some((first, rest)) = agents.split_first() else { return Ok(()) };
        let mut words: Vec<String> = match self.session()? {
            Some(session) => ["new-window", "-d", "-t", &format!("{session}:")].map(str::to_owned).to_vec(),
            None => {
                let name = session(&self.state.fleet);
                ["new-session", "-d", "-s", &name, "-x", SIZE[0], "-y", SIZE[1]].map(str::to_owned).to_vec()
            }
        };
        words.extend(["-P", "-F", "#{window_id} #{pane_id}"].map(str::to_owned));
        words.extend(self.variables());
        words.extend(program(&self.state.paths, &self.state.fleet, first));
        let said = self.server.run(&borrowed(&words))?;
        let (window, pane) = said.trim().split_once(' ').ok_or_else(|| TmuxError::Odd(said.clone()))?;
        // The mark comes first: a window that is only half made is found, and finished, by the next run.
        let fleet = self.state.fleet.as_str();
        for (option, value) in [(OWNER, fleet), (TITLE, title), (ARRANGE, arrange)] {
            self.server.run(&["set-option", "-w", "-t", window, option, value])?;
        }
        self.server.run(&["set-option", "-p", "-t", pane, AGENT, first.as_str()])?;
        self.server.run(&["rename-window", "-t", window, NAME])?;
        for agent in rest {
            self.open_pane(window, agent)?;
            self.server.run(&["select-layout", "-t", window, arrange])?;
        }
        Ok(())
    }

    fn open_pane(&self, window: &str, agent: &AgentName) -> Result<(), ApplyError> {
        let mut words = ["split-window", "-d", "-t", window, "-P", "-F", "#{pane_id}"].map(str::to_owned).to_vec();
        words.extend(self.variables());
        words.extend(program(&self.state.paths, &self.state.fleet, agent));
        let said = self.server.run(&borrowed(&words))?;
        self.server.run(&["set-option", "-p", "-t", said.trim(), AGENT, agent.as_str()])?;
        Ok(())
    }

    /// What a pane in somebody else's server needs to find the fleet.
    fn variables(&self) -> Vec<String> {
        if self.place == Place::Own {
            return Vec::new();
        }
        let known = FOLDERS.iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        known.flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")]).collect()
    }
}

/// Ends fleet's own view, whether it runs or not.
fn end(state: &State, chosen: &Chosen) -> Result<(), ApplyError> {
    let server = Server { socket: state.paths.view_socket() };
    match server.run(&["kill-server"]) {
        Ok(_) | Err(TmuxError::Refused(_) | TmuxError::Missing) => {}
        Err(error) => return Err(error.into()),
    }
    if chosen.manager.kind() == ManagerKind::Systemd {
        // The unit follows its server; whatever a person started there and left in the background goes with it.
        chosen.manager.stop(&UnitName::view(&state.fleet), SERVER)?;
    }
    Ok(())
}

/// Takes away everything of fleet's own view. For a fleet that goes.
///
/// # Errors
/// When it cannot be ended, or a file of it cannot be removed.
pub fn remove(state: &State, chosen: &Chosen) -> Result<(), ApplyError> {
    let socket = state.paths.view_socket();
    if socket.exists() || chosen.manager.kind() == ManagerKind::Systemd {
        end(state, chosen)?;
    }
    let lock = lock_path(state);
    let mut sidecar = lock.clone().into_os_string();
    sidecar.push(".json");
    let mut tmux_lock = socket.clone().into_os_string();
    tmux_lock.push(".lock");
    for path in [socket, tmux_lock.into(), lock, sidecar.into()] {
        fs::remove_file_if_present(&path)?;
    }
    Ok(())
}

fn lock_path(state: &State) -> PathBuf {
    state.paths.runtime.join("view.lock")
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn start_failed(said: &str) -> ApplyError {
    let said = if said.is_empty() { "nothing" } else { said };
    ApplyError::other(format!("the view's tmux server did not start; tmux says: {said}"), "is tmux 3.2 or newer?")
}

fn gone(server: &Server) -> ApplyError {
    ApplyError::other(
        format!("the view's session is gone from {}", server.socket.display()),
        "run `fleet view` again",
    )
}

impl From<TmuxError> for ApplyError {
    fn from(error: TmuxError) -> Self {
        let help = match &error {
            TmuxError::Missing => "install the package tmux; `fleet attach AGENT` does without",
            TmuxError::Refused(said) if said.contains("no space") => {
                "a window has no room for one more pane: make the terminal larger, or give `layout` more windows"
            }
            _ => "`fleet view --kill` takes the view away, `fleet view` makes it anew; no agent notices",
        };
        Self::other(error.to_string(), help)
    }
}
