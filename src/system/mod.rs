//! Adapters to the machine, without policy.

pub mod fs;
pub mod git;
pub mod lock;
pub mod memory;
pub mod notify;
pub mod proc;
pub mod process;
mod read;
pub mod service;
pub mod tmux;
mod write;
