//! Adapters to the machine, without policy.

pub mod service;
