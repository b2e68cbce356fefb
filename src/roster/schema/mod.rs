//! The roster language as one table: every node, argument and property, with its type, default and meaning.
//!
//! Decoding checks, nearest names and the written reference are made from it. A name that is not here does not exist.
//! The rows are in `rows/`, a file for each part of the language.

pub mod export;
mod kind;
mod rows;

use std::fmt::Write as _;

pub use kind::{ANY_DURATION, Kind, TARGET_WORDS};
pub use rows::{CONNECTOR_KINDS, ConnectorKind, EVENTS};

/// Where a node may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At the top of the roster.
    Top,
    /// In `orchestrator`, `enhancer` and `agent`.
    Agent,
    /// In `enhancer` alone.
    Enhancer,
    /// Wherever settings stand: `defaults`, `role` and agents.
    Setting,
    /// In a role.
    Role,
    /// In an `agent`, which names its role; the other two have theirs by nature.
    Worker,
    /// In `runtime`.
    Runtime,
    /// In `script`: the canary's steps.
    Script,
    /// In `models` at the top.
    Chain,
    /// In `compose`.
    Compose,
    /// In `connector` at the top.
    Connector,
    /// In `route`.
    Route,
    /// In `forge`.
    Forge,
    /// In `webhook` of a forge.
    Webhook,
    /// In `on`.
    Reaction,
    /// In `gate`, `all` and `any`.
    Condition,
    /// In `layout`.
    Layout,
    /// In `window`.
    Window,
    /// At the top of a runtime file.
    RuntimeFile,
    /// In the `runtime` node of a runtime file.
    RuntimeData,
    /// In the header of a role file.
    RoleFile,
}

impl Scope {
    /// Every scope, in the order of the reference.
    pub const ALL: &'static [Self] = &[
        Self::Top,
        Self::Worker,
        Self::Enhancer,
        Self::Agent,
        Self::Role,
        Self::Setting,
        Self::Runtime,
        Self::Script,
        Self::Chain,
        Self::Compose,
        Self::Connector,
        Self::Route,
        Self::Forge,
        Self::Webhook,
        Self::Reaction,
        Self::Condition,
        Self::Layout,
        Self::Window,
        Self::RuntimeFile,
        Self::RuntimeData,
        Self::RoleFile,
    ];

    /// Whether it is part of the roster, rather than of a runtime or role file.
    #[must_use]
    pub fn is_roster(self) -> bool {
        !matches!(self, Self::RuntimeFile | Self::RuntimeData | Self::RoleFile)
    }

    /// Where that is, for messages: "`env` stands …".
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::Top => "at the top of the roster",
            Self::Agent => "in `orchestrator`, `enhancer` and `agent`",
            Self::Enhancer => "in `enhancer`",
            Self::Setting => "in `defaults`, `role` and agents",
            Self::Role => "in `role`",
            Self::Worker => "in `agent`",
            Self::Runtime => "in the braces of `runtime`",
            Self::Script => "in the canary's `script`",
            Self::Chain => "in `models` at the top of the roster",
            Self::Compose => "in `compose`",
            Self::Connector => "in `connector` at the top of the roster",
            Self::Route => "in `route`",
            Self::Forge => "in `forge`",
            Self::Webhook => "in `webhook` of a forge",
            Self::Reaction => "in `on`",
            Self::Condition => "in `gate`, `all` and `any`",
            Self::Layout => "in `layout`",
            Self::Window => "in `window`",
            Self::RuntimeFile | Self::RuntimeData => "in a runtime file",
            Self::RoleFile => "in the header of a role file",
        }
    }
}

/// One positional value, or the last one repeated.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// Takes all that follow.
    pub many: bool,
}

/// One `name=value`.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub doc: &'static str,
}

/// What a change does to a running agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Not about a running agent.
    None,
    /// Applied without touching the process.
    Live,
    /// Keeps running until it is restarted.
    Restart,
    /// Stopped, archived and started anew.
    Replace,
    /// Only the viewer changes.
    Viewer,
}

impl Effect {
    /// The word of the reference; empty for [`Effect::None`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Live => "live",
            Self::Restart => "restart",
            Self::Replace => "replace",
            Self::Viewer => "viewer",
        }
    }
}

/// How far a node is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has its effect.
    Works,
    /// The supervisor acts on it. In a fleet without one nothing does, and the plan lists it as "declared, not enforced
    /// yet".
    Supervised,
    /// Checked; nothing acts on it yet. The plan lists it as "declared, not enforced yet".
    Declared,
    /// The same, and it may still change, with a migration.
    Preview,
}

/// How a setting of a stronger place lies over the same setting of a weaker one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Arguments as a whole, properties and children one by one.
    Parts,
    /// By the first argument: `env` and `secret` add up by name.
    Keyed,
    /// As a whole.
    Whole,
    /// Part by part while the first argument stays the same: a model belongs to its runtime.
    SameName,
}

/// One node.
#[derive(Debug, Clone, Copy)]
pub struct NodeSpec {
    pub name: &'static str,
    pub scope: Scope,
    pub arguments: &'static [Argument],
    pub properties: &'static [Property],
    /// Scopes of the nodes that may stand inside. Empty: no children.
    pub children: &'static [Scope],
    /// May stand more than once in the same place.
    pub repeats: bool,
    pub effect: Effect,
    pub status: Status,
    pub merge: Merge,
    pub doc: &'static str,
}

impl NodeSpec {
    /// The property called `name`.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// How the node is written, for messages: `env NAME VALUE`.
    #[must_use]
    pub fn usage(&self) -> String {
        let mut out = self.name.to_owned();
        for argument in self.arguments {
            let many = if argument.many { " …" } else { "" };
            let word = argument.name;
            let (open, close) = if argument.required { ("", "") } else { ("[", "]") };
            let _ = write!(out, " {open}{word}{many}{close}");
        }
        for property in self.properties {
            let (open, close) = if property.required { ("", "") } else { ("[", "]") };
            let _ = write!(out, " {open}{}=…{close}", property.name);
        }
        if !self.children.is_empty() {
            out.push_str(" { … }");
        }
        out
    }
}

/// Every node of the language.
pub fn specs() -> impl Iterator<Item = &'static NodeSpec> + Clone {
    rows::ALL.iter().copied().flatten()
}

/// The nodes that may stand in any of `scopes`.
pub fn nodes_in(scopes: &[Scope]) -> impl Iterator<Item = &'static NodeSpec> + Clone + use<'_> {
    specs().filter(move |spec| scopes.contains(&spec.scope))
}

/// The node called `name` in the first of `scopes` that has it.
#[must_use]
pub fn find(scopes: &[Scope], name: &str) -> Option<&'static NodeSpec> {
    scopes.iter().find_map(|scope| specs().find(|spec| spec.scope == *scope && spec.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_thing_in_one_place() {
        for (index, spec) in specs().enumerate() {
            let twin = specs().skip(index + 1).find(|other| other.name == spec.name && other.scope == spec.scope);
            assert!(twin.is_none(), "{} stands twice in {:?}", spec.name, spec.scope);
            assert!(!spec.doc.is_empty(), "{} has no text for the reference", spec.name);
            for argument in spec.arguments.iter().rev().skip(1) {
                assert!(!argument.many, "{}: only the last argument may repeat", spec.name);
            }
        }
    }

    #[test]
    fn usage_reads_like_the_grammar() {
        assert_eq!(find(&[Scope::Setting], "env").unwrap().usage(), "env NAME VALUE");
        assert_eq!(find(&[Scope::Top], "floor").unwrap().usage(), "floor \"exempt\" reason=…");
    }
}
