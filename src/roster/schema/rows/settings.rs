//! Settings, and the braces of `runtime`.

use super::{COUNT, MODES, SECONDS, SPEND, declared, may, must, need, node, prop, some, supervised};
use crate::roster::schema::{ANY_DURATION, Effect, Kind, Merge, NodeSpec, Scope};

pub(super) const ROWS: &[NodeSpec] = &[
    NodeSpec {
        arguments: &[need("NAME", Kind::RuntimeName)],
        properties: &[
            prop("model", Kind::Text, "the model, in the runtime's own words"),
            prop("effort", Kind::Text, "how hard the model thinks, in the runtime's own words"),
        ],
        children: &[Scope::Runtime],
        effect: Effect::Restart,
        merge: Merge::SameName,
        ..node("runtime", Scope::Setting, "The agent CLI that runs.")
    },
    NodeSpec {
        arguments: &[some("WORD", Kind::Text)],
        effect: Effect::Restart,
        merge: Merge::Whole,
        ..node(
            "argv",
            Scope::Runtime,
            "The command itself (`command`), or words added to it; never given to a shell.",
        )
    },
    NodeSpec {
        children: &[Scope::Script],
        effect: Effect::Restart,
        merge: Merge::Whole,
        ..node("script", Scope::Runtime, "What the canary does.")
    },
    NodeSpec {
        arguments: &[need("CHAIN", Kind::ChainName)],
        effect: Effect::Restart,
        ..supervised(
            "models",
            Scope::Setting,
            "The chain of models: its first one is started, the others are fallen back to.",
        )
    },
    NodeSpec {
        arguments: &[need("PATH", Kind::Path)],
        effect: Effect::Restart,
        ..node("dir", Scope::Setting, "The working folder; default: the workspace.")
    },
    NodeSpec {
        properties: &[
            prop("readonly", Kind::Flag, "`#true`: for reading only"),
            prop("branch", Kind::Branch, "default \"fleet/FLEET/AGENT\""),
        ],
        effect: Effect::Replace,
        ..node("worktree", Scope::Setting, "A git worktree of its own, of the repository whose top folder `dir` is.")
    },
    NodeSpec {
        arguments: &[may("TEXT", Kind::Text)],
        properties: &[prop("file", Kind::Path, "a file that holds the text")],
        effect: Effect::Live,
        merge: Merge::Whole,
        ..node("prompt", Scope::Setting, "The first message, given at the next fresh start.")
    },
    NodeSpec {
        arguments: &[need("WHEN", Kind::Word(&["auto", "never"]))],
        effect: Effect::Live,
        ..node("resume", Scope::Setting, "Whether a restart goes on with the conversation, where the runtime can.")
    },
    NodeSpec {
        arguments: &[need("MODE", Kind::Word(MODES))],
        effect: Effect::Restart,
        ..node("permissions", Scope::Setting, "What the agent CLI may do without asking.")
    },
    NodeSpec {
        arguments: &[need("WHOSE", Kind::Word(&["shared", "own"]))],
        effect: Effect::Restart,
        ..declared(
            "home",
            Scope::Setting,
            "The CLI's configuration: yours, or one of fleet's making that holds only what the roster names.",
        )
    },
    NodeSpec {
        arguments: &[need("FLAG", Kind::Flag)],
        effect: Effect::Live,
        ..node("autostart", Scope::Setting, "Whether `apply` and the next boot start it.")
    },
    NodeSpec {
        arguments: &[need("WHEN", Kind::Word(&["always", "on-demand"]))],
        properties: &[
            prop("idle-stop", SECONDS, "on demand: stopped after being idle this long"),
            prop("max", COUNT, "on demand: at most this many of a group run"),
        ],
        effect: Effect::Live,
        ..supervised("lifecycle", Scope::Setting, "Whether it runs all the time, or when there is work for it.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::EnvKey), need("VALUE", Kind::Text)],
        repeats: true,
        effect: Effect::Restart,
        merge: Merge::Keyed,
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
        merge: Merge::Keyed,
        ..node("secret", Scope::Setting, "A secret by reference.")
    },
    NodeSpec {
        properties: &[
            prop("memory", Kind::Size, "the most memory"),
            prop("memory-high", Kind::Size, "above it the kernel reclaims"),
            prop("tasks", COUNT, "the most processes and threads"),
            prop("cpu", Kind::Percent, "per cent of one processor"),
        ],
        effect: Effect::Live,
        ..node("limits", Scope::Setting, "Limits of the agent and all it starts.")
    },
    NodeSpec {
        arguments: &[need("WHICH", Kind::Word(&["none", "inner", "outer"]))],
        properties: &[prop("required", Kind::Flag, "`#true`: without it the agent is not started")],
        effect: Effect::Restart,
        ..declared(
            "sandbox",
            Scope::Setting,
            "None, the agent CLI's own (inner), or the service manager's around it (outer).",
        )
    },
    NodeSpec {
        properties: &[
            prop("after", SECONDS, "without progress for this long"),
            prop("nudge", Kind::Flag, "`#true`: ask it once before anything else"),
        ],
        effect: Effect::Live,
        ..supervised("stall", Scope::Setting, "When it counts as stuck.")
    },
    NodeSpec {
        properties: &[must("every", SECONDS, "default: the runtime's")],
        effect: Effect::Live,
        ..supervised("heartbeat", Scope::Setting, "How often it reports by itself.")
    },
    NodeSpec {
        properties: SPEND,
        effect: Effect::Live,
        ..supervised("spend", Scope::Setting, "Caps of each agent.")
    },
    NodeSpec {
        arguments: &[may("WHEN", Kind::Word(&["never", "on-failure", "always"]))],
        properties: &[
            prop("delay", ANY_DURATION, "the first wait"),
            prop("max-delay", ANY_DURATION, "the longest wait"),
            prop("burst", Kind::Integer(1, 1000), "starts allowed `within`"),
            prop("within", ANY_DURATION, "the window of `burst`"),
            prop("healthy", ANY_DURATION, "running this long, it counts as well again"),
        ],
        effect: Effect::Live,
        ..node(
            "restart",
            Scope::Setting,
            "When a dead agent is started again. Exit 0, 75, 78 and 143, and SIGTERM, are no failure to systemd.",
        )
    },
    NodeSpec {
        arguments: &[need("TIME", ANY_DURATION)],
        effect: Effect::Live,
        ..node("stop-timeout", Scope::Setting, "From the polite stop to SIGKILL.")
    },
    NodeSpec {
        properties: &[
            prop("size", Kind::Size, "the log is rotated at this size"),
            prop("keep", Kind::Integer(0, 100), "rotated files kept"),
            prop("off", Kind::Flag, "`#true`: no log"),
        ],
        effect: Effect::Live,
        ..node("log", Scope::Setting, "The raw output log.")
    },
    NodeSpec {
        arguments: &[need("LINES", Kind::Integer(0, 100_000))],
        effect: Effect::Restart,
        ..node("scrollback", Scope::Setting, "Lines of history kept in memory, 4.8 kB each.")
    },
    NodeSpec {
        arguments: &[need("TEXT", Kind::Text)],
        effect: Effect::Live,
        ..node("description", Scope::Setting, "For people; shown by systemd.")
    },
];
