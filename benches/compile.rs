//! What compiling a roster costs, stage by stage, beside the KDL parser alone: `cargo bench --bench compile`.
//!
//! Medians of a few dozen runs in one process, and of whole runs of `fleet validate` beside `fleet --version`. Ratios
//! travel between machines, milliseconds do not.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures and prints")]

#[allow(dead_code, reason = "shared with tests/cases, which asks for more")]
#[path = "../tests/cases/compile.rs"]
mod compile;

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Instant;

use fleet::render::{Target, render};

fn roster(agents: usize) -> String {
    let mut text = String::from(
        "fleet \"perf\" version=1\ndefaults {\n    runtime \"claude\"\n    limits memory=\"2G\" tasks=256\n    \
         restart \"on-failure\" delay=\"15s\" burst=5 within=\"1h\"\n}\norchestrator \"lead\"\nenhancer \"mender\"\n",
    );
    for number in 2..agents {
        text += &format!(
            "agent \"worker-{number}\" {{\n    role \"coder\"\n    env \"NUMBER\" \"{number}\"\n    after \"lead\"\n    \
             description \"worker number {number}\"\n}}\n"
        );
    }
    text
}

/// The median time of `work` in milliseconds.
fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn process(arguments: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("fleet was built");
    assert!(status.success());
}

fn main() {
    let start = median(40, || process(&["--version"]));
    println!("fleet --version: {start:.2} ms");
    println!("agents   kdl alone   compile (x kdl)   render   whole `fleet validate` (x --version)");
    for agents in [10, 100, 1_000] {
        let text = roster(agents);
        let runs = if agents > 100 { 15 } else { 40 };
        let parser = median(runs, || {
            black_box(kdl::KdlDocument::parse_v2(&text).is_ok());
        });
        let whole = median(runs, || {
            black_box(compile::compile(&text).fleet.is_some());
        });
        let compiled = compile::compile(&text);
        let fleet = compiled.fleet.as_ref().expect("the roster is right");
        let rendering = median(runs, || {
            black_box(render(fleet, Target { systemd: Some(255) }).len());
        });
        let file = std::env::temp_dir().join(format!("fleet-bench-{}-{agents}.kdl", std::process::id()));
        std::fs::write(&file, &text).expect("the temporary folder takes a file");
        let path = file.display().to_string();
        let validate = median(runs, || process(&["validate", "--file", &path]));
        let _ = std::fs::remove_file(&file);
        println!(
            "{agents:>6}   {parser:>6.2} ms   {whole:>6.2} ms ({:>4.2})   {rendering:>5.2} ms   {validate:>6.2} ms ({:.2})",
            whole / parser,
            validate / start
        );
    }
}
