//! The roster as decoded: typed, names unresolved, every value with its place.
//!
//! `defaults`, roles and agents each hold a [`Layer`] of settings. [`super::merge`] lays the nodes of a stronger one over
//! those of a weaker one; what comes out is decoded once more, and then nothing that has a default is missing.

use std::collections::BTreeMap;

use super::check::Node;
use super::preview::{Compose, Connector, Forge, Gate, Reaction, Route};
use crate::diagnostic::{FileId, Span};
use crate::ids::{AgentName, ChainName, ConnectorName, FleetId, RoleName, RuntimeName};
use crate::manifest::{AgentKind, RestartWhen, SecretDelivery, SecretSource};
use crate::script::Step;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One roster, with everything it includes.
#[derive(Debug, Clone)]
pub struct Roster {
    /// The root file.
    pub file: FileId,
    /// Where something missing would stand.
    pub end: Span,
    pub id: Option<Spanned<FleetId>>,
    /// The machine of agents that name none.
    pub host: Option<Spanned<String>>,
    /// As written; absent means supervised.
    pub supervise: Option<bool>,
    pub workspace: Option<Spanned<String>>,
    pub base: Option<String>,
    pub exempt: Option<Span>,
    pub defaults: Layer,
    pub roles: Vec<RoleNode>,
    pub agents: Vec<AgentNode>,
    pub chains: Vec<Chain>,
    pub layout: Vec<Window>,
    pub compose: Option<Compose>,
    pub connectors: Vec<Connector>,
    pub routes: Vec<Route>,
    pub forges: Vec<Forge>,
    pub reactions: Vec<Reaction>,
    pub gates: Vec<Gate>,
    /// What is said and checked, and what nothing acts on yet.
    pub declared: Vec<Declared>,
    /// The nodes themselves, includes taken in: what `--expand` prints.
    pub nodes: Vec<Node>,
}

/// A node that nothing acts on, or nothing but a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The node as people name it: `gate "merge"`.
    pub what: String,
    pub span: Span,
    /// A supervisor acts on it.
    pub supervised: bool,
}

/// Settings of one place: as nodes, to be merged, and decoded.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    pub nodes: Vec<Node>,
    pub part: SettingsPart,
}

/// `models "…" { use … }` at the top.
#[derive(Debug, Clone)]
pub struct Chain {
    pub name: Spanned<ChainName>,
    /// In order; the first one is started.
    pub uses: Vec<Use>,
}

/// `use "…"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub model: Spanned<String>,
    /// `None`: the agent's own.
    pub runtime: Option<Spanned<RuntimeName>>,
    pub effort: Option<Spanned<String>>,
}

/// `window "…"`.
#[derive(Debug, Clone)]
pub struct Window {
    pub title: Spanned<String>,
    pub arrange: Option<String>,
    pub panes: Vec<Pane>,
}

/// `pane`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pane {
    /// An agent or a group.
    Agent(Spanned<AgentName>),
    /// Every agent of a role.
    Role(Spanned<RoleName>),
}

/// `role "…" { … }`.
#[derive(Debug, Clone)]
pub struct RoleNode {
    pub name: Spanned<RoleName>,
    pub extends: Option<Spanned<RoleName>>,
    pub may: Option<Vec<Spanned<String>>>,
    /// The role's text.
    pub prompt: Option<Spanned<PromptPart>>,
    pub settings: Layer,
}

/// `orchestrator`, `enhancer` or `agent`.
#[derive(Debug, Clone)]
pub struct AgentNode {
    pub kind: AgentKind,
    /// The node's own word.
    pub span: Span,
    pub name: Spanned<AgentName>,
    pub count: Option<u32>,
    pub host: Option<Spanned<String>>,
    pub role: Option<Spanned<RoleName>>,
    pub after: Vec<Spanned<AgentName>>,
    pub was: Option<Spanned<AgentName>>,
    pub connector: Option<Spanned<ConnectorName>>,
    /// A node inside is most likely a misspelt `runtime`, so none is missing.
    pub meant_runtime: bool,
    /// How often an enhancer is told what went wrong, in milliseconds.
    pub digest_ms: Option<u64>,
    pub settings: Layer,
}

/// Settings as far as one place says them.
#[derive(Debug, Clone, Default)]
pub struct SettingsPart {
    pub runtime: Option<RuntimePart>,
    pub models: Option<Spanned<ChainName>>,
    pub dir: Option<Spanned<String>>,
    pub worktree: Option<WorktreePart>,
    pub prompt: Option<Spanned<PromptPart>>,
    pub resume: Option<Spanned<String>>,
    pub permissions: Option<Spanned<String>>,
    pub home: Option<Spanned<String>>,
    pub autostart: Option<bool>,
    pub lifecycle: LifecyclePart,
    pub env: BTreeMap<String, Spanned<String>>,
    pub path: Option<Vec<Spanned<String>>>,
    pub secrets: BTreeMap<String, SecretPart>,
    pub limits: LimitsPart,
    pub sandbox: SandboxPart,
    pub stall: StallPart,
    pub heartbeat_ms: Option<Spanned<u64>>,
    pub spend: SpendPart,
    pub restart: RestartPart,
    pub stop_timeout_ms: Option<Spanned<u64>>,
    pub log: LogPart,
    pub scrollback: Option<u32>,
    pub description: Option<String>,
}

/// `runtime`.
#[derive(Debug, Clone)]
pub struct RuntimePart {
    pub name: Spanned<RuntimeName>,
    pub model: Option<Spanned<String>>,
    pub effort: Option<Spanned<String>>,
    pub argv: Option<Vec<Spanned<String>>>,
    pub script: Option<Vec<Step>>,
}

/// `prompt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptPart {
    Text(String),
    /// Relative to the folder of the file it stands in, unless absolute.
    File(String),
}

/// `secret`.
#[derive(Debug, Clone)]
pub struct SecretPart {
    pub span: Span,
    pub from: SecretSource,
    pub delivery: SecretDelivery,
    pub version: Option<String>,
}

/// `limits`.
#[derive(Debug, Clone, Default)]
pub struct LimitsPart {
    pub memory: Option<Spanned<u64>>,
    pub memory_high: Option<Spanned<u64>>,
    pub tasks: Option<u64>,
    pub cpu_percent: Option<u32>,
}

/// `restart`.
#[derive(Debug, Clone, Default)]
pub struct RestartPart {
    /// The node that was strongest, for messages about the whole.
    pub span: Option<Span>,
    pub when: Option<RestartWhen>,
    pub delay_ms: Option<u64>,
    pub max_delay_ms: Option<u64>,
    pub burst: Option<u32>,
    pub within_ms: Option<u64>,
    pub healthy_ms: Option<u64>,
}

/// `worktree`.
#[derive(Debug, Clone)]
pub struct WorktreePart {
    pub span: Span,
    pub readonly: Option<Spanned<bool>>,
    pub branch: Option<Spanned<String>>,
}

/// `lifecycle`.
#[derive(Debug, Clone, Default)]
pub struct LifecyclePart {
    pub when: Option<Spanned<String>>,
    pub idle_stop: Option<Spanned<u64>>,
    pub max: Option<Spanned<u32>>,
}

/// `sandbox`.
#[derive(Debug, Clone, Default)]
pub struct SandboxPart {
    pub which: Option<Spanned<String>>,
    pub required: Option<Spanned<bool>>,
}

/// `stall`.
#[derive(Debug, Clone, Default)]
pub struct StallPart {
    pub after: Option<Spanned<u64>>,
    pub nudge: Option<bool>,
}

/// `spend`, of an agent, of the fleet, or the envelope of `compose`. `None`: no cap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendPart {
    pub starts_per_day: Option<u32>,
    pub messages_per_hour: Option<u32>,
    pub concurrent: Option<u32>,
}

/// `log`.
#[derive(Debug, Clone, Default)]
pub struct LogPart {
    pub size: Option<u64>,
    pub keep: Option<u32>,
    pub off: Option<bool>,
}
