//! The ordinary user that root's test run makes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use fleet::system::lock::{Attempt, try_lock};
use nix::unistd::User;

use crate::wait::wait_for;

const NAME: &str = "fleet-e2e";

pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

fn find() -> Option<Account> {
    let user = User::from_name(NAME).unwrap()?;
    Some(Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
}

/// The account, made when it is not there.
pub fn make() -> Account {
    let mut account = find();
    wait_for("the user fleet-e2e", || {
        if account.is_none() {
            // Tests run side by side, and two `useradd` disturb each other.
            let lock = try_lock(Path::new("/run/fleet-e2e.lock"), "make the user fleet-e2e").unwrap();
            account = find();
            if account.is_none() && matches!(lock, Attempt::Taken(_)) {
                let made = Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", NAME]).output();
                let made = made.expect("useradd is missing: install the package passwd");
                assert!(made.status.success(), "useradd {NAME}: {}", String::from_utf8_lossy(&made.stderr));
                account = find();
            }
        }
        account.is_some()
    });
    account.unwrap()
}

impl Account {
    /// The arguments that make setpriv(1) become the account, or stay root.
    pub fn setpriv(account: Option<&Self>) -> Vec<OsString> {
        let Some(Self { uid, gid, .. }) = account else { return Vec::new() };
        vec![format!("--reuid={uid}").into(), format!("--regid={gid}").into(), "--init-groups".into()]
    }

    /// Gives everything below `folder` to the account.
    pub fn own(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.own(&entry.path());
            }
        }
        chown(folder, Some(self.uid), Some(self.gid)).unwrap();
    }
}

/// The nodes that systemd mounts over what a unit may not see. On a booted machine the system manager or logind has made
/// them; without them every sandboxed unit fails with status 226.
pub fn make_inaccessible_nodes(account: Option<&Account>) {
    let folder = match account {
        Some(account) => format!("/run/user/{}/systemd/inaccessible", account.uid),
        None => "/run/systemd/inaccessible".to_owned(),
    };
    let folder = Path::new(&folder);
    let _ = fs::create_dir_all(folder);
    if let Some(account) = account {
        for part in folder.ancestors().take(3) {
            let _ = chown(part, Some(account.uid), Some(account.gid));
        }
    }
    let _ = fs::DirBuilder::new().mode(0o000).create(folder.join("dir"));
    let _ = fs::OpenOptions::new().write(true).create_new(true).mode(0o000).open(folder.join("reg"));
}
