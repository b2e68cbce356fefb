//! `fleet-shim <manifest>`: runs one agent in a pseudo-terminal of its own.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Wrong command line (sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [flag] if flag == "--version" => {
            let written = writeln!(std::io::stdout(), "fleet-shim {}", env!("CARGO_PKG_VERSION"));
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        [manifest] if !manifest.as_encoded_bytes().starts_with(b"-") => fleet::shim::run(Path::new(manifest)).show(),
        _ => {
            let _ = writeln!(std::io::stderr(), "usage: fleet-shim <manifest> | fleet-shim --version");
            ExitCode::from(USAGE)
        }
    }
}
