//! The preview nodes as decoded: what the whole-program checks need of them.

use super::model::{Spanned, SpendPart};
use crate::diagnostic::Span;
use crate::ids::{AgentName, ConnectorName, GateName, RoleName};
use crate::manifest::SecretSource;

/// `compose`.
#[derive(Debug, Clone)]
pub struct Compose {
    pub span: Span,
    pub max_agents: Option<Spanned<u32>>,
    pub roles: Vec<Spanned<RoleName>>,
    pub spend: SpendPart,
}

/// `connector "…" kind="…"`.
#[derive(Debug, Clone)]
pub struct Connector {
    pub name: Spanned<ConnectorName>,
    pub kind: String,
    /// The secrets it names, by key.
    pub secrets: Vec<(String, Spanned<SecretSource>)>,
    pub allow: Vec<Allow>,
}

/// `allow "SENDER" may="…"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    pub sender: Spanned<String>,
    pub may: String,
}

/// `route`.
#[derive(Debug, Clone)]
pub struct Route {
    pub level: Spanned<String>,
    pub to: Vec<Spanned<String>>,
    /// Minutes after midnight; the end may lie before the beginning, over midnight.
    pub quiet: Option<(u64, u64)>,
}

/// `forge`.
#[derive(Debug, Clone)]
pub struct Forge {
    pub kind: Spanned<String>,
    pub repo: String,
    pub poll_ms: Option<u64>,
    pub listen: Option<String>,
}

/// `on "…" { … }`.
#[derive(Debug, Clone)]
pub struct Reaction {
    pub event: Spanned<String>,
    pub actions: Vec<Action>,
    pub retries: Option<u32>,
    pub cooldown_ms: Option<u64>,
}

/// One thing a reaction does.
#[derive(Debug, Clone)]
pub enum Action {
    Send { to: Spanned<String>, text: Option<String> },
    Start(Spanned<AgentName>),
    Notify(Spanned<String>),
    Escalate { after: After, to: Option<Spanned<String>> },
    Run { argv: Vec<Spanned<String>>, timeout_ms: Option<u64> },
    Require(Spanned<GateName>),
    Merge { method: Option<String> },
    Label(String),
    Comment(String),
}

/// When a reaction escalates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Milliseconds.
    Time(u64),
    Tries(u32),
}

/// `gate "…"`.
#[derive(Debug, Clone)]
pub struct Gate {
    pub name: Spanned<GateName>,
    pub profile: Option<Spanned<String>>,
    pub conditions: Vec<Condition>,
}

/// What a gate asks for.
#[derive(Debug, Clone)]
pub enum Condition {
    Check { name: Spanned<String>, run: Spanned<String>, shell: bool },
    Review { role: Spanned<RoleName>, count: u32, span: Span },
    Approval { by: Spanned<String> },
    File(Spanned<String>),
    Ci(Vec<Spanned<String>>),
    All(Vec<Self>, Span),
    Any(Vec<Self>, Span),
}
