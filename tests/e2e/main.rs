//! fleet against real service managers, started by the tests themselves.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod boot;
mod chains;
mod clock;
#[allow(dead_code, reason = "shared with tests/cases, which asks for more")]
#[path = "../cases/compile.rs"]
mod compile;
mod compose;
mod conversations;
mod counts;
mod crowd;
mod crowd_figures;
mod envfile;
mod failpoints;
mod faults;
mod faults_small;
mod figures;
mod forged;
mod forks;
mod full_disk;
mod generations;
mod hardship;
mod inside;
mod kills;
mod kills_moves;
mod leftovers;
mod lifecycle;
mod limits;
mod looking;
mod managers;
#[path = "../shim/manifest.rs"]
mod manifest;
mod older_shim;
mod oracle;
mod orphans;
#[allow(dead_code, reason = "shared with tests/canary, which asks for more")]
#[path = "../canary/pty.rs"]
mod pty;
mod races;
mod random;
mod refusals;
mod relist;
mod repetition;
mod repositories;
mod seeded;
mod shims;
mod simulated;
mod strangers;
mod supervised;
mod supervised_full_disk;
mod support;
mod timeliness;
mod top;
mod trouble;
mod view;
#[path = "../system/wait.rs"]
mod wait;
mod watchdog;
mod watched;
mod worktrees;
mod world;
