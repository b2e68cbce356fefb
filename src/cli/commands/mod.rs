//! One file per command: read the arguments, call one function, print what came of it.

pub mod apply;
pub mod attach;
pub mod destroy;
pub mod doctor;
pub mod edit;
pub mod explain;
pub mod fmt;
mod from_tmux;
pub mod init;
pub mod manual;
pub mod plan;
pub mod power;
mod prepare;
pub mod render;
pub mod schema;
pub mod screen;
pub mod send;
pub mod status;
pub mod validate;
