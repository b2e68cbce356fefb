//! The rows of the [`super::schema`] table.

use super::schema::{Argument, Effect, Kind, NodeSpec, Property, Scope};

const CAPABILITIES: &[&str] = &["code", "review", "deliver", "compose", "operate", "research"];
const MODES: &[&str] = &["ask", "edits", "all"];
const REGION_DOC: &str = "`title`, `screen`, or `last:N` for the last N lines that are not blank";

const fn need(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: true, many: false }
}

const fn may(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: false, many: false }
}

const fn some(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: true, many: true }
}

const fn prop(name: &'static str, kind: Kind, doc: &'static str) -> Property {
    Property { name, kind, required: false, doc }
}

const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Property {
    Property { name, kind, required: true, doc }
}

const fn node(name: &'static str, scope: Scope, doc: &'static str) -> NodeSpec {
    NodeSpec {
        name,
        scope,
        arguments: &[],
        properties: &[],
        children: &[],
        repeats: false,
        effect: Effect::None,
        later: false,
        doc,
    }
}

/// A node of the language that this version does not build yet.
const fn later(name: &'static str, scope: Scope) -> NodeSpec {
    NodeSpec { later: true, repeats: true, ..node(name, scope, "Part of the language; not built in this version.") }
}

const fn step(name: &'static str, arguments: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments, repeats: true, ..node(name, Scope::Script, doc) }
}

const fn pattern(name: &'static str, properties: &'static [Property], doc: &'static str) -> NodeSpec {
    NodeSpec {
        arguments: &[Argument { name: "REGEX", kind: Kind::Pattern, required: true, many: false }],
        properties,
        repeats: true,
        ..node(name, Scope::RuntimeData, doc)
    }
}

const REGION: &[Property] = &[prop("region", Kind::Text, REGION_DOC)];
const REGION_AND_CLASS: &[Property] = &[
    prop("region", Kind::Text, REGION_DOC),
    prop(
        "class",
        Kind::Word(&["auth", "quota", "rate", "overloaded", "context", "network"]),
        "the class of the trouble",
    ),
];

const WORDS: &[Argument] = &[some("WORD", Kind::Text)];

const fn words(name: &'static str, doc: &'static str) -> NodeSpec {
    NodeSpec { arguments: WORDS, ..node(name, Scope::RuntimeData, doc) }
}

const AGENT_CHILDREN: &[Scope] = &[Scope::Agent, Scope::Setting];
const HOST: Property = prop("host", Kind::Text, "the machine it runs on; only this machine's agents are applied");

/// Every node there is.
pub const SPECS: &[NodeSpec] = &[
    NodeSpec {
        arguments: &[need("ID", Kind::FleetId)],
        properties: &[
            must("version", Kind::Integer(1, i64::MAX), "the language version, 1"),
            prop("supervise", Kind::Flag, "`#false`: systemd alone restarts agents"),
        ],
        ..node("fleet", Scope::Top, "The fleet's id and language version; the first node.")
    },
    NodeSpec {
        arguments: &[need("PATH", Kind::Path)],
        properties: &[prop("base", Kind::Text, "the branch work starts from; default: the branch checked out")],
        ..node("workspace", Scope::Top, "Where agents work; default: the roster's folder.")
    },
    NodeSpec {
        arguments: &[need("\"exempt\"", Kind::Word(&["exempt"]))],
        properties: &[must("reason", Kind::Text, "why this fleet needs no orchestrator and enhancer")],
        ..node("floor", Scope::Top, "Lifts the floor of one orchestrator and one enhancer.")
    },
    NodeSpec { children: &[Scope::Setting], ..node("defaults", Scope::Top, "Settings of every agent.") },
    NodeSpec {
        arguments: &[need("NAME", Kind::RoleName)],
        properties: &[prop("extends", Kind::RoleName, "the role this one starts from")],
        children: &[Scope::Role, Scope::Setting],
        repeats: true,
        ..node("role", Scope::Top, "What agents of a role may do, their text and settings.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        properties: &[HOST],
        children: AGENT_CHILDREN,
        repeats: true,
        ..node("orchestrator", Scope::Top, "The agent that talks to people and hands out work; exactly one.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        properties: &[HOST],
        children: AGENT_CHILDREN,
        repeats: true,
        ..node("enhancer", Scope::Top, "The agent that improves roster and tools; neither codes nor reviews.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        properties: &[prop("count", Kind::Integer(1, 1000), "makes NAME-1 … NAME-N; NAME is then the group"), HOST],
        children: &[Scope::Worker, Scope::Agent, Scope::Setting],
        repeats: true,
        ..node("agent", Scope::Top, "A worker.")
    },
    later("include", Scope::Top),
    later("models", Scope::Top),
    later("spend", Scope::Top),
    later("compose", Scope::Top),
    later("connector", Scope::Top),
    later("route", Scope::Top),
    later("forge", Scope::Top),
    later("on", Scope::Top),
    later("gate", Scope::Top),
    later("layout", Scope::Top),
    NodeSpec { arguments: &[need("NAME", Kind::RoleName)], ..node("role", Scope::Worker, "The agent's role.") },
    NodeSpec {
        arguments: &[some("NAME", Kind::AgentName)],
        ..node("after", Scope::Agent, "Agents or groups that are started first.")
    },
    later("was", Scope::Agent),
    later("connector", Scope::Agent),
    later("digest", Scope::Agent),
    later("lifecycle", Scope::Agent),
    NodeSpec {
        arguments: &[some("CAPABILITY", Kind::Word(CAPABILITIES))],
        ..node("may", Scope::Role, "What agents of this role may do.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::RuntimeName)],
        properties: &[
            prop("model", Kind::Text, "the model, in the runtime's own words"),
            prop("effort", Kind::Text, "how hard the model thinks, in the runtime's own words"),
        ],
        children: &[Scope::Runtime],
        effect: Effect::Restart,
        ..node("runtime", Scope::Setting, "The agent CLI that runs.")
    },
    NodeSpec {
        arguments: &[some("WORD", Kind::Text)],
        effect: Effect::Restart,
        ..node(
            "argv",
            Scope::Runtime,
            "The command itself (`command`), or words added to it; never given to a shell.",
        )
    },
    NodeSpec {
        children: &[Scope::Script],
        effect: Effect::Restart,
        ..node("script", Scope::Runtime, "What the canary does.")
    },
    later("models", Scope::Setting),
    NodeSpec {
        arguments: &[need("PATH", Kind::Path)],
        effect: Effect::Restart,
        ..node("dir", Scope::Setting, "The working folder; default: the workspace.")
    },
    later("worktree", Scope::Setting),
    NodeSpec {
        arguments: &[may("TEXT", Kind::Text)],
        properties: &[prop("file", Kind::Path, "a file that holds the text")],
        effect: Effect::Live,
        ..node("prompt", Scope::Setting, "The first message, given at the next fresh start.")
    },
    later("resume", Scope::Setting),
    NodeSpec {
        arguments: &[need("MODE", Kind::Word(MODES))],
        effect: Effect::Restart,
        ..node("permissions", Scope::Setting, "What the agent CLI may do without asking; default \"ask\".")
    },
    later("home", Scope::Setting),
    NodeSpec {
        arguments: &[need("FLAG", Kind::Flag)],
        effect: Effect::Live,
        ..node("autostart", Scope::Setting, "Whether `apply` and the next boot start it; default `#true`.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::EnvKey), need("VALUE", Kind::Text)],
        repeats: true,
        effect: Effect::Restart,
        ..node("env", Scope::Setting, "An environment variable. Not for secrets.")
    },
    NodeSpec {
        arguments: &[some("PATH", Kind::Path)],
        effect: Effect::Restart,
        ..node("path", Scope::Setting, "Folders put before the usual ones in PATH.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::EnvKey)],
        properties: &[
            must("from", Kind::Secret, "where the value comes from; resolved when the agent starts"),
            prop("as", Kind::Word(&["file", "env"]), "default \"file\": a 0600 file, its path in NAME_FILE"),
            prop("version", Kind::Text, "a word of yours; changing it makes the change a restart"),
        ],
        repeats: true,
        effect: Effect::Restart,
        ..node("secret", Scope::Setting, "A secret by reference.")
    },
    NodeSpec {
        properties: &[
            prop("memory", Kind::Size, "the most memory"),
            prop("memory-high", Kind::Size, "above it the kernel reclaims"),
            prop("tasks", Kind::Integer(1, i64::MAX), "the most processes and threads"),
            prop("cpu", Kind::Percent, "per cent of one processor"),
        ],
        effect: Effect::Live,
        ..node("limits", Scope::Setting, "Limits of the agent and all it starts.")
    },
    later("sandbox", Scope::Setting),
    later("stall", Scope::Setting),
    later("heartbeat", Scope::Setting),
    NodeSpec {
        arguments: &[may("WHEN", Kind::Word(&["never", "on-failure", "always"]))],
        properties: &[
            prop("delay", Kind::Duration, "the first wait; default \"15s\""),
            prop("max-delay", Kind::Duration, "the longest wait; default \"10m\""),
            prop("burst", Kind::Integer(1, 1000), "starts allowed `within`; default 5"),
            prop("within", Kind::Duration, "default \"1h\""),
            prop("healthy", Kind::Duration, "running this long, it counts as well again; default \"30m\""),
        ],
        effect: Effect::Live,
        ..node(
            "restart",
            Scope::Setting,
            "When a dead agent is started again; default \"on-failure\". Exit 0, 75, 78 and 143, and SIGTERM, are no failure to systemd.",
        )
    },
    NodeSpec {
        arguments: &[need("TIME", Kind::Duration)],
        effect: Effect::Live,
        ..node("stop-timeout", Scope::Setting, "From the polite stop to SIGKILL; default \"20s\".")
    },
    NodeSpec {
        properties: &[
            prop("size", Kind::Size, "the log is rotated at this size; default \"10M\""),
            prop("keep", Kind::Integer(0, 100), "rotated files kept; default 5"),
            prop("off", Kind::Flag, "`#true`: no log"),
        ],
        effect: Effect::Live,
        ..node("log", Scope::Setting, "The raw output log.")
    },
    NodeSpec {
        arguments: &[need("LINES", Kind::Integer(0, 100_000))],
        effect: Effect::Restart,
        ..node("scrollback", Scope::Setting, "Lines of history kept in memory, 4.8 kB each; default 0.")
    },
    NodeSpec {
        arguments: &[need("TEXT", Kind::Text)],
        effect: Effect::Live,
        ..node("description", Scope::Setting, "For people; shown by systemd.")
    },
    step("print", &[need("TEXT", Kind::Text)], "Writes a line."),
    NodeSpec {
        properties: &[
            must("every", Kind::Duration, "the pause between two beats"),
            must("for", Kind::Duration, "how long it goes on"),
        ],
        ..step("beat", &[], "Writes heartbeats.")
    },
    step("busy", &[need("TIME", Kind::Duration)], "Looks busy."),
    step("spin", &[need("TIME", Kind::Duration)], "Looks busy and burns processor time."),
    step("child", &[need("TIME", Kind::Duration)], "Runs a quiet tool process."),
    step("ask", &[need("TEXT", Kind::Text)], "Opens a dialog."),
    NodeSpec {
        properties: &[must("reset", Kind::Duration, "when the limit resets")],
        ..step("limit", &[], "Says that a limit is reached.")
    },
    step("fatal", &[need("TEXT", Kind::Text)], "Says a fatal phrase."),
    NodeSpec {
        children: &[Scope::Script],
        ..step("repeat", &[need("TIMES", Kind::Integer(1, 1_000_000))], "Does its steps several times.")
    },
    step("hang", &[], "Stops taking input, for ever."),
    step("ignore", &[need("SIGNAL", Kind::Word(crate::script::IGNORABLE))], "Ignores a signal."),
    step("wait", &[], "Waits for a message."),
    step("exit", &[need("CODE", Kind::Integer(0, 255))], "Exits."),
    step("die", &[need("SIGNAL", Kind::Word(crate::script::DEADLY))], "Ends by a signal."),
    NodeSpec {
        arguments: &[need("NAME", Kind::RuntimeName)],
        children: &[Scope::RuntimeData],
        ..node("runtime", Scope::RuntimeFile, "One agent CLI.")
    },
    NodeSpec { arguments: &[need("TEXT", Kind::Text)], ..node("description", Scope::RuntimeData, "What it is.") },
    NodeSpec {
        arguments: &[need("PROGRAM", Kind::Text)],
        ..node("program", Scope::RuntimeData, "argv[0], looked up on the agent's PATH.")
    },
    words("args", "Arguments that are always given."),
    words("model", "Arguments given when the roster names a model."),
    words("effort", "Arguments given when the roster names an effort."),
    words("role", "Arguments given when the agent has a role text."),
    words("prompt", "Arguments that give the first prompt; without them it is sent once the agent is ready."),
    words("trust", "Arguments that say the working folder is trusted."),
    NodeSpec {
        arguments: &[
            need("MODE", Kind::Word(MODES)),
            Argument { name: "WORD", kind: Kind::Text, required: false, many: true },
        ],
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
    NodeSpec {
        arguments: &[need("TEXT", Kind::Text)],
        ..node("quit", Scope::RuntimeData, "Typed to end it politely.")
    },
    NodeSpec {
        arguments: &[need("KEYS", Kind::Keys)],
        ..node("interrupt", Scope::RuntimeData, "Typed to interrupt a turn.")
    },
    NodeSpec {
        arguments: &[need("TIME", Kind::Duration)],
        ..node("settle", Scope::RuntimeData, "Least wait between paste and Enter.")
    },
    NodeSpec {
        arguments: &[need("RULE", Kind::Word(&["queue", "steer", "refuse"]))],
        ..node("busy-input", Scope::RuntimeData, "What it does with input while a turn runs.")
    },
    NodeSpec {
        arguments: &[need("KIND", Kind::Word(&["events", "periodic", "none"]))],
        ..node("heartbeat", Scope::RuntimeData, "How it reports.")
    },
    pattern("ready", REGION, "It takes input for the first time."),
    pattern("busy", REGION, "A turn is running."),
    pattern("idle", REGION, "It waits for input."),
    pattern("dialog", REGION, "It asks a person."),
    pattern("fatal", REGION_AND_CLASS, "It cannot go on by itself."),
    pattern("limit", REGION_AND_CLASS, "A limit of the provider's."),
    pattern("input", REGION, "The input line; group 1 is the draft."),
    pattern("placeholder", &[], "What stands in the input line while the draft is empty."),
    NodeSpec {
        arguments: &[need("VERSION", Kind::Text)],
        ..node("minimum", Scope::RuntimeData, "The oldest version that works.")
    },
    NodeSpec {
        arguments: &[need("VERSION", Kind::Text)],
        ..node("tested", Scope::RuntimeData, "The version this file was tried with.")
    },
    NodeSpec {
        arguments: &[some("CAPABILITY", Kind::Word(CAPABILITIES))],
        ..node("may", Scope::RoleFile, "What agents of this role may do.")
    },
    NodeSpec {
        arguments: &[need("TEXT", Kind::Word(&["ok"]))],
        ..node("idle", Scope::RoleFile, "`\"ok\"`: being idle is this role's normal state.")
    },
];
