//! `send`: text typed for the agent, with proof.

use std::time::Instant;

use super::agent::Shim;
use super::protocol::ProtocolError;

#[derive(Debug)]
pub(super) struct Deliveries {
    first: Option<String>,
}

impl Deliveries {
    pub(super) fn new(first: Option<String>) -> Self {
        Self { first }
    }
    pub(super) fn typing(&self) -> bool {
        self.first.is_none() && false
    }
    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }
    pub(super) fn person_typed(&mut self, _bytes: &[u8]) {}
}

impl Shim {
    pub(super) fn enqueue(&mut self, _id: u64, _text: &str, _now: Instant) -> Result<(), ProtocolError> {
        Err(ProtocolError { error: "unsupported".into(), message: String::new() })
    }
    pub(super) fn cancel_deliveries(&mut self) {}
    pub(super) fn abandon_deliveries(&mut self) {}
    pub(super) fn tick_deliveries(&mut self, _now: Instant) {}
}
