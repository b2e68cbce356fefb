//! fleet's reader of environment files against systemd's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fleet::system::service::envfile::parse;

use crate::support::{As, LONG, UserManager, output};

/// Written by hand, each with a trap.
const CASES: &[&str] = &[
    "T_A=1\nT_B=two words \nT_C= leading",
    "T_A='single # ; \\n $x' \nT_B=\"double \\\" \\\\ \\` \\$ \\n \\x\"",
    "# T_A=1\n; T_B=2\n  # T_C=3\nT_D=4 # not a comment\nT_E=5;6",
    "T_A=con\\\ntinued\nT_B=\"con\\\ntinued\"\nT_C='con\\\ntinued'",
    "T_A=\"many\nlines\"\nT_B='many\nlines'\nT_C=after",
    "T_A=a\\ b\\\\c\\n\nT_B=trail\\ \nT_C=trail  \\\n\nT_D=x",
    "T_A='a''b'\"c\"d'e'\nT_B='x' y \nT_C=x'y'",
    "export T_A=1\nT-B=2\n9T=3\n=4\nT_C\nT_D =5\n T_E=6\nT_F\t=7",
    "T_A=\nT_B=''\nT_C=\"\"\nT_D=   ",
    "T_A=1\r\nT_B=2\r\nT_C='3\r\n4'\r\n",
    "T_A=first\nT_A=second\n",
    "T_A=\u{e4}\u{1f600}\nT_B=tab\tinside\nT_C='\ttab'",
    "T_A='never closed\nT_B=2",
    "T_A=\"never closed\nT_B=2\\",
    "T_A=ends in backslash\\",
    "T_A=$HOME ${HOME} %h `id` $(id)",
    "T_A=a=b=c\nT_B==\nT_C=#x\nT_D=;x",
    "",
    "\n\n\n",
    "T_A=bell\u{7}\nT_B=esc\u{1b}[0m\nT_C=del\u{7f}",
];

/// Files made at random from the characters that mean something, the same ones in every run. No comments: whether one
/// that ends in a backslash goes on in the next line depends on systemd's version (it did before 254).
fn random_cases(count: usize) -> Vec<String> {
    const PARTS: &[&str] =
        &["T_A", "T_B", "=", "=", "'", "\"", "\\", "\n", "\n", " ", "\t", "x", "y", "$", "`", "\r", "\\\n", "n"];
    let mut seed: u64 = 0x5eed;
    let mut next = || {
        // Knuth's MMIX generator: any will do that is the same everywhere.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap()
    };
    (0..count)
        .map(|_| {
            let length = 3 + next() % 30;
            (0..length).map(|_| PARTS[next() % PARTS.len()]).collect()
        })
        .collect()
}

#[test]
fn environment_files_are_read_as_systemd_reads_them() {
    let manager = UserManager::start(As::all()[0]);
    let folder = manager.base.join("cases");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let mut cases: Vec<String> = CASES.iter().map(|case| (*case).to_owned()).collect();
    cases.extend(random_cases(200));
    let mut units = Units { folder: manager.unit_folder(), names: Vec::new() };
    for (number, case) in cases.iter().enumerate() {
        let file = folder.join(format!("{number}.env"));
        fs::write(&file, case).unwrap();
        let name = format!("fleet-e2e-envfile-{number}.service");
        let text = format!(
            "[Service]\nType=oneshot\nEnvironmentFile={}\nStandardOutput=file:{}\nExecStart=/usr/bin/env -0\n",
            file.display(),
            folder.join(format!("{number}.out")).display()
        );
        fs::write(units.folder.join(&name), text).unwrap();
        units.names.push(name);
    }
    let mut start = manager.command("systemctl");
    let started = output(start.args(["--user", "start"]).args(&units.names), 2 * LONG);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let theirs = systemds(&folder.join(format!("{number}.out")));
        let mut ours = parse(case).variables;
        ours.retain(|name, _| name.starts_with("T_"));
        if ours != theirs {
            wrong.push(format!("{case:?}\n  systemd: {theirs:?}\n  fleet:   {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} files differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Unit files, removed at the end: the manager may be a person's own.
struct Units {
    folder: PathBuf,
    names: Vec<String>,
}

impl Drop for Units {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }
}

fn systemds(file: &Path) -> BTreeMap<String, String> {
    let text = String::from_utf8(fs::read(file).unwrap()).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    // The others are the manager's own.
    let ours = pairs.filter(|(name, _)| name.starts_with("T_"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
