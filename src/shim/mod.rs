//! The shim: the main process of one agent's unit.

pub mod client;
pub mod protocol;
