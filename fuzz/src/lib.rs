//! What the fuzz targets share. Each target compares fleet with somebody else's reading of the same bytes: the lexer
//! with the scan, a real service manager with the unit writer, a started process with the env writer, a real tmux with
//! the writer of the viewer's session.

pub mod bytes;
pub mod checks;
pub mod compile;
pub mod manager;
pub mod roster;
pub mod tmux;
