//! Properties of plans, on a simulated machine: whatever the rosters and wherever an apply stops, it converges, touches
//! nothing that is not fleet's, and leaves a plan of nothing.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

#[path = "../cases/compile.rs"]
mod compile;
mod properties;
mod rosters;
mod simulation;
mod verdicts;
