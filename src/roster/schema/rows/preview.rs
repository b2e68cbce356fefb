//! The preview nodes: checked, and acted on by later versions.

use super::{COUNT, SECONDS, SPEND, any, must, need, preview, prop, some, supervised};
use crate::roster::schema::{Argument, Kind, NodeSpec, Property, Scope};

/// What `on` can wait for: news of the forge, and every change of an agent's state.
pub const EVENTS: &[&str] = &[
    "ci-failed",
    "ci-passed",
    "changes-requested",
    "approved",
    "approved-and-green",
    "merge-conflict",
    "pr-opened",
    "pr-closed",
    "issue-opened",
    "issue-closed",
    "gate-opened",
    "gate-closed",
    "agent-started",
    "agent-exited",
    "working",
    "idle",
    "waiting-for-human",
    "rate-limited",
    "stalled",
    "stopped",
    "backing-off",
    "quarantined",
    "unknown",
];

/// The keys of one kind of connector.
#[derive(Debug, Clone, Copy)]
pub struct ConnectorKind {
    pub name: &'static str,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

const fn kind(
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> ConnectorKind {
    ConnectorKind { name, required, optional }
}

/// Every kind of connector.
pub const CONNECTOR_KINDS: &[ConnectorKind] = &[
    kind("messages", &[], &[]),
    kind("tmux", &[], &[]),
    kind("matrix", &["homeserver", "user", "room", "token"], &[]),
    kind("discord", &["channel", "token"], &[]),
    kind("slack", &["channel", "token", "app-token"], &[]),
    kind("telegram", &["chat", "token"], &[]),
    kind("webhook", &["url"], &["secret"]),
    kind("command", &["argv"], &[]),
    kind("desktop", &[], &[]),
    kind("file", &["path"], &[]),
    kind("irc", &["server", "channel", "nick"], &["token"]),
    kind("ntfy", &["url", "topic"], &["token"]),
];

const CONNECTOR_KIND_NAMES: &[&str] = &[
    "messages", "tmux", "matrix", "discord", "slack", "telegram", "webhook", "command", "desktop", "file", "irc",
    "ntfy",
];

const FROM: &[Property] = &[must("from", Kind::Secret, "where the value comes from")];

const fn key(name: &'static str, arguments: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments, ..preview(name, Scope::Connector, doc) }
}

const fn token(name: &'static str, scope: Scope, doc: &'static str) -> NodeSpec {
    NodeSpec { properties: FROM, ..preview(name, scope, doc) }
}

const fn action(name: &'static str, arguments: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments, repeats: true, ..preview(name, Scope::Reaction, doc) }
}

const fn condition(name: &'static str, arguments: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments, repeats: true, ..preview(name, Scope::Condition, doc) }
}

const TO: Property = prop("to", Kind::Target, "whom; an agent, a group, \"author\" or a connector");
const TEXT: &[Argument] = &[need("TEXT", Kind::Text)];

pub(super) const ROWS: &[NodeSpec] = &[
    NodeSpec {
        properties: &[prop("max-agents", COUNT, "the most agents the fleet may have")],
        children: &[Scope::Compose],
        ..supervised("compose", Scope::Top, "What an agent that may `compose` can change in the roster by itself.")
    },
    NodeSpec {
        arguments: &[some("NAME", Kind::RoleName)],
        ..supervised("roles", Scope::Compose, "The roles it may give to agents.")
    },
    NodeSpec { properties: SPEND, ..supervised("spend", Scope::Compose, "The most it may allow.") },
    NodeSpec {
        arguments: &[need("NAME", Kind::ConnectorName)],
        properties: &[must("kind", Kind::Word(CONNECTOR_KIND_NAMES), "the service")],
        children: &[Scope::Connector],
        repeats: true,
        ..preview("connector", Scope::Top, "A way to people, or from them.")
    },
    key("homeserver", &[need("URL", Kind::Url)], "matrix: the server."),
    key("user", TEXT, "matrix: the account."),
    key("room", TEXT, "matrix: the room's id."),
    key("channel", TEXT, "discord, slack, irc: the channel."),
    key("chat", TEXT, "telegram: the chat's id."),
    key("url", &[need("URL", Kind::Url)], "webhook, ntfy: the address."),
    key("argv", &[some("WORD", Kind::Text)], "command: the program and its arguments; never given to a shell."),
    key("path", &[need("PATH", Kind::Path)], "file: the file."),
    key("server", TEXT, "irc: the server."),
    key("nick", TEXT, "irc: the name."),
    key("topic", TEXT, "ntfy: the topic."),
    token("token", Scope::Connector, "The token, by reference."),
    token("app-token", Scope::Connector, "slack: the app's token, by reference."),
    token("secret", Scope::Connector, "webhook: the secret that signs, by reference."),
    NodeSpec {
        arguments: &[need("SENDER", Kind::Text)],
        properties: &[must(
            "may",
            Kind::Word(&["read", "message", "command", "approve"]),
            "what this sender may do; nobody else may anything",
        )],
        repeats: true,
        ..preview("allow", Scope::Connector, "A sender by its unchanging id.")
    },
    NodeSpec {
        arguments: &[need("LEVEL", Kind::Word(&["urgent", "action", "warning", "info"]))],
        children: &[Scope::Route],
        repeats: true,
        ..preview("route", Scope::Top, "Where messages of a level go.")
    },
    NodeSpec {
        arguments: &[some("CONNECTOR", Kind::ConnectorName)],
        ..preview("to", Scope::Route, "The connectors, all of them.")
    },
    NodeSpec {
        properties: &[
            must("from", Kind::TimeOfDay, "from this time on"),
            must("to", Kind::TimeOfDay, "until this time"),
        ],
        ..preview("quiet", Scope::Route, "Hours in which messages of this level wait.")
    },
    NodeSpec {
        arguments: &[need("KIND", Kind::Word(&["github"]))],
        properties: &[must("repo", Kind::Repository, "the repository")],
        children: &[Scope::Forge],
        repeats: true,
        ..preview("forge", Scope::Top, "Where changes are reviewed and built.")
    },
    NodeSpec {
        arguments: &[need("URL", Kind::Url)],
        ..preview("url", Scope::Forge, "The address of its API, where it is not the public one.")
    },
    token("token", Scope::Forge, "The token, by reference."),
    NodeSpec {
        properties: &[must("every", Kind::Duration(10_000, u64::MAX), "how often to ask")],
        ..preview("poll", Scope::Forge, "Asks for news.")
    },
    NodeSpec {
        properties: &[must("listen", Kind::Listen, "where to listen")],
        children: &[Scope::Webhook],
        ..preview("webhook", Scope::Forge, "Is told of news.")
    },
    token("secret", Scope::Webhook, "The secret that signs, by reference."),
    NodeSpec {
        arguments: &[need("EVENT", Kind::Word(EVENTS))],
        children: &[Scope::Reaction],
        repeats: true,
        ..preview("on", Scope::Top, "What happens when something happened.")
    },
    NodeSpec {
        properties: &[
            prop("author", Kind::Text, "only changes of this author"),
            prop("label", Kind::Text, "only with this label"),
            prop("branch", Kind::Text, "only on this branch"),
            prop("path", Kind::Text, "only when it touches this path"),
        ],
        ..preview("when", Scope::Reaction, "Narrows it down; all that is given must hold.")
    },
    NodeSpec {
        properties: &[
            must("to", Kind::Target, "whom"),
            prop("text", Kind::Text, "what; default: what happened, quoted"),
        ],
        ..action("send", &[], "Sends a message.")
    },
    action("start", &[need("AGENT", Kind::AgentRef)], "Starts an agent or a group."),
    action("notify", &[need("TARGET", Kind::Target)], "Tells a connector or an agent."),
    NodeSpec {
        properties: &[must("after", Kind::DurationOrCount, "this long, or after this many tries"), TO],
        ..action("escalate", &[], "Asks for a person.")
    },
    NodeSpec {
        properties: &[prop("timeout", SECONDS, "the longest it may take")],
        ..action("run", &[some("WORD", Kind::Text)], "Runs a program; never given to a shell.")
    },
    NodeSpec {
        properties: &[must("gate", Kind::GateName, "the gate")],
        ..action("require", &[], "Does the rest only while a gate is open.")
    },
    NodeSpec {
        arguments: &[need("TIMES", Kind::Integer(0, 100))],
        ..preview("retries", Scope::Reaction, "Tries for one commit.")
    },
    NodeSpec {
        arguments: &[need("TIME", SECONDS)],
        ..preview("cooldown", Scope::Reaction, "Quiet time between two tries.")
    },
    NodeSpec {
        properties: &[prop("method", Kind::Word(&["merge", "squash", "rebase"]), "default: the forge's")],
        ..preview("merge", Scope::Reaction, "Merges the change.")
    },
    action("label", &[need("LABEL", Kind::Text)], "Adds a label."),
    action("comment", TEXT, "Writes a comment."),
    NodeSpec {
        arguments: &[need("NAME", Kind::GateName)],
        properties: &[prop("profile", Kind::Text, "one of several sets of conditions under one name")],
        children: &[Scope::Condition],
        repeats: true,
        ..preview("gate", Scope::Top, "What must be true before work counts. A gate that cannot run is closed.")
    },
    NodeSpec {
        properties: &[
            must("run", Kind::Text, "the command, split into words and never given to a shell"),
            prop("timeout", SECONDS, "the longest it may take"),
            prop("memory", Kind::Size, "the most memory"),
            prop("retries", Kind::Integer(0, 10), "tries after a failure"),
            prop("shell", Kind::Flag, "`#true`: the command is given to a shell after all"),
        ],
        ..condition("check", &[need("NAME", Kind::Text)], "A command that must succeed.")
    },
    NodeSpec {
        properties: &[
            must("role", Kind::RoleName, "the reviewers' role; the author never counts"),
            prop("count", COUNT, "how many; default 1"),
        ],
        ..condition("review", &[], "The verdict of agents that may review.")
    },
    NodeSpec {
        properties: &[must("by", Kind::Text, "\"human\", or a connector with senders that may approve")],
        ..condition("approval", &[], "The word of a person.")
    },
    condition("file", &[need("PATH", Kind::Path)], "A file that must be there."),
    condition("ci", &[any("NAME", Kind::Text)], "The forge's own checks: those named, or all."),
    NodeSpec { children: &[Scope::Condition], ..condition("all", &[], "All of these.") },
    NodeSpec { children: &[Scope::Condition], ..condition("any", &[], "One of these.") },
];
