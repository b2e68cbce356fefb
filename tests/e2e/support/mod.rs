//! A real `systemd --user` per test, in folders and control groups of its own.
//!
//! As root, [`UserManager::start`] starts one as root or as the ordinary user `fleet-e2e`, which it makes. As an
//! ordinary user it takes the user manager that runs already. Everything a test starts with [`UserManager::command`]
//! ends with the manager at the latest.

mod cgroup;
mod user;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cgroup::{Cgroups, procs_file};
use fleet::ids::FleetId;
use fleet::system::proc::{Handle, identify};
use nix::sys::signal::Signal;
use user::Account;

pub use crate::wait::{LONG, wait_for};

/// Names the test process in the test's folder.
const OWNER: &str = "fleet-e2e-owner";

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Whose user manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    Root,
    User,
}

impl As {
    /// Those that this run can have. Root hides what an ordinary user meets, so a run as root covers both.
    pub fn all() -> &'static [Self] {
        if nix::unistd::geteuid().is_root() { &[Self::Root, Self::User] } else { &[Self::User] }
    }
}

/// A running user manager and its environment.
///
/// It dies with the thread that started it, so it belongs in a test function and not in a static.
pub struct UserManager {
    pub who: As,
    /// A folder of this test's own, world-readable, with a short path.
    pub base: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    account: Option<Account>,
    /// What this harness started; nothing when the manager is the user's own.
    own: Option<Own>,
    // Last: removed when nothing writes there any more.
    _base: tempfile::TempDir,
}

struct Own {
    manager: Child,
    /// The manager and its units.
    cgroups: Cgroups,
    /// The test's commands.
    commands: Cgroups,
}

impl UserManager {
    /// Starts a user manager and waits until it runs. See [`As::all`] for who can be asked for.
    pub fn start(who: As) -> Self {
        sweep();
        let base = tempfile::Builder::new().prefix("f").rand_bytes(6).tempdir_in("/tmp").unwrap();
        fs::write(base.path().join(OWNER), std::process::id().to_string()).unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if !nix::unistd::geteuid().is_root() {
            assert_eq!(who, As::User, "only root can start a manager as root");
            return Self::of_this_login(base);
        }
        let account = (who == As::User).then(user::make);
        let environment = environment(base.path(), account.as_ref());
        for key in [
            "HOME",
            "TMPDIR",
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
        ] {
            fs::create_dir_all(&environment[OsStr::new(key)]).unwrap();
        }
        let runtime = PathBuf::from(&environment[OsStr::new("XDG_RUNTIME_DIR")]);
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir_all(Path::new(&environment[OsStr::new("XDG_CONFIG_HOME")]).join("systemd/user")).unwrap();
        if let Some(account) = &account {
            account.own(base.path());
        }
        user::make_inaccessible_nodes(account.as_ref());
        // Without it systemd takes the machine for not booted and refuses (sd_booted(3)).
        fs::create_dir_all("/run/systemd/system").unwrap();
        assert!(
            Path::new(SYSTEMD).exists(),
            "{SYSTEMD} is missing: install the packages systemd and dbus-user-session"
        );

        let cgroups = Cgroups::make("", account.as_ref());
        let commands = Cgroups::make("-commands", None);
        let manager = launch(base.path(), account.as_ref(), &environment, &cgroups);
        let own = Own { manager, cgroups, commands };
        let path = base.path().to_owned();
        let mut this = Self { who, base: path, environment, account, own: Some(own), _base: base };
        this.wait_until_running();
        this
    }

    /// Ends the manager as a shutdown does, empties the runtime folder as a boot does, and starts it again. What has no
    /// manager of its own cannot be rebooted.
    pub fn reboot(&mut self) {
        let own = self.own.as_mut().expect("a login's own manager is not rebooted");
        end(&mut own.manager);
        let runtime = PathBuf::from(&self.environment[OsStr::new("XDG_RUNTIME_DIR")]);
        for entry in fs::read_dir(&runtime).unwrap().flatten() {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
        user::make_inaccessible_nodes(self.account.as_ref());
        own.manager = launch(&self.base, self.account.as_ref(), &self.environment, &own.cgroups);
        self.wait_until_running();
    }

    /// The manager of the login that runs the tests.
    fn of_this_login(base: tempfile::TempDir) -> Self {
        let path = base.path().to_owned();
        let this = Self {
            who: As::User,
            base: path,
            environment: std::env::vars_os().collect(),
            account: None,
            own: None,
            _base: base,
        };
        let state = this.is_running();
        assert!(
            matches!(state.as_str(), "running" | "degraded"),
            "this login has no systemd user manager ({state}): log in through a session of systemd's, or run the tests \
             as root, which start managers of their own"
        );
        this
    }

    fn is_running(&self) -> String {
        let mut command = self.command("systemctl");
        command.args(["--user", "is-system-running"]);
        String::from_utf8(output(&mut command, LONG).stdout).unwrap().trim().to_owned()
    }

    fn wait_until_running(&mut self) {
        let deadline = Instant::now() + LONG;
        loop {
            let state = self.is_running();
            if matches!(state.as_str(), "running" | "degraded") {
                return;
            }
            let ended = self.own.as_mut().unwrap().manager.try_wait().unwrap();
            let log = || fs::read_to_string(self.base.join("manager.log")).unwrap_or_default();
            assert!(ended.is_none(), "systemd --user ended: {ended:?}\n{}", log());
            assert!(Instant::now() < deadline, "systemd --user is still {state:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `program` as the manager's user, in its environment, from an empty home.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.account {
            Some(account) => {
                let mut command = Command::new("setpriv");
                command.args(Account::setpriv(Some(account))).arg("--").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_clear().envs(&self.environment).current_dir(&self.base).stdin(Stdio::null());
        if let Some(own) = &self.own {
            enter(&mut command, own.commands.procs());
        }
        command
    }

    /// A variable of the manager's environment.
    pub fn variable(&self, name: &str) -> PathBuf {
        let value = self.environment.get(OsStr::new(name));
        PathBuf::from(value.unwrap_or_else(|| panic!("{name} is not set")))
    }

    /// Where the manager looks for the user's unit files.
    pub fn unit_folder(&self) -> PathBuf {
        let config = match self.environment.get(OsStr::new("XDG_CONFIG_HOME")) {
            Some(config) => PathBuf::from(config),
            None => self.variable("HOME").join(".config"),
        };
        let folder = config.join("systemd/user");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A copy of `program` that the manager's user can run, whoever owns the original and its folders.
    pub fn install(&self, program: &Path) -> PathBuf {
        let folder = self.base.join("bin");
        fs::create_dir_all(&folder).unwrap();
        let copy = folder.join(program.file_name().unwrap());
        // By another process: a file that this one has open for writing may be inherited by a sibling test's child at
        // that moment, and could then not be executed (ETXTBSY).
        let status = Command::new("install").arg("-m755").arg(program).arg(&copy).status().unwrap();
        assert!(status.success(), "cannot copy {}", program.display());
        copy
    }

    /// Runs one test of this very test program inside the manager's environment, with `part` in `FLEET_E2E_PART`.
    /// The part is what the test function does when that variable is set.
    pub fn run_part(&self, test: &str, part: &str) {
        let program = self.install(&std::env::current_exe().unwrap());
        let mut command = self.command(program);
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        command.env("FLEET_E2E_PART", part).env("FLEET_E2E_BASE", &self.base).env("RUST_BACKTRACE", "1");
        if self.own.is_some() {
            command.env("FLEET_E2E_OWN", "1");
        }
        let output = output(&mut command, 5 * LONG);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{test} as {:?}, {part}:\n{said}", self.who);
    }
}

/// The part that [`UserManager::run_part`] asked for, when this process was started by it.
pub fn part() -> Option<String> {
    std::env::var("FLEET_E2E_PART").ok()
}

/// Whether a part may do to the manager what would hurt a person's login.
pub fn is_own_manager() -> bool {
    std::env::var_os("FLEET_E2E_OWN").is_some()
}

/// Makes the user manager forget the units of `fleet`, whose files are gone. For parts.
pub fn forget(fleet: &FleetId) {
    for words in [vec!["daemon-reload".to_owned()], vec!["reset-failed".to_owned(), format!("fleet-{fleet}*")]] {
        let _ = Command::new("systemctl").arg("--user").args(words).output();
    }
}

fn launch(
    base: &Path,
    account: Option<&Account>,
    environment: &BTreeMap<OsString, OsString>,
    cgroups: &Cgroups,
) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(base.join("manager.log")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(Account::setpriv(account)).args(["--pdeathsig", "TERM", SYSTEMD, "--user"]);
    command.env_clear().envs(environment).current_dir(base);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    enter(&mut command, cgroups.procs());
    command.spawn().expect("setpriv is missing: install the package util-linux")
}

/// It stops its units and ends.
fn end(manager: &mut Child) {
    if let Some(process) = identify(manager.id())
        && let Ok(Some(handle)) = Handle::open(&process)
    {
        let _ = handle.signal(Signal::SIGTERM);
        if !handle.wait_until(Instant::now() + Duration::from_secs(15)).unwrap_or(false) {
            let _ = handle.signal(Signal::SIGKILL);
        }
    }
    let _ = manager.wait();
}

impl Drop for UserManager {
    fn drop(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.commands.end();
        end(&mut own.manager);
        own.cgroups.end();
    }
}

/// Runs `command` to its end; kills it and fails the test when that takes longer than `bound`.
pub fn output(command: &mut Command, bound: Duration) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let streams = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            bytes
        })
    };
    let (stdout, stderr) = (read(Box::new(streams.0)), read(Box::new(streams.1)));
    let deadline = Instant::now() + bound;
    let handle = identify(child.id()).and_then(|process| Handle::open(&process).unwrap());
    let in_time = handle.is_none_or(|handle| handle.wait_until(deadline).unwrap());
    if !in_time {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let output = Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
    assert!(in_time, "{command:?} took longer than {bound:?}: {output:?}");
    output
}

/// Moves the command's process into control groups before it runs.
fn enter(command: &mut Command, cgroups: &[PathBuf]) {
    let files: Vec<fs::File> = cgroups.iter().map(|cgroup| procs_file(cgroup)).collect();
    // SAFETY: write(2) may be called between fork and exec. "0" means the writing process.
    unsafe {
        command.pre_exec(move || {
            for fd in files.iter().map(std::os::fd::AsRawFd::as_raw_fd) {
                write_zero(fd)?;
            }
            Ok(())
        });
    }
}

fn write_zero(fd: RawFd) -> std::io::Result<()> {
    // SAFETY: the descriptor is open, the caller holds its file, and the buffer is static.
    let written = unsafe { nix::libc::write(fd, c"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Removes the folders of test processes that were killed.
fn sweep() {
    for entry in fs::read_dir("/tmp").unwrap().flatten() {
        let owner = fs::read_to_string(entry.path().join(OWNER)).ok().and_then(|text| text.parse().ok());
        if owner.is_some_and(|pid| identify(pid).is_none()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Nothing of the caller's environment but the search path, so that tests are the same on every machine.
fn environment(base: &Path, account: Option<&Account>) -> BTreeMap<OsString, OsString> {
    let home = base.join("home");
    let runtime = base.join("run");
    let mut bus = OsString::from("unix:path=");
    bus.push(runtime.join("bus"));
    let user = account.map_or("root", |account| &account.name);
    [
        ("PATH", OsString::from("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
        ("LANG", "C.UTF-8".into()),
        ("SHELL", "/bin/sh".into()),
        ("USER", user.into()),
        ("LOGNAME", user.into()),
        ("TMPDIR", base.join("tmp").into()),
        ("XDG_CONFIG_HOME", home.join(".config").into()),
        ("XDG_STATE_HOME", home.join(".local/state").into()),
        ("XDG_DATA_HOME", home.join(".local/share").into()),
        ("XDG_CACHE_HOME", home.join(".cache").into()),
        ("HOME", home.into()),
        ("XDG_RUNTIME_DIR", runtime.into()),
        ("DBUS_SESSION_BUS_ADDRESS", bus),
    ]
    .map(|(name, value)| (name.into(), value))
    .into()
}
