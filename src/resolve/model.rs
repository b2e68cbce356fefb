//! The fleet as resolved: no options left but where absence means something, no spans needed to render.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Span;
use crate::ids::{AgentName, FleetId, RoleName, UnitName};
use crate::manifest::{AgentKind, Delivery, Pattern, Policy, Resume, SecretRef, Terminal};
use crate::script::Script;
use crate::supervise::policy::{Heartbeat, Lifecycle, Spend, Stall};

/// What the program knows of this machine, gathered once and passed in as data.
#[derive(Debug, Clone)]
pub struct HostFacts {
    pub home: PathBuf,
    pub hostname: String,
    /// `$XDG_STATE_HOME/fleet`.
    pub state_base: PathBuf,
    /// `$XDG_DATA_HOME/fleet`.
    pub data_base: PathBuf,
    /// `$XDG_RUNTIME_DIR/fleet`, where there is a runtime folder.
    pub runtime_base: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/systemd/user`.
    pub unit_base: PathBuf,
    /// Bytes of memory, when known.
    pub memory: Option<u64>,
}

/// Where one fleet keeps its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `<state base>/<id>`.
    pub state: PathBuf,
    /// The folder of the sockets.
    pub runtime: PathBuf,
    /// The folder of the unit files.
    pub units: PathBuf,
    /// The folder of the worktrees.
    pub worktrees: PathBuf,
}

impl Paths {
    /// The places of fleet `id` on this machine.
    #[must_use]
    pub fn new(id: &FleetId, facts: &HostFacts) -> Self {
        let state = facts.state_base.join(id.as_str());
        let runtime = match &facts.runtime_base {
            Some(base) => base.join(id.as_str()),
            None => state.join("run"),
        };
        let worktrees = facts.data_base.join(id.as_str()).join("worktrees");
        Self { state, runtime, units: facts.unit_base.clone(), worktrees }
    }

    /// Everything of one agent.
    #[must_use]
    pub fn agent(&self, name: &AgentName) -> PathBuf {
        self.state.join("agents").join(name.as_str())
    }

    /// Where an agent's shim listens.
    #[must_use]
    pub fn socket(&self, name: &AgentName) -> PathBuf {
        self.runtime.join(format!("{name}.sock"))
    }

    /// The viewer's windows, as tmux reads them.
    #[must_use]
    pub fn view(&self) -> PathBuf {
        self.state.join("view.tmux")
    }

    /// Where the viewer's tmux server listens. No agent's socket is called so: those end in `.sock`.
    #[must_use]
    pub fn view_socket(&self) -> PathBuf {
        self.runtime.join("view.tmux")
    }

    /// Copies of the two binaries that fleet owns, so that a moved or cleaned build breaks no start.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.state.join("bin")
    }

    /// What the supervisor goes by.
    #[must_use]
    pub fn supervise(&self) -> PathBuf {
        self.state.join("supervise.json")
    }

    /// Held by the fleet's supervisor as long as it runs.
    #[must_use]
    pub fn supervisor_lock(&self) -> PathBuf {
        self.state.join("supervisor.lock")
    }

    /// A unit's file.
    #[must_use]
    pub fn unit(&self, unit: &UnitName) -> PathBuf {
        self.units.join(unit.as_str())
    }

    /// The link by which `parent` pulls `unit` in.
    #[must_use]
    pub fn wants(&self, parent: &str, unit: &UnitName) -> PathBuf {
        self.units.join(format!("{parent}.wants")).join(unit.as_str())
    }
}

/// One fleet, complete.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub id: FleetId,
    /// The roster's own path, canonical.
    pub roster: PathBuf,
    pub paths: Paths,
    /// In the order of the roster, groups spelt out.
    pub agents: Vec<Agent>,
    /// The viewer's windows.
    pub windows: Vec<super::Window>,
    /// Agents of other machines: listed, not applied.
    pub elsewhere: Vec<(AgentName, String)>,
    /// Whether a supervisor starts and restarts the agents, instead of systemd alone.
    pub supervise: bool,
    /// Caps of the whole fleet.
    pub spend: Spend,
    /// Variables of the service manager that only agents have a use for.
    pub agents_secrets: BTreeSet<String>,
    /// Whether the roster asks for growing restart delays by name.
    pub grows_delays: bool,
    /// Said in the roster and checked, and nothing acts on it yet; each with its first place.
    pub declared: Vec<String>,
}

impl Fleet {
    /// The agent called `name`.
    #[must_use]
    pub fn agent(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.name == *name)
    }
}

/// One agent, complete.
#[derive(Debug, Clone)]
pub struct Agent {
    pub name: AgentName,
    /// The `agent "…" count=` it is one of.
    pub group: Option<AgentName>,
    /// The name it had.
    pub was: Option<AgentName>,
    pub kind: AgentKind,
    pub role: Option<RoleName>,
    pub may: BTreeSet<String>,
    /// Where it is declared.
    pub span: Span,
    /// `fleet.kdl:12`, for plans.
    pub place: String,
    pub after: Vec<AgentName>,
    pub runtime: String,
    pub model: Option<String>,
    pub effort: Option<String>,
    pub argv: Vec<String>,
    pub prompt_argv: Vec<String>,
    pub dir: PathBuf,
    /// The git worktree that `dir` is.
    pub worktree: Option<Worktree>,
    /// Variables of the env file.
    pub env: BTreeMap<String, String>,
    /// The folders of `PATH`, in order: where `argv[0]` is looked up.
    pub search: Vec<PathBuf>,
    pub secrets: Vec<SecretRef>,
    pub unset: Vec<String>,
    pub role_text: Option<Arc<str>>,
    /// Files of fleet's own for the runtime, by name.
    pub files: BTreeMap<String, String>,
    pub script: Option<Script>,
    pub terminal: Terminal,
    pub policy: Policy,
    pub watch: Watch,
    /// The models behind the first, in order.
    pub fallbacks: Vec<Fallback>,
    /// Where the roster says that the agent must not run without its sandbox.
    pub requires_sandbox: Option<Span>,
}

/// What a supervisor goes by, beyond what the shim is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Watch {
    pub stall: Stall,
    pub heartbeat: Heartbeat,
    /// Standing idle is what it does.
    pub idle_ok: bool,
    pub spend: Spend,
    pub lifecycle: Lifecycle,
    /// How often it is given its digest, in milliseconds.
    pub digest_ms: Option<u64>,
}

/// A model behind the first of an agent's chain, with what a start with it differs in.
#[derive(Debug, Clone)]
pub struct Fallback {
    pub runtime: String,
    pub model: Option<String>,
    pub effort: Option<String>,
    pub argv: Vec<String>,
    pub prompt_argv: Vec<String>,
    /// All variables.
    pub env: BTreeMap<String, String>,
    /// Files of fleet's own for the runtime, by name, and their folder in the agent's.
    pub files: BTreeMap<String, String>,
    pub folder: String,
    pub patterns: Arc<[Pattern]>,
    pub delivery: Delivery,
    pub resume: Option<Resume>,
    pub heartbeat: Heartbeat,
}

/// A git worktree of one agent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Worktree {
    pub path: PathBuf,
    /// The top folder of the repository it belongs to.
    pub repository: PathBuf,
    /// The branch that is checked out in it; `None` for one that is only read.
    pub branch: Option<String>,
    /// The branch it starts from; `None`: what the repository has checked out.
    pub base: Option<String>,
}

impl Agent {
    /// The agent's unit.
    #[must_use]
    pub fn unit(&self, fleet: &FleetId) -> UnitName {
        UnitName::agent(fleet, &self.name)
    }
}

/// Resolves a path of the roster: `~/` is the home, anything relative starts at `folder`. `.` and `..` are folded, so
/// that one folder has one name.
#[must_use]
pub fn place(text: &str, folder: &Path, home: &Path) -> PathBuf {
    let joined = match text.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if text == "~" => home.to_path_buf(),
        None => folder.join(text),
    };
    let mut out = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fold_to_one_name() {
        let (folder, home) = (Path::new("/srv/shop"), Path::new("/home/me"));
        assert_eq!(place(".", folder, home), Path::new("/srv/shop"));
        assert_eq!(place("../a/./b", folder, home), Path::new("/srv/a/b"));
        assert_eq!(place("~/x", folder, home), Path::new("/home/me/x"));
        assert_eq!(place("/abs", folder, home), Path::new("/abs"));
        assert_eq!(place("../../../..", folder, home), Path::new("/"));
    }
}
