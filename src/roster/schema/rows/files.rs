//! Runtime files and the header of role files.

use super::{CAPABILITIES, MODES, any, need, node, prop, some};
use crate::roster::schema::{ANY_DURATION, Argument, Kind, NodeSpec, Property, Scope, Status};

const REGION_DOC: &str = "`title`, `screen`, or `last:N` for the last N lines that are not blank";
const REGION: &[Property] = &[prop("region", Kind::Text, REGION_DOC)];
const REGION_AND_CLASS: &[Property] = &[
    prop("region", Kind::Text, REGION_DOC),
    prop(
        "class",
        Kind::Word(&["auth", "quota", "rate", "overloaded", "context", "network"]),
        "the class of the trouble",
    ),
];
const REGEX: &[Argument] = &[need("REGEX", Kind::Pattern)];
const WORDS: &[Argument] = &[some("WORD", Kind::Text)];
const FORMAT: &[Property] =
    &[prop("format", Kind::Word(&["json", "toml", "js"]), "how the file is written; default \"json\"")];

const fn pattern(name: &'static str, properties: &'static [Property], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments: REGEX, properties, repeats: true, ..node(name, Scope::RuntimeData, doc) }
}

const fn words(name: &'static str, doc: &'static str) -> NodeSpec {
    NodeSpec { arguments: WORDS, ..node(name, Scope::RuntimeData, doc) }
}

const fn one(name: &'static str, argument: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments: argument, ..node(name, Scope::RuntimeData, doc) }
}

/// Read and checked; the engine that uses it comes later.
const fn declared(spec: NodeSpec) -> NodeSpec {
    NodeSpec { status: Status::Declared, ..spec }
}

pub(super) const ROWS: &[NodeSpec] = &[
    NodeSpec {
        arguments: &[need("NAME", Kind::RuntimeName)],
        children: &[Scope::RuntimeData],
        ..node("runtime", Scope::RuntimeFile, "One agent CLI.")
    },
    one("description", &[need("TEXT", Kind::Text)], "What it is."),
    one("program", &[need("PROGRAM", Kind::Text)], "argv[0], looked up on the agent's PATH."),
    words("args", "Arguments that are always given."),
    words("model", "Arguments given when the roster names a model."),
    words("effort", "Arguments given when the roster names an effort."),
    words("role", "Arguments given when the agent has a role text."),
    words("prompt", "Arguments that give the first prompt; without them it is sent once the agent is ready."),
    words("trust", "Arguments that say the working folder is trusted."),
    words("session", "Arguments that name the conversation of a fresh start, with `{session}`; needs `resume` too."),
    words("resume", "Arguments that go on with a conversation, with `{session}`; needs `session` too."),
    NodeSpec {
        arguments: &[need("MODE", Kind::Word(MODES)), any("WORD", Kind::Text)],
        repeats: true,
        ..node("permissions", Scope::RuntimeData, "Arguments of a permission mode.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::EnvKey), need("VALUE", Kind::Text)],
        repeats: true,
        ..node("env", Scope::RuntimeData, "A variable this CLI needs. The roster's wins.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::Text), need("CONTENT", Kind::Text)],
        repeats: true,
        ..node("file", Scope::RuntimeData, "A file of fleet's own in `{files}`.")
    },
    declared(one("home", &[need("NAME", Kind::EnvKey)], "The variable that moves its home.")),
    declared(NodeSpec {
        properties: FORMAT,
        ..one("hooks", &[need("FILE", Kind::Text)], "The file, in its home, that its hooks stand in.")
    }),
    declared(NodeSpec {
        properties: FORMAT,
        ..one("mcp", &[need("FILE", Kind::Text)], "The file, in its home, that its MCP servers stand in.")
    }),
    declared(NodeSpec {
        arguments: &[need("REGEX", Kind::Pattern), need("KEYS", Kind::Keys)],
        properties: REGION,
        repeats: true,
        ..node("first-run", Scope::RuntimeData, "A question of its first start, and the keys that answer it.")
    }),
    one("quit", &[need("TEXT", Kind::Text)], "Typed to end it politely."),
    one("interrupt", &[need("KEYS", Kind::Keys)], "Typed to interrupt a turn."),
    one("settle", &[need("TIME", ANY_DURATION)], "Least wait between paste and Enter."),
    one(
        "busy-input",
        &[need("RULE", Kind::Word(&["queue", "steer", "refuse"]))],
        "What it does with input while a turn runs.",
    ),
    one("heartbeat", &[need("KIND", Kind::Word(&["events", "periodic", "none"]))], "How it reports."),
    pattern("ready", REGION, "It takes input for the first time."),
    pattern("busy", REGION, "A turn is running."),
    pattern("idle", REGION, "It waits for input."),
    pattern("dialog", REGION, "It asks a person."),
    pattern("fatal", REGION_AND_CLASS, "It cannot go on by itself."),
    pattern("limit", REGION_AND_CLASS, "A limit of the provider's."),
    pattern("input", REGION, "The input line; group 1 is the draft."),
    pattern("placeholder", &[], "What stands in the input line while the draft is empty."),
    one("minimum", &[need("VERSION", Kind::Text)], "The oldest version that works."),
    one("tested", &[need("VERSION", Kind::Text)], "The version this file was tried with."),
    NodeSpec {
        arguments: &[some("CAPABILITY", Kind::Word(CAPABILITIES))],
        ..node("may", Scope::RoleFile, "What agents of this role may do.")
    },
    NodeSpec {
        arguments: &[need("TEXT", Kind::Word(&["ok"]))],
        ..node("idle", Scope::RoleFile, "`\"ok\"`: being idle is this role's normal state.")
    },
];
