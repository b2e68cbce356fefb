//! The roster language as one table: every node, argument and property, with its type, default and meaning.
//!
//! Decoding checks, nearest names and the written reference are made from it. A name that is not here does not exist.
//! The rows are in `schema_rows.rs`.

use std::fmt::Write as _;

pub use super::schema_rows::SPECS;

/// Where a node may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At the top of the roster.
    Top,
    /// In `orchestrator`, `enhancer` and `agent`.
    Agent,
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
    /// At the top of a runtime file.
    RuntimeFile,
    /// In the `runtime` node of a runtime file.
    RuntimeData,
    /// In the header of a role file.
    RoleFile,
}

/// The type of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Keys as a terminal sends them: a text that may hold control characters.
    Keys,
    /// A whole number between two bounds, both included.
    Integer(i64, i64),
    /// `#true` or `#false`.
    Flag,
    /// A duration in quotes.
    Duration,
    /// A size in quotes.
    Size,
    /// A percentage in quotes.
    Percent,
    /// A path: absolute, `~/…`, or relative to the roster's folder.
    Path,
    /// `env:NAME` or `file:PATH`.
    Secret,
    FleetId,
    AgentName,
    RoleName,
    RuntimeName,
    /// A name of an environment variable.
    EnvKey,
    /// A linear-time regular expression.
    Pattern,
    /// One of a few words.
    Word(&'static [&'static str]),
}

impl Kind {
    /// What to write, for messages and the reference.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Keys => "keys in quotes, as in \"\\u{1b}\" for Escape".to_owned(),
            Self::Integer(0, i64::MAX) => "a whole number".to_owned(),
            Self::Integer(low, i64::MAX) => format!("a whole number of at least {low}"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Flag => "`#true` or `#false`".to_owned(),
            Self::Duration => "a duration in quotes, as in \"10m\"".to_owned(),
            Self::Size => "a size in quotes, as in \"6G\"".to_owned(),
            Self::Percent => "a percentage in quotes, as in \"150%\"".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Secret => "a reference in quotes: \"env:NAME\" or \"file:PATH\"".to_owned(),
            Self::FleetId => "a fleet id".to_owned(),
            Self::AgentName => "an agent's name".to_owned(),
            Self::RoleName => "a role's name".to_owned(),
            Self::RuntimeName => "a runtime's name".to_owned(),
            Self::EnvKey => "the name of a variable".to_owned(),
            Self::Pattern => "a regular expression in quotes".to_owned(),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
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
    /// Not about an agent.
    None,
    /// Applied without touching the process.
    Live,
    /// Keeps running until it is restarted.
    Restart,
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
    /// Part of the language, but not built in this version.
    pub later: bool,
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

/// The nodes that may stand in any of `scopes`.
pub fn nodes_in(scopes: &[Scope]) -> impl Iterator<Item = &'static NodeSpec> + Clone + use<'_> {
    SPECS.iter().filter(move |spec| scopes.contains(&spec.scope))
}

/// The node called `name` in any of `scopes`.
#[must_use]
pub fn find(scopes: &[Scope], name: &str) -> Option<&'static NodeSpec> {
    nodes_in(scopes).find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_thing_in_one_place() {
        for (index, spec) in SPECS.iter().enumerate() {
            let twin = SPECS[index + 1..].iter().find(|other| other.name == spec.name && other.scope == spec.scope);
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
