//! What the supervisor says on standard error, where that is `supervisor.err`: bounded, with one elder file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::libc;

use crate::apply::state::State;

/// A longer file becomes the elder one, in bytes.
const MOST: u64 = 256 << 10;

static FILE: OnceLock<PathBuf> = OnceLock::new();

/// From here on what is said is bounded.
pub(super) fn begin(state: &State) {
    let _ = FILE.set(state.paths.state.join("supervisor.err"));
    bound();
}

/// Puts a file aside that has become too long, and goes on in a new one.
pub(super) fn bound() {
    let Some(path) = FILE.get() else { return };
    if let Err(error) = rotate(path) {
        // Where else.
        let _ = writeln!(io::stderr().lock(), "fleet supervise: {}: {error}", path.display());
    }
}

fn rotate(path: &Path) -> io::Result<()> {
    let said = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
    if !said.is_file() || said.len() <= MOST {
        return Ok(());
    }
    // Only if that is where it goes: a person may have redirected it.
    let there = fs::symlink_metadata(path)?;
    if (there.dev(), there.ino()) != (said.dev(), said.ino()) {
        return Ok(());
    }
    fs::rename(path, path.with_extension("err.1"))?;
    let mut options = OpenOptions::new();
    let new = options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    nix::unistd::dup2_stdout(&new)?;
    nix::unistd::dup2_stderr(&new)?;
    Ok(())
}
