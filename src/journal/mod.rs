//! The supervisor's journal: what happened, what was decided, what became of it. SQLite, one writer, any number of
//! readers. `docs/journal.md` says what is kept, for how long, and what happens when it is lost.
//!
//! [`Journal`] is the one writer: events and the decisions they led to are one transaction, durable before an effect
//! leaves. [`Reader`] is for everybody else, while a supervisor runs and while none does. [`inbox`] takes requests to a
//! supervisor that does not run.

mod aside;
mod connection;
pub mod digest;
mod error;
pub mod inbox;
mod keep;
mod open;
pub mod prune;
mod query;
mod reader;
mod recover;
pub mod rows;
mod schema;
mod writer;

pub use aside::DAMAGED_KEPT;
pub use error::JournalError;
pub use keep::is_worth_keeping;
pub use open::Opened;
pub use reader::Reader;
pub use recover::{Pending, Recovered};
pub use schema::VERSION;
pub use writer::{Appended, Journal};

/// The journal's file in the state folder; `-wal` and `-shm` stand beside it.
pub const FILE: &str = "journal.db";
/// The writer's lock in the state folder.
pub const LOCK: &str = "journal.lock";
/// Says that a journal was begun here, and whether one was lost.
pub const MARK: &str = "journal.json";
