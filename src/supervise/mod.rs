//! events → machine → decisions. Pure: time is passed in, effects are values, their results are events.

pub mod clock;
pub mod decision;
pub mod event;
pub mod memory;
pub mod message;
pub mod policy;
pub mod standing;
