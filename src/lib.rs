//! fleet: infrastructure-as-code for coding agents.
//!
//! Two pipelines, one direction each:
//!
//! ```text
//! roster text → Document → Roster → Fleet → Artifacts → Plan → Apply
//!             parse      decode   resolve  render      diff   effects
//!
//! shim: agent's terminal → model → classification → records, viewers, outcomes
//! ```
//!
//! Everything left of *effects* is **core**: values in, values out; no clock, environment, file system, process or
//! network. The rest is **shell**. Core never imports shell; `tests/house/layers.rs` holds the list of who may import
//! whom, and clippy refuses the impure functions of `std` in core. The modules that may use them are the ones below
//! that carry an `expect` for it, so the list of impure modules stands in this one place.

#[cfg(not(target_os = "linux"))]
compile_error!("fleet runs on Linux only (WSL2 included): it needs control groups, pseudo-terminals and systemd.");

pub mod adopt;
pub mod diagnostic;
pub mod ids;
pub mod manifest;
pub mod parallel;
pub mod plan;
pub mod quantity;
pub mod render;
pub mod resolve;
pub mod roster;
pub mod script;
pub mod supervise;
pub mod units;

#[allow(clippy::disallowed_methods, reason = "shell: puts plans into effect")]
pub mod apply;
#[allow(clippy::disallowed_methods, reason = "shell: the scripted agent")]
pub mod canary;
#[allow(clippy::disallowed_methods, reason = "shell: the command line")]
pub mod cli;
#[allow(clippy::disallowed_methods, reason = "shell: the supervisor's one loop and its sources")]
pub mod driver;
#[allow(clippy::disallowed_methods, reason = "shell: reads and writes what agents say of themselves")]
pub mod heartbeat;
#[allow(clippy::disallowed_methods, reason = "shell: the supervisor's memory on disk")]
pub mod journal;
#[allow(clippy::disallowed_methods, reason = "shell: owns the agent's pseudo-terminal")]
pub mod shim;
#[allow(clippy::disallowed_methods, reason = "shell: adapters to the machine")]
pub mod system;
#[allow(clippy::disallowed_methods, reason = "shell: the fleet on one screen")]
pub mod top;
