//! A relist heals what was not heard, and costs little where nothing is.

use std::fs;
use std::path::Path;

use crate::simulated::Simulated;
use crate::support::wait_for;
use crate::watched::HEAD;

/// How often a file of this name was opened, by what strace wrote.
fn opened(trace: &Path, name: &str) -> usize {
    let text = fs::read_to_string(trace).unwrap();
    text.lines().filter(|line| line.contains(&format!("/{name}\""))).count()
}

/// Files that nobody has read for minutes are on the disk only: a relist that reads one of each agent waits for it so often.
#[test]
fn it_reads_no_record_of_whom_it_hears() {
    let crowd = Simulated::new(20, HEAD, "", None);
    let trace = crowd.fleet.world.manager.base.join("tmp/trace");
    let words = ["strace", "-f", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", trace.to_str().unwrap()];
    let child = crowd.supervise(&words);
    crowd.all_are("idle");
    let before = opened(&trace, "run.json");
    assert!(before >= crowd.names.len(), "{before}: each is read once");
    // Another folder in the place of one that is watched brings a relist about.
    let (pending, reads) = (crowd.fleet.state().join("pending"), opened(&trace, "ledger.json"));
    fs::rename(&pending, pending.with_file_name("was-pending")).unwrap();
    wait_for("a relist", || opened(&trace, "ledger.json") > reads && pending.is_dir());
    crowd.dies("w-7");
    crowd.fleet.is("w-7", "stopped");
    let after = opened(&trace, "run.json");
    // Of the one that died it is looked for, now and then more than once.
    assert!(after < before + crowd.names.len() / 2, "{before} before the relist, then {after}");
    crowd.destroy(child);
}
