use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use fleet::system::fs::{
    ensure_private_dir, read_optional, remove_file_if_present, remove_symlink, write_atomic, write_symlink,
};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_written_file_has_its_bytes_and_mode_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit");
    write_atomic(&path, b"one", 0o644).unwrap();
    let first = path.metadata().unwrap();
    assert_eq!(first.mode() & 0o7777, 0o644);
    write_atomic(&path, b"two", 0o600).unwrap();
    let second = path.metadata().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(second.mode() & 0o7777, 0o600);
    assert_ne!(first.ino(), second.ino(), "a reader of the old file keeps the old bytes");
    assert_eq!(names(folder.path()), ["unit"]);
}

#[test]
fn a_link_is_never_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    let link = folder.path().join("link");
    symlink(&precious, &link).unwrap();
    let error = write_atomic(&link, b"theirs", 0o600).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(error.help.is_some());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(names(folder.path()), ["link", "precious"]);
}

#[test]
fn a_folder_in_the_files_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit");
    fs::create_dir(&path).unwrap();
    let error = write_atomic(&path, b"x", 0o600).unwrap_err();
    assert!(error.to_string().contains("a folder is there"), "{error}");
    assert_eq!(names(folder.path()), ["unit"]);
}

/// The part that needs a full file system: run in a mount namespace of its own, where `FLEET_TEST_FULL` names it.
#[test]
fn a_full_file_system_changes_nothing_and_is_named() {
    if let Some(full) = std::env::var_os("FLEET_TEST_FULL") {
        let folder = Path::new(&full).join("sub");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("ledger");
        write_atomic(&path, b"old", 0o600).unwrap();
        let error = write_atomic(&path, &vec![b'x'; 1 << 20], 0o600).unwrap_err();
        assert_eq!(error.kind, io::ErrorKind::StorageFull);
        let said = error.to_string();
        assert!(said.contains(&format!("the file system at {} is full", Path::new(&full).display())), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(&folder), ["ledger"]);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=64k none "$FLEET_TEST_FULL" && exec "$@""#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "files::a_full_file_system_changes_nothing_and_is_named", "--nocapture"])
        .env("FLEET_TEST_FULL", folder.path().canonicalize().unwrap())
        .output()
        .expect("unshare is missing: install the package util-linux");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n(if `unshare` was refused: allow it with `sysctl kernel.unprivileged_userns_clone=1`, or run as root)"
    );
}

#[test]
fn a_private_folder_is_made_with_its_parents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/c");
    ensure_private_dir(&path).unwrap();
    ensure_private_dir(&path).unwrap();
    for part in ["a", "a/b", "a/b/c"] {
        assert_eq!(folder.path().join(part).metadata().unwrap().mode() & 0o7777, 0o700, "{part}");
    }
}

#[test]
fn a_folder_that_is_not_private_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let error = ensure_private_dir(&open).unwrap_err();
    assert!(error.to_string().contains("mode 0755"), "{error}");
    assert!(error.help.unwrap().contains("chmod 700"));

    let real = folder.path().join("real");
    ensure_private_dir(&real).unwrap();
    let link = folder.path().join("link");
    symlink(&real, &link).unwrap();
    let error = ensure_private_dir(&link).unwrap_err();
    assert!(error.to_string().contains("a symbolic link is in its place"), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ensure_private_dir(&file).unwrap_err();
    assert!(error.to_string().contains("a regular file is in its place"), "{error}");
}

#[test]
fn reading_is_capped_and_takes_only_regular_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    assert_eq!(read_optional(&path, 10).unwrap(), None);
    fs::write(&path, "0123456789").unwrap();
    assert_eq!(read_optional(&path, 10).unwrap().unwrap(), b"0123456789");
    assert!(read_optional(&path, 9).unwrap_err().to_string().contains("larger than 9 bytes"));
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(read_optional(&pipe, 9).unwrap_err().to_string().contains("a named pipe"));
}

#[test]
fn removing_says_whether_something_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unit");
    assert!(!remove_file_if_present(&path).unwrap());
    fs::write(&path, "").unwrap();
    assert!(remove_file_if_present(&path).unwrap());
    assert!(!path.exists());
    assert!(remove_file_if_present(folder.path()).is_err());
}

#[test]
fn links_are_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("wants");
    assert!(write_symlink(&link, Path::new("../a.service")).unwrap());
    assert!(!write_symlink(&link, Path::new("../a.service")).unwrap());
    assert!(write_symlink(&link, Path::new("../b.service")).unwrap());
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../b.service"));
    assert_eq!(names(folder.path()), ["wants"]);
    assert!(remove_symlink(&link).unwrap());
    assert!(!remove_symlink(&link).unwrap());
    fs::write(&link, "by hand").unwrap();
    assert!(write_symlink(&link, Path::new("../a.service")).is_err());
    assert!(remove_symlink(&link).is_err());
    assert_eq!(fs::read_to_string(&link).unwrap(), "by hand");
}
