//! The rows of the table, a file for each part of the language.

mod agents;
mod files;
mod preview;
mod script;
mod settings;
mod top;

use super::{Argument, Effect, Kind, Merge, NodeSpec, Property, Scope, Status};

pub use preview::{CONNECTOR_KINDS, ConnectorKind, EVENTS};

/// Every row, in the order of the reference.
pub(super) const ALL: &[&[NodeSpec]] =
    &[top::ROWS, agents::ROWS, settings::ROWS, script::ROWS, preview::ROWS, files::ROWS];

const CAPABILITIES: &[&str] = &["code", "review", "deliver", "compose", "operate", "research"];
const MODES: &[&str] = &["ask", "edits", "all"];

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// A duration of at least a second.
const SECONDS: Kind = Kind::Duration(SECOND, u64::MAX);
/// A duration of at least a minute.
const MINUTES: Kind = Kind::Duration(MINUTE, u64::MAX);
/// A count of at least one.
const COUNT: Kind = Kind::Integer(1, i64::MAX);

const fn need(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: true, many: false }
}

const fn may(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: false, many: false }
}

const fn some(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: true, many: true }
}

const fn any(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: false, many: true }
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
        status: Status::Works,
        merge: Merge::Parts,
        doc,
    }
}

/// A node that the supervisor acts on.
const fn supervised(name: &'static str, scope: Scope, doc: &'static str) -> NodeSpec {
    NodeSpec { status: Status::Supervised, ..node(name, scope, doc) }
}

/// A node that nothing acts on yet.
const fn declared(name: &'static str, scope: Scope, doc: &'static str) -> NodeSpec {
    NodeSpec { status: Status::Declared, ..node(name, scope, doc) }
}

/// A node that nothing acts on yet and that may still change.
const fn preview(name: &'static str, scope: Scope, doc: &'static str) -> NodeSpec {
    NodeSpec { status: Status::Preview, ..node(name, scope, doc) }
}

const SPEND: &[Property] = &[
    prop("starts-per-day", COUNT, "starts in 24 hours"),
    prop("messages-per-hour", COUNT, "messages in an hour"),
    prop("concurrent", COUNT, "agents that run at the same time"),
];
