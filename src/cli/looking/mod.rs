//! What the commands have in common that look at what the supervisor knows and did.

pub mod changes;
pub mod deaths;
pub mod events;
pub mod notices;
pub mod proposals;
pub mod sources;
pub mod story;
pub mod text;
pub mod time;
pub mod words;
