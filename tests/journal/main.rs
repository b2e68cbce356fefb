//! The supervisor's journal and its inbox, against real files, full disks and sudden deaths.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "tests reach outside")]

mod append;
mod damage;
mod disk;
mod inbox;
mod kills;
mod open;
mod speed;
mod support;
mod versions;
