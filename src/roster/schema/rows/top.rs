//! At the top of the roster, without the preview nodes.

use super::{SPEND, may, must, need, node, prop, some, supervised};
use crate::roster::schema::{Effect, Kind, NodeSpec, Property, Scope};

const HOST: Property = prop("host", Kind::Text, "the machine it runs on; only this machine's agents are applied");
const AGENT_CHILDREN: &[Scope] = &[Scope::Agent, Scope::Setting];
const ENHANCER_CHILDREN: &[Scope] = &[Scope::Enhancer, Scope::Agent, Scope::Setting];
const WORKER_CHILDREN: &[Scope] = &[Scope::Worker, Scope::Agent, Scope::Setting];

pub(super) const ROWS: &[NodeSpec] = &[
    NodeSpec {
        arguments: &[need("ID", Kind::FleetId)],
        properties: &[
            must("version", Kind::Integer(1, i64::MAX), "the language version, 1"),
            prop("supervise", Kind::Flag, "`#false`: no supervisor; systemd alone restarts agents"),
            prop("host", Kind::Text, "the machine of agents that name none"),
        ],
        ..node("fleet", Scope::Top, "The fleet's id and language version; the first node, in the root file only.")
    },
    NodeSpec {
        arguments: &[need("PATH", Kind::Path)],
        properties: &[prop("base", Kind::Branch, "the branch work starts from; default: the branch checked out")],
        ..node("workspace", Scope::Top, "Where agents work; default: the roster's folder.")
    },
    NodeSpec {
        arguments: &[need("PATH", Kind::Path)],
        properties: &[prop("optional", Kind::Flag, "`#true`: a file that is not there is no mistake")],
        repeats: true,
        ..node(
            "include",
            Scope::Top,
            "Takes in the nodes of another file, which lies in the roster's folder unless the path is absolute.",
        )
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
        effect: Effect::Replace,
        ..node("orchestrator", Scope::Top, "The agent that talks to people and hands out work; exactly one.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        properties: &[HOST],
        children: ENHANCER_CHILDREN,
        repeats: true,
        effect: Effect::Replace,
        ..node("enhancer", Scope::Top, "The agent that improves roster and tools; neither codes nor reviews.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        properties: &[prop("count", Kind::Integer(1, 1000), "makes NAME-1 … NAME-N; NAME is then the group"), HOST],
        children: WORKER_CHILDREN,
        repeats: true,
        effect: Effect::Replace,
        ..node("agent", Scope::Top, "A worker.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::ChainName)],
        children: &[Scope::Chain],
        repeats: true,
        ..node(
            "models",
            Scope::Top,
            "A fall-back chain: agents start with its first model and go on with the next when that one is overloaded or at a limit.",
        )
    },
    NodeSpec {
        arguments: &[need("MODEL", Kind::Text)],
        properties: &[
            prop("runtime", Kind::RuntimeName, "the agent CLI of this model; default: the agent's"),
            prop("effort", Kind::Text, "how hard the model thinks, in the runtime's own words"),
        ],
        repeats: true,
        ..node("use", Scope::Chain, "The next model to fall back to.")
    },
    NodeSpec { properties: SPEND, ..supervised("spend", Scope::Top, "Caps of the whole fleet.") },
    NodeSpec {
        children: &[Scope::Layout],
        effect: Effect::Viewer,
        ..node("layout", Scope::Top, "The windows and panes of the viewer.")
    },
    NodeSpec {
        arguments: &[need("TITLE", Kind::Title)],
        properties: &[prop(
            "arrange",
            Kind::Word(&["tiled", "even-horizontal", "even-vertical", "main-horizontal", "main-vertical"]),
            "how the panes are arranged; default \"tiled\"",
        )],
        children: &[Scope::Window],
        repeats: true,
        effect: Effect::Viewer,
        ..node("window", Scope::Layout, "A window of panes.")
    },
    NodeSpec {
        arguments: &[may("AGENT", Kind::AgentRef)],
        properties: &[prop("role", Kind::RoleName, "a pane for every agent of this role")],
        repeats: true,
        effect: Effect::Viewer,
        ..node("pane", Scope::Window, "The pane of an agent, or of each agent of a group or role.")
    },
    NodeSpec {
        arguments: &[some("CAPABILITY", Kind::Word(super::CAPABILITIES))],
        ..node("may", Scope::Role, "What agents of this role may do.")
    },
    NodeSpec {
        arguments: &[may("TEXT", Kind::Text)],
        properties: &[prop("file", Kind::Path, "a file that holds the text")],
        effect: Effect::Restart,
        ..node("prompt", Scope::Role, "The role's text: what its agents are told about their work.")
    },
];
