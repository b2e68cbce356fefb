//! What a supervisor goes by.

use std::collections::BTreeSet;

use super::{Member, Watch};
use crate::manifest::{AgentKind, SecretSource};
use crate::roster::check::{Node, Value};
use crate::roster::decode;
use crate::roster::decode::runtime_file::{Reports, RuntimeFile};
use crate::roster::model::{Roster, SettingsPart, SpendPart};
use crate::supervise::policy::{Heartbeat, HeartbeatKind, Lifecycle, Spend, Stall};

/// The interval of a periodic runtime whose roster names none, in milliseconds.
const BEAT_MS: u64 = 15_000;

/// Of the agents that `member` declares.
pub(super) fn watch(member: &Member<'_>, file: &RuntimeFile) -> Watch {
    let (node, part) = (member.node, &member.part);
    let stall = &part.stall;
    Watch {
        stall: Stall {
            after_ms: stall.after.as_ref().expect("the built-in defaults say it").value,
            nudge: stall.nudge.expect("the built-in defaults say it"),
        },
        heartbeat: heartbeat(part, file),
        // Who talks to people and who looks after the fleet wait most of the time.
        idle_ok: node.kind != AgentKind::Agent || member.role.idle_ok,
        spend: spend(&part.spend),
        lifecycle: lifecycle(part),
        digest_ms: node.digest_ms,
    }
}

/// What the runtime of `file` reports, as often as `part` says.
pub(super) fn heartbeat(part: &SettingsPart, file: &RuntimeFile) -> Heartbeat {
    Heartbeat {
        kind: match file.heartbeat {
            Reports::Events => HeartbeatKind::Events,
            Reports::Periodic => HeartbeatKind::Periodic,
            Reports::None => HeartbeatKind::None,
        },
        every_ms: part.heartbeat_ms.as_ref().map_or(BEAT_MS, |every| every.value),
    }
}

fn lifecycle(part: &SettingsPart) -> Lifecycle {
    match &part.lifecycle.when {
        Some(when) if when.value == "on-demand" => {
            Lifecycle::OnDemand { idle_stop_ms: part.lifecycle.idle_stop.as_ref().map(|time| time.value) }
        }
        _ => Lifecycle::Always,
    }
}

fn spend(part: &SpendPart) -> Spend {
    let SpendPart { starts_per_day, messages_per_hour, concurrent } = *part;
    Spend { starts_per_day, messages_per_hour, concurrent }
}

/// `spend` at the top of the roster.
pub(super) fn fleet_spend(roster: &Roster) -> Spend {
    let node = roster.nodes.iter().find(|node| node.spec.name == "spend");
    node.map_or(Spend::default(), |node| spend(&decode::spend(node)))
}

/// Of `variables`, where agents' secrets come from, those that no connector and no forge reads.
pub(super) fn agents_secrets(roster: &Roster, variables: &BTreeSet<String>) -> BTreeSet<String> {
    let mut others = BTreeSet::new();
    for node in roster.nodes.iter().filter(|node| matches!(node.spec.name, "connector" | "forge")) {
        read_by(node, &mut others);
    }
    variables.difference(&others).cloned().collect()
}

fn read_by(node: &Node, found: &mut BTreeSet<String>) {
    for value in node.properties.values() {
        if let Value::Secret(SecretSource::Env(name)) = &value.value {
            found.insert(name.clone());
        }
    }
    node.children.iter().for_each(|child| read_by(child, found));
}
