//! The canary's steps.

use super::{must, need, node};
use crate::roster::schema::{ANY_DURATION, Argument, Kind, NodeSpec, Scope};

const fn step(name: &'static str, arguments: &'static [Argument], doc: &'static str) -> NodeSpec {
    NodeSpec { arguments, repeats: true, ..node(name, Scope::Script, doc) }
}

const TIME: &[Argument] = &[need("TIME", ANY_DURATION)];
const TEXT: &[Argument] = &[need("TEXT", Kind::Text)];

pub(super) const ROWS: &[NodeSpec] = &[
    step("print", TEXT, "Writes a line."),
    NodeSpec {
        properties: &[
            must("every", ANY_DURATION, "the pause between two beats"),
            must("for", ANY_DURATION, "how long it goes on"),
        ],
        ..step("beat", &[], "Writes heartbeats.")
    },
    step("busy", TIME, "Looks busy."),
    step("spin", TIME, "Looks busy and burns processor time."),
    step("child", TIME, "Runs a quiet tool process."),
    step("ask", TEXT, "Opens a dialog."),
    NodeSpec {
        properties: &[must("reset", ANY_DURATION, "when the limit resets")],
        ..step("limit", &[], "Says that a limit is reached.")
    },
    step("fatal", TEXT, "Says a fatal phrase."),
    NodeSpec {
        children: &[Scope::Script],
        ..step("repeat", &[need("TIMES", Kind::Integer(1, 1_000_000))], "Does its steps several times.")
    },
    step("hang", &[], "Stops taking input, for ever."),
    step("ignore", &[need("SIGNAL", Kind::Word(crate::script::IGNORABLE))], "Ignores a signal."),
    step("wait", &[], "Waits for a message."),
    step("exit", &[need("CODE", Kind::Integer(0, 255))], "Exits."),
    step("die", &[need("SIGNAL", Kind::Word(crate::script::DEADLY))], "Ends by a signal."),
];
