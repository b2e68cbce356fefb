use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match &words[..] {
        [command, script] if command == "canary" => fleet::canary::run(Path::new(script)),
        _ => ExitCode::from(64),
    }
}
