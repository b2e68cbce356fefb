//! The log: complete, masked, bounded, and never in the agent's way.

use std::os::unix::fs::PermissionsExt as _;

use nix::libc;
use serde_json::json;

use crate::support::{Place, Shim, code};

#[test]
fn a_secret_is_masked_in_everything_that_is_kept_or_told() {
    let mut place = Place::shell(
        "seq 1 30; echo old $TOKEN; seq 1 30; printf '%s' \"${TOKEN%value}\"; sleep 0.2; printf '%s' value; \
         printf '\\r\\n%075d%s\\r\\n' 0 $TOKEN; printf '\\033]0;at %s\\007' $TOKEN; echo up; read a; exit 0",
    );
    place.environment = vec![("SOURCE".to_owned(), "a-secret-value".to_owned())];
    place.manifest["launch"]["secrets"] =
        json!([{"name": "TOKEN", "from": {"env": "SOURCE"}, "as": "env", "version": null}]);
    place.manifest["launch"]["terminal"]["scrollback"] = json!(100);
    let shim = place.up();
    shim.shows("up");
    let screen = shim.lines().join("\n");
    assert!(screen.contains("***") && !screen.contains("secret"), "{screen}");
    let scrollback = shim.ask("scrollback", &json!({"lines": 100})).to_string();
    assert!(scrollback.contains("old ***"), "{scrollback}");
    for verb in ["screen", "status"] {
        assert_eq!(shim.ask(verb, &json!({}))["title"], "at ***", "{verb}");
    }
    // On its way over the line's end.
    assert!(!screen.contains("-value"), "{screen}");
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"\r");
    shim.wait();
    for file in ["log", "last-screen", "exit.json"] {
        assert!(!place.read(file).contains("secret"), "{file}");
    }
    assert_eq!(place.read("log").matches("***").count(), 4);
}

#[test]
fn the_log_is_rotated_by_size() {
    let mut place = Place::shell("seq -f '%099g' 1 1000");
    place.manifest["policy"]["log"] = json!({"size": 20_000, "keep": 2, "off": false});
    assert_eq!(code(place.run().0), Some(0));
    let length = |name: &str| place.folder().join(name).metadata().map(|meta| meta.len());
    assert!(length("log").unwrap() <= 20_000 && length("log.1").unwrap() <= 20_000);
    assert!(length("log.2").is_ok() && length("log.3").is_err());
    assert!(place.read("log").ends_with("1000\r\n"));
    for name in ["log", "log.1", "exit.json", "last-screen"] {
        let mode = place.folder().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_log_can_be_off() {
    let mut place = Place::shell("echo quiet");
    place.manifest["policy"]["log"]["off"] = json!(true);
    place.run();
    assert!(!place.folder().join("log").exists());
    assert_eq!(place.read("last-screen"), "quiet\n");
}

pub fn limit_files_of(shim: &Shim, bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads one `rlimit`, which lives across the call; the shim is this test's own child.
    let done =
        unsafe { libc::prlimit(shim.pid().as_raw(), libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// A limit on file sizes fails like a full disk, and can be lifted again.
#[test]
fn a_full_disk_costs_log_and_never_the_agent() {
    let place = Place::shell("while read line; do echo \"said $line\"; done; exit 6");
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"first\r");
    shim.shows("said first");
    let size = place.read("log").len() as libc::rlim_t;
    limit_files_of(&shim, size);
    viewer.send(b'I', b"second\r");
    shim.shows("said second");
    let lost = shim.status()["bytes"].as_u64().unwrap() - size;
    limit_files_of(&shim, libc::RLIM_INFINITY);
    viewer.send(b'I', b"third\r");
    shim.shows("said third");
    viewer.send(b'I', b"\x04");
    let (status, stderr) = shim.wait();
    assert_eq!(code(status), Some(6));
    let log = place.read("log");
    assert!(log.contains("said first") && !log.contains("said second") && log.contains("said third"), "{log}");
    assert!(log.contains(&format!("[fleet: {lost} bytes of output are missing here: File too large")), "{log}");
    assert_eq!(stderr.matches("output is not kept").count(), 1, "{stderr}");
}

#[test]
fn a_log_that_cannot_be_opened_does_not_keep_the_agent_from_running() {
    let place = Place::shell("echo fine; exit 2");
    std::fs::create_dir(place.folder().join("log")).unwrap();
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(2));
    assert!(stderr.contains("/a/log: ") && stderr.contains("output is not kept"), "{stderr}");
    assert_eq!(place.read("last-screen"), "fine\n");
}

#[test]
fn bytes_of_any_kind_arrive_unchanged() {
    let place = Place::shell("stty -opost; cat sample; exit 0");
    let mut sample: Vec<u8> = (0..=255).collect();
    sample.extend("漢字\u{1f469}\u{200d}\u{1f680}\x1b]0;half".as_bytes());
    sample.extend(vec![b'x'; 1 << 20]);
    sample.extend([0xff, 0xc0, 0x80, 0x1b, b'[']);
    std::fs::write(place.root.path().join("sample"), &sample).unwrap();
    assert_eq!(code(place.run().0), Some(0));
    assert!(std::fs::read(place.folder().join("log")).unwrap() == sample);
}
