//! The manifest: everything the shim needs to run one agent, and the records it leaves behind.
//!
//! The format is frozen as number 1 and written down in `docs/manifest.md`. A manifest holds no secret: secrets are
//! references that the shim resolves when it starts the agent. It is split by what a change costs a running agent:
//! [`Launch`] is fixed when the agent starts, [`Policy`] may change under it.

mod chain;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use chain::{Fallback, ModelName, ModelNote};
use serde::{Deserialize, Serialize};

use crate::ids::{AgentName, Digest, FleetId, UnitName};

/// The number every manifest and record of this layout carries. A reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// Longest path a Unix socket can have, in bytes: `sun_path` is 108 with its final NUL (unix(7)).
pub const SOCKET_PATH_MAX: usize = 107;

/// What an agent is in its fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentKind {
    /// The one that talks to people and hands out work.
    Orchestrator,
    /// Improves the roster and the tools; neither codes nor reviews.
    Enhancer,
    /// A worker.
    Agent,
}

/// One agent, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    pub fleet: FleetId,
    pub agent: AgentName,
    pub kind: AgentKind,
    /// The role's name, for people and `status`.
    pub role: Option<String>,
    /// The unit that runs the shim under systemd; a mere label under the local manager.
    pub unit: UnitName,
    /// The applied roster, given to the agent as `FLEET_FILE`.
    pub roster: PathBuf,
    /// `agents/<name>`: log, records, heartbeat.
    pub folder: PathBuf,
    /// Where the shim listens. At most [`SOCKET_PATH_MAX`] bytes.
    pub socket: PathBuf,
    pub launch: Launch,
    pub policy: Policy,
    /// The models behind the first, in order. Empty: there is no chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
}

/// What is fixed when the agent starts. A difference here means a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The runtime's name, e.g. `codex`.
    pub runtime: String,
    pub model: Option<String>,
    pub effort: Option<String>,
    /// The agent's argument vector without a first prompt. `argv[0]` is looked up on the agent's own `PATH`.
    pub argv: Vec<String>,
    /// Appended to `argv` when the agent is started with a first prompt; `{prompt}` inside one of them is replaced.
    /// Empty: the prompt is sent once the agent is ready.
    pub prompt_argv: Vec<String>,
    /// Working folder, absolute.
    pub dir: PathBuf,
    /// Names of the variables in the env file (their values stand there, not here).
    pub env_keys: Vec<String>,
    /// Digest of the env file, so that a changed value is seen as a change.
    pub env_digest: Digest,
    /// Variables of the service manager that this agent must not inherit: sources of other agents' secrets.
    pub unset: Vec<String>,
    pub secrets: Vec<SecretRef>,
    /// Digest of the role text the agent was started with.
    pub role_digest: Option<Digest>,
    /// Files of fleet's own that the runtime is pointed at, by name, with their digests.
    pub files: BTreeMap<String, Digest>,
    pub terminal: Terminal,
}

/// A secret by reference. The value is resolved by the shim at start and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// The variable, or the credential file's name.
    pub name: String,
    pub from: SecretSource,
    #[serde(rename = "as")]
    pub delivery: SecretDelivery,
    /// A word of the user's that forces a restart when it changes.
    pub version: Option<String>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A variable of the service manager.
    Env(String),
    /// A file's content, one trailing newline removed. Absolute.
    File(PathBuf),
    /// What a program prints, one trailing newline removed. Never given to a shell.
    Cmd(Vec<String>),
    /// What `op read` prints for this `op://…` reference.
    Op(String),
    /// A credential of the unit: a file in `$CREDENTIALS_DIRECTORY`.
    Systemd(String),
}

/// How the agent gets a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretDelivery {
    /// A 0600 file; its path is in `<NAME>_FILE`.
    File,
    /// An environment variable, which every tool of the agent inherits.
    Env,
}

/// The pseudo-terminal the agent starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    pub columns: u16,
    pub rows: u16,
    /// `TERM`.
    pub term: String,
    /// Lines of history the model keeps. 4.8 kB per 200-column line.
    pub scrollback: u32,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { columns: 200, rows: 50, term: "xterm-256color".to_owned(), scrollback: 0 }
    }
}

/// What may change under a running agent. The shim takes a new policy on its `reload` verb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub description: Option<String>,
    /// The first message, given at the next fresh start.
    pub prompt: Option<String>,
    pub autostart: bool,
    pub restart: RestartPolicy,
    pub limits: Limits,
    /// From the polite stop to SIGKILL of the process group, in milliseconds.
    pub stop_timeout_ms: u64,
    pub log: LogPolicy,
    /// Shared, because they are the runtime's: agents of a fleet differ in them only where their runtimes do.
    pub patterns: Arc<[Pattern]>,
    pub delivery: Delivery,
    /// How a restart goes on with the conversation. `None`: it begins a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// Arguments that name a conversation; `{session}` in them is its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// For a fresh start.
    pub session: Vec<String>,
    /// To go on.
    pub resume: Vec<String>,
}

/// `agents/<name>/conversation.json`, written by the shim: what a restart can go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// A UUID.
    pub id: String,
    /// What the fresh start was given.
    pub words: Vec<String>,
    pub runtime: String,
    /// The working folder, by which CLIs keep their conversations.
    pub dir: PathBuf,
    /// Something was said in it. What nobody spoke in, most CLIs do not keep.
    pub begun: bool,
    /// The present run goes on with it.
    pub resumed: bool,
}

/// When a dead agent is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    pub when: RestartWhen,
    /// First wait, in milliseconds.
    pub delay_ms: u64,
    /// Longest wait, in milliseconds.
    pub max_delay_ms: u64,
    /// At most this many starts `within_ms`.
    pub burst: u32,
    pub within_ms: u64,
    /// An agent that ran this long is healthy again, in milliseconds.
    pub healthy_ms: u64,
}

/// The condition of [`RestartPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWhen {
    Never,
    OnFailure,
    Always,
}

/// Limits of the agent's control group. `None`: no limit of fleet's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes; above it the kernel reclaims.
    pub memory_high: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Per cent of one processor.
    pub cpu_percent: Option<u32>,
}

/// The raw output log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPolicy {
    /// Bytes after which the log is rotated.
    pub size: u64,
    /// Rotated files kept beside the live one.
    pub keep: u32,
    /// Nothing is written.
    pub off: bool,
}

/// A linear-time regular expression over the text of the terminal model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    pub kind: PatternKind,
    pub region: Region,
    /// The expression, in multi-line mode: `^` and `$` match at line ends.
    pub expr: String,
    /// For `fatal` and `limit`: `auth quota rate overloaded context network`.
    pub class: Option<String>,
}

/// What a [`Pattern`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatternKind {
    /// The agent takes input for the first time.
    Ready,
    /// A turn is running.
    Busy,
    /// Waiting for input. Counts only while no `busy` pattern matches.
    Idle,
    /// A question to a person is on the screen: nothing may be typed.
    Dialog,
    /// The agent cannot go on by itself.
    Fatal,
    /// A limit of the provider's.
    Limit,
    /// The input line. Group 1 is the draft in it.
    Input,
    /// Text that stands in the input line while the draft is empty. Matched against the draft.
    Placeholder,
}

/// Where a [`Pattern`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    Title,
    /// The last N lines of the screen that are not blank.
    Last(u16),
    Screen,
}

/// How text is brought to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub busy_input: BusyInput,
    /// Least wait between paste and Enter, in milliseconds; never under 150.
    pub settle_ms: u64,
    /// Typed, then Enter, to end the agent politely. `None`: SIGTERM at once.
    pub quit: Option<String>,
    /// Bytes that interrupt a running turn.
    pub interrupt: Option<String>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { busy_input: BusyInput::Refuse, settle_ms: 150, quit: None, interrupt: None }
    }
}

/// What the runtime does with input while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyInput {
    /// Keeps it until the turn ends.
    Queue,
    /// Takes it into the running turn.
    Steer,
    /// fleet does not type while the agent is busy.
    Refuse,
}

/// A process that cannot be confused with another: a pid is reused, this triple is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// Field 22 of `/proc/<pid>/stat`: start time since boot in clock ticks (proc(5)).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// `agents/<name>/run.json`, written by the shim when the agent runs, removed when it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: u32,
    pub shim: ProcessId,
    pub child: ProcessId,
    /// When the agent was started, RFC 3339, UTC.
    pub started: String,
    /// Digest of the manifest file the shim read.
    pub manifest: Digest,
    /// What the agent was started with: the running version of the four that a plan compares.
    pub launch: Launch,
    /// systemd's invocation id of the unit, under systemd.
    pub invocation: Option<String>,
    /// What the agent's own words in its folder carry, so that none of an earlier run is taken for one of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Under the local manager, the process that ends what a killed shim leaves; it is gone when all of that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<ProcessId>,
}

/// `agents/<name>/exit.json`: how the last run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// [`FORMAT`].
    pub format: u32,
    pub pid: u32,
    /// The agent's exit code, when it exited.
    pub code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Whether the shim had been asked to stop it.
    pub stop_requested: bool,
    /// The kernel ended it for want of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// The step of the stop that ended it.
    pub step: StopStep,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC.
    pub ended: String,
    /// Bytes of output in all.
    pub bytes: u64,
    /// The model that it used, where that was not the first of its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ModelName>,
}

/// Which step ended the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopStep {
    /// It ended by itself.
    Itself,
    /// The runtime's quit command.
    Quit,
    /// SIGTERM to the process group.
    Term,
    /// SIGKILL to the process group, after the stop time-out.
    Kill,
}
