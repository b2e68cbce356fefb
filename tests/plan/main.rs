//! Properties of plans, on a simulated machine: whatever the rosters and wherever an apply stops, it converges, touches
//! nothing that is not fleet's, and leaves a plan of nothing.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod chains;
#[allow(dead_code, reason = "shared with tests/cases, which asks for more")]
#[path = "../cases/compile.rs"]
mod compile;
mod parts;
mod properties;
mod rosters;
mod saved;
mod simulation;
mod verdicts;
mod view;
