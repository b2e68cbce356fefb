//! The types of single values.

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
    /// A duration in quotes, between two bounds in milliseconds, both included.
    Duration(u64, u64),
    /// A duration, or a whole number of times.
    DurationOrCount,
    /// A size in quotes.
    Size,
    /// A percentage in quotes.
    Percent,
    /// A path: absolute, `~/…`, or relative to the folder of the file it stands in.
    Path,
    /// `env:NAME`, `file:PATH`, `cmd:…`, `op://…` or `systemd:NAME`.
    Secret,
    FleetId,
    /// The name an agent is given.
    AgentName,
    /// The name of an agent or of a group.
    AgentRef,
    /// Whom a reaction addresses: an agent, a group, a connector, or one of [`TARGET_WORDS`].
    Target,
    RoleName,
    RuntimeName,
    ChainName,
    ConnectorName,
    GateName,
    /// A name of an environment variable.
    EnvKey,
    /// A linear-time regular expression.
    Pattern,
    /// A git branch.
    Branch,
    /// `07:30`.
    TimeOfDay,
    /// `owner/name`.
    Repository,
    /// `https://…` or `http://…`.
    Url,
    /// `address:port`.
    Listen,
    /// The title of a window: one line, without `#`, which tmux would expand.
    Title,
    /// One of a few words.
    Word(&'static [&'static str]),
}

/// A duration without bounds.
pub const ANY_DURATION: Kind = Kind::Duration(0, u64::MAX);

/// What a target may be besides an agent, a group or a connector.
pub const TARGET_WORDS: &[&str] = &["author", "orchestrator", "enhancer"];

impl Kind {
    /// What to write, for messages and the reference.
    #[must_use]
    pub fn describe(&self) -> String {
        use crate::quantity::show_duration;
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Keys => "keys in quotes, as in \"\\u{1b}\" for Escape".to_owned(),
            Self::Integer(0, i64::MAX) => "a whole number".to_owned(),
            Self::Integer(low, i64::MAX) => format!("a whole number of at least {low}"),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Flag => "`#true` or `#false`".to_owned(),
            Self::Duration(0, u64::MAX) => "a duration in quotes, as in \"10m\"".to_owned(),
            Self::Duration(low, u64::MAX) => {
                format!("a duration in quotes of at least \"{}\", as in \"10m\"", show_duration(*low))
            }
            Self::Duration(low, high) => {
                format!("a duration in quotes from \"{}\" to \"{}\"", show_duration(*low), show_duration(*high))
            }
            Self::DurationOrCount => "a duration in quotes, as in \"30m\", or a number of times".to_owned(),
            Self::Size => "a size in quotes, as in \"6G\"".to_owned(),
            Self::Percent => "a percentage in quotes, as in \"150%\"".to_owned(),
            Self::Path => "a path in quotes".to_owned(),
            Self::Secret => {
                "a reference in quotes: \"env:NAME\", \"file:PATH\", \"cmd:PROGRAM …\", \"op://…\" or \"systemd:NAME\""
                    .to_owned()
            }
            Self::FleetId => "a fleet id".to_owned(),
            Self::AgentName => "an agent's name".to_owned(),
            Self::AgentRef => "the name of an agent or a group".to_owned(),
            Self::Target => {
                "an agent, a group, a connector, \"author\", \"orchestrator\" or \"enhancer\"".to_owned()
            }
            Self::RoleName => "a role's name".to_owned(),
            Self::RuntimeName => "a runtime's name".to_owned(),
            Self::ChainName => "the name of a `models` chain".to_owned(),
            Self::ConnectorName => "a connector's name".to_owned(),
            Self::GateName => "a gate's name".to_owned(),
            Self::EnvKey => "the name of a variable".to_owned(),
            Self::Pattern => "a regular expression in quotes".to_owned(),
            Self::Branch => "the name of a branch".to_owned(),
            Self::TimeOfDay => "a time of day in quotes, as in \"22:00\"".to_owned(),
            Self::Repository => "a repository in quotes, as in \"acme/payments\"".to_owned(),
            Self::Url => "an address in quotes that starts with https:// or http://".to_owned(),
            Self::Listen => "an address and a port in quotes, as in \"127.0.0.1:8080\"".to_owned(),
            Self::Title => "a title in quotes, one line without `#`".to_owned(),
            Self::Word([only]) => format!("\"{only}\""),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
        }
    }

    /// The kind's own name, for tools.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text | Self::Title => "text",
            Self::Keys => "keys",
            Self::Integer(..) => "integer",
            Self::Flag => "flag",
            Self::Duration(..) => "duration",
            Self::DurationOrCount => "duration-or-count",
            Self::Size => "size",
            Self::Percent => "percent",
            Self::Path => "path",
            Self::Secret => "secret-reference",
            Self::FleetId => "fleet-id",
            Self::AgentName => "agent-name",
            Self::AgentRef => "agent-reference",
            Self::Target => "target",
            Self::RoleName => "role",
            Self::RuntimeName => "runtime",
            Self::ChainName => "models",
            Self::ConnectorName => "connector",
            Self::GateName => "gate",
            Self::EnvKey => "variable",
            Self::Pattern => "pattern",
            Self::Branch => "branch",
            Self::TimeOfDay => "time-of-day",
            Self::Repository => "repository",
            Self::Url => "url",
            Self::Listen => "listen-address",
            Self::Word(_) => "word",
        }
    }
}
