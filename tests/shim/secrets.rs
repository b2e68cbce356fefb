//! Secrets: where they come from, where they go, and that they stay nowhere.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::json;

use super::starts::refused;
use super::support::{Place, code};

#[test]
fn a_secret_file_is_private_and_goes_with_the_agent() {
    let mut place =
        Place::shell("stat -c '%a' \"$KEY_FILE\"; cat \"$KEY_FILE\" | tr a-z A-Z; echo up; exec sleep 1000");
    let source = place.root.path().join("key");
    std::fs::write(&source, "open-sesame\n").unwrap();
    place.manifest["launch"]["secrets"] =
        json!([{"name": "KEY", "from": {"file": source}, "as": "file", "version": null}]);
    let shim = place.up();
    shim.shows("up");
    let folder = place.root.path().join("r/lead.secrets");
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(shim.lines()[0], "600");
    assert_eq!(shim.lines()[1], "OPEN-SESAMEup");
    shim.signal(Signal::SIGTERM);
    shim.wait();
    assert!(!folder.exists());
}

#[test]
fn secrets_that_a_killed_shim_left_are_replaced() {
    let mut place = Place::shell("cat \"$KEY_FILE\"");
    place.environment = vec![("SOURCE".to_owned(), "new-value".to_owned())];
    place.manifest["launch"]["secrets"] =
        json!([{"name": "KEY", "from": {"env": "SOURCE"}, "as": "file", "version": null}]);
    let stale = place.root.path().join("r/lead.secrets");
    std::fs::create_dir_all(&stale).unwrap();
    std::fs::set_permissions(place.root.path().join("r"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(stale.join("OLD"), "old").unwrap();
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(0), "{stderr}");
    assert_eq!(place.read("log"), "***");
    assert!(!stale.exists());
}

#[test]
fn a_missing_secret_is_named_and_never_its_value() {
    let mut place = Place::shell("true");
    place.manifest["launch"]["secrets"] =
        json!([{"name": "TOKEN", "from": {"env": "FLEET_TEST_NOT_SET"}, "as": "env", "version": null}]);
    let stderr = refused(&place, 78);
    assert!(stderr.contains("TOKEN") && stderr.contains("FLEET_TEST_NOT_SET is not set"), "{stderr}");
    place.manifest["launch"]["secrets"] =
        json!([{"name": "TOKEN", "from": {"file": "/nonexistent/token"}, "as": "file", "version": null}]);
    assert!(refused(&place, 78).contains("/nonexistent/token"));
    place.manifest["launch"]["secrets"] =
        json!([{"name": "../TOKEN", "from": {"env": "PATH"}, "as": "file", "version": null}]);
    assert!(refused(&place, 78).contains("no variable name"));
}

/// A place whose agent shows the secret `KEY` in capitals, so that masking does not hide it, and a folder of programs.
fn showing(from: &serde_json::Value) -> Place {
    let mut place = Place::shell("printf %s \"$KEY\" | tr a-z A-Z");
    place.manifest["launch"]["secrets"] = json!([{"name": "KEY", "from": from, "as": "env", "version": null}]);
    let bin = place.root.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    place.environment = vec![("PATH".to_owned(), format!("{}:/usr/bin:/bin", bin.display()))];
    place
}

fn program(place: &Place, name: &str, script: &str) {
    let path = place.root.path().join("bin").join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a text stands in any file the shim left.
fn is_left(place: &Place, text: &str) -> bool {
    fn walk(folder: &std::path::Path, text: &str) -> bool {
        std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return walk(&path, text);
            }
            std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
        })
    }
    walk(&place.folder(), text)
}

#[test]
fn a_program_prints_a_secret() {
    let place = showing(&json!({"cmd": ["vault", "get", "a b; echo $HOME"]}));
    program(&place, "vault", "[ \"$1 $2\" = 'get a b; echo $HOME' ] && echo canary-from-vault");
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(0), "{stderr}");
    assert_eq!(place.read("log"), "CANARY-FROM-VAULT");
    assert!(!is_left(&place, "canary-from-vault"));
}

#[test]
fn one_password_is_asked_by_its_own_program() {
    let place = showing(&json!({"op": "op://dev/ci/password"}));
    program(&place, "op", "[ \"$1 $2\" = 'read op://dev/ci/password' ] && echo canary-from-op");
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(0), "{stderr}");
    assert_eq!(place.read("log"), "CANARY-FROM-OP");
}

#[test]
fn a_credential_of_the_unit_is_a_file() {
    let mut place = showing(&json!({"systemd": "ci-token"}));
    assert!(refused(&place, 78).contains("LoadCredential=ci-token"));
    let folder = place.root.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    place.environment.push(("CREDENTIALS_DIRECTORY".to_owned(), folder.display().to_string()));
    assert!(refused(&place, 78).contains("LoadCredential=ci-token"));
    std::fs::write(folder.join("ci-token"), "canary-credential\n").unwrap();
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(0), "{stderr}");
    assert_eq!(place.read("log"), "CANARY-CREDENTIAL");
}

#[test]
fn a_program_that_fails_is_named_and_what_it_printed_is_not() {
    let place = showing(&json!({"cmd": ["vault", "get"]}));
    assert!(refused(&place, 78).contains("vault: no such program"));
    program(&place, "vault", "echo canary-half; echo 'the vault is locked' >&2; exit 3");
    let stderr = refused(&place, 78);
    assert!(
        stderr.contains("vault") && stderr.contains("exit status: 3") && stderr.contains("the vault is locked"),
        "{stderr}"
    );
    assert!(!stderr.contains("canary-half") && !is_left(&place, "canary-half"));
    program(&place, "vault", "true");
    assert!(refused(&place, 78).contains("its source is empty"));
}

#[test]
fn a_program_that_asks_a_person_does_not_hold_the_start_up() {
    let place = showing(&json!({"cmd": ["vault", "get"]}));
    program(&place, "vault", "exec sleep 1000");
    let begun = std::time::Instant::now();
    let stderr = refused(&place, 78);
    assert!(stderr.contains("no answer within 10s"), "{stderr}");
    assert!(begun.elapsed().as_secs() < 20);
}
