//! The roster as decoded: typed, names unresolved, every value with its place.
//!
//! The `…Part` types are half-filled: `defaults`, roles and agents each hold one, and [`SettingsPart::over`] lays a
//! stronger one over a weaker one. Where nothing was said at the end, `resolve` puts the built-in default.

use std::collections::BTreeMap;

use crate::diagnostic::{FileId, Span};
use crate::ids::{AgentName, FleetId, RoleName, RuntimeName};
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

/// One roster text.
#[derive(Debug, Clone)]
pub struct Roster {
    pub file: FileId,
    /// Where something missing would stand.
    pub end: Span,
    pub id: Option<Spanned<FleetId>>,
    /// As written; supervision is the language's default.
    pub supervise: Option<bool>,
    pub workspace: Option<Spanned<String>>,
    pub base: Option<String>,
    pub exempt: Option<Span>,
    pub defaults: SettingsPart,
    pub roles: Vec<RoleNode>,
    pub agents: Vec<AgentNode>,
}

/// `role "…" { … }`.
#[derive(Debug, Clone)]
pub struct RoleNode {
    pub name: Spanned<RoleName>,
    pub extends: Option<Spanned<RoleName>>,
    pub may: Option<Vec<String>>,
    pub settings: SettingsPart,
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
    pub settings: SettingsPart,
}

/// Settings as far as one place says them.
#[derive(Debug, Clone, Default)]
pub struct SettingsPart {
    pub runtime: Option<RuntimePart>,
    pub dir: Option<Spanned<String>>,
    pub prompt: Option<Spanned<PromptPart>>,
    pub permissions: Option<Spanned<String>>,
    pub autostart: Option<bool>,
    pub env: BTreeMap<String, Spanned<String>>,
    pub path: Option<Vec<Spanned<String>>>,
    pub secrets: BTreeMap<String, SecretPart>,
    pub limits: LimitsPart,
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
    /// Relative to the roster's folder unless absolute.
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

/// `log`.
#[derive(Debug, Clone, Default)]
pub struct LogPart {
    pub size: Option<u64>,
    pub keep: Option<u32>,
    pub off: Option<bool>,
}

impl SettingsPart {
    /// This part laid over a weaker one: properties one by one, `env` and `secret` by key, other lists whole.
    #[must_use]
    pub fn over(self, weaker: Self) -> Self {
        let mut env = weaker.env;
        env.extend(self.env);
        let mut secrets = weaker.secrets;
        secrets.extend(self.secrets);
        Self {
            runtime: match (self.runtime, weaker.runtime) {
                (Some(strong), Some(weak)) => Some(strong.over(weak)),
                (strong, weak) => strong.or(weak),
            },
            dir: self.dir.or(weaker.dir),
            prompt: self.prompt.or(weaker.prompt),
            permissions: self.permissions.or(weaker.permissions),
            autostart: self.autostart.or(weaker.autostart),
            env,
            path: self.path.or(weaker.path),
            secrets,
            limits: LimitsPart {
                memory: self.limits.memory.or(weaker.limits.memory),
                memory_high: self.limits.memory_high.or(weaker.limits.memory_high),
                tasks: self.limits.tasks.or(weaker.limits.tasks),
                cpu_percent: self.limits.cpu_percent.or(weaker.limits.cpu_percent),
            },
            restart: RestartPart {
                span: self.restart.span.or(weaker.restart.span),
                when: self.restart.when.or(weaker.restart.when),
                delay_ms: self.restart.delay_ms.or(weaker.restart.delay_ms),
                max_delay_ms: self.restart.max_delay_ms.or(weaker.restart.max_delay_ms),
                burst: self.restart.burst.or(weaker.restart.burst),
                within_ms: self.restart.within_ms.or(weaker.restart.within_ms),
                healthy_ms: self.restart.healthy_ms.or(weaker.restart.healthy_ms),
            },
            stop_timeout_ms: self.stop_timeout_ms.or(weaker.stop_timeout_ms),
            log: LogPart {
                size: self.log.size.or(weaker.log.size),
                keep: self.log.keep.or(weaker.log.keep),
                off: self.log.off.or(weaker.log.off),
            },
            scrollback: self.scrollback.or(weaker.scrollback),
            description: self.description.or(weaker.description),
        }
    }
}

impl RuntimePart {
    /// A model, effort, argv or script belongs to its runtime: another runtime starts without them.
    fn over(self, weaker: Self) -> Self {
        if self.name.value != weaker.name.value {
            return self;
        }
        Self {
            name: self.name,
            model: self.model.or(weaker.model),
            effort: self.effort.or(weaker.effort),
            argv: self.argv.or(weaker.argv),
            script: self.script.or(weaker.script),
        }
    }
}
