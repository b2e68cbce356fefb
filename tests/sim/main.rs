//! The supervisor's machine, simulated: no clock, no process, no file but the recorded sequences.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod bench;
mod chains;
mod chance;
mod invariants;
mod property;
mod recorded;
mod repetition;
mod scenarios;
mod small;
mod traffic;
mod words;
mod world;
