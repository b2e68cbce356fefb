//! `fleet`.

fn main() -> std::process::ExitCode {
    fleet::cli::run()
}
