//! In `orchestrator`, `enhancer` and `agent`.

use super::{MINUTES, declared, must, need, node, some, supervised};
use crate::roster::schema::{Effect, Kind, NodeSpec, Scope};

pub(super) const ROWS: &[NodeSpec] = &[
    NodeSpec {
        arguments: &[need("NAME", Kind::RoleName)],
        effect: Effect::Restart,
        ..node("role", Scope::Worker, "The agent's role.")
    },
    NodeSpec {
        properties: &[must("every", MINUTES, "how often")],
        effect: Effect::Live,
        ..supervised("digest", Scope::Enhancer, "Brings what went wrong lately, on a schedule.")
    },
    NodeSpec {
        arguments: &[some("NAME", Kind::AgentRef)],
        effect: Effect::Live,
        ..node("after", Scope::Agent, "Agents or groups that are started first.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::AgentName)],
        effect: Effect::Replace,
        ..node("was", Scope::Agent, "The name it had: keeps worktree and logs over a change of name.")
    },
    NodeSpec {
        arguments: &[need("NAME", Kind::ConnectorName)],
        effect: Effect::Live,
        ..declared("connector", Scope::Agent, "The connector by which people reach it.")
    },
];
