//! Starts shims, and the supervisor, detached from the caller and waits until they say that they are ready.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags};

use super::super::envfile;
use super::notify::{Folder, Socket};
use super::{KEEPER, LocalManager, ManagerError, collect, kill, kill_tree};
use crate::ids::UnitName;
use crate::system::proc::{self, poll_until};
use crate::system::{fs, lock};

/// Largest environment file that is read, in bytes.
const ENV_CAP: u64 = 1 << 20;
/// How much of the end of `shim.err` an error quotes, in bytes.
const TAIL: u64 = 2048;

/// Variables of another service manager's that would tell the shim something untrue about this start (sd_notify(3),
/// sd_listen_fds(3), systemd.exec(5)).
const NOT_INHERITED: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
];

/// A shim that was started and has not said yet that it is ready.
struct Starting<'a> {
    unit: &'a UnitName,
    is_supervisor: bool,
    child: Child,
    handle: proc::Handle,
    socket: Socket,
    errors: PathBuf,
    /// Where this run's part of `shim.err` begins.
    errors_from: u64,
}

/// See [`super::ServiceManager::start_many`].
pub(super) fn start_many(
    manager: &LocalManager,
    units: &[UnitName],
    deadline: Instant,
    timeout: Duration,
) -> Vec<Result<(), ManagerError>> {
    let folder = match Folder::make() {
        Ok(folder) => folder,
        Err(error) => {
            let each = |unit| Err(start_error(unit, format!("no folder for the readiness socket: {error}"), None));
            return units.iter().map(each).collect();
        }
    };
    let mut results: Vec<Option<Result<(), ManagerError>>> = Vec::with_capacity(units.len());
    let mut starting: BTreeMap<usize, Starting> = BTreeMap::new();
    for (index, unit) in units.iter().enumerate() {
        results.push(match spawn(manager, unit, &folder, index) {
            Ok(Some(shim)) => {
                starting.insert(index, shim);
                None
            }
            Ok(None) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        });
    }
    while !starting.is_empty() {
        let mut fds = Vec::with_capacity(2 * starting.len());
        for shim in starting.values() {
            fds.push(PollFd::new(shim.socket.as_fd(), PollFlags::POLLIN));
            fds.push(PollFd::new(shim.handle.as_fd(), PollFlags::POLLIN));
        }
        let woken = poll_until(&mut fds, deadline);
        let ended: Vec<bool> = fds.chunks(2).map(|pair| pair[1].any() == Some(true)).collect();
        drop(fds);
        let in_time = matches!(woken, Ok(count) if count > 0);
        for (index, ended) in starting.keys().copied().zip(ended).collect::<Vec<_>>() {
            let Some(shim) = starting.get_mut(&index) else { continue };
            // First the message: a shim whose agent is done at once has been ready all the same.
            shim.socket.drain();
            results[index] = if shim.socket.ready {
                Some(Ok(()))
            } else if ended {
                Some(Err(shim.ended_early()))
            } else if !in_time {
                Some(Err(shim.not_ready(timeout)))
            } else {
                continue;
            };
            collect(starting.remove(&index).map(|shim| shim.child));
        }
    }
    results.into_iter().flatten().collect()
}

/// A program that is to be started.
struct Program {
    command: Command,
    is_supervisor: bool,
    /// Where its words go.
    errors: PathBuf,
}

/// The shim of `unit`. `None` when it runs already.
fn shim(manager: &LocalManager, unit: &UnitName) -> Result<Option<Program>, ManagerError> {
    let agent = manager.agent("start", unit)?;
    if manager.running(&agent).is_some() {
        return Ok(None);
    }
    // One that goes on would end the new one at once; then the new one's own words say so.
    let _ = manager.is_free(&agent);
    let left =
        || Some(format!("its processes, and why: the end of {}", manager.folder(&agent).join("shim.err").display()));
    match manager.is_over(&agent) {
        Ok(true) => {}
        Ok(false) => {
            let what = "processes of its last run are left, whose shim was killed, and do not even end by SIGKILL";
            return Err(start_error(unit, what.to_owned(), left()));
        }
        Err(error) => return Err(start_error(unit, format!("what its last run has left: {error}"), left())),
    }
    let folder = manager.folder(&agent);
    let manifest = folder.join("manifest.json");
    if !manifest.is_file() {
        let help = "apply the roster first: `fleet apply` writes the manifest".to_owned();
        return Err(start_error(unit, format!("{} is missing", manifest.display()), Some(help)));
    }
    let variables = environment(&folder).map_err(|error| start_error(unit, error.to_string(), error.help))?;
    let mut command = clean(&manager.shim);
    command.arg(&manifest).envs(variables).env(KEEPER, "1");
    Ok(Some(Program { command, is_supervisor: false, errors: folder.join("shim.err") }))
}

/// `program`, without what another service manager told this one.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command
}

/// The supervisor. `None` when one has the fleet already. Its environment is the caller's, as a shim's is: here it is
/// the service manager of the agents that it starts.
fn supervisor(manager: &LocalManager) -> Option<Program> {
    if lock::is_held(&manager.supervisor_lock()) {
        return None;
    }
    let mut command = clean(&manager.shim.with_file_name("fleet"));
    command.args(["supervise", "--fleet", manager.fleet.as_str()]);
    Some(Program { command, is_supervisor: true, errors: manager.state.join("supervisor.err") })
}

/// Starts what `unit` stands for. `None` when it runs already.
fn spawn<'a>(
    manager: &LocalManager,
    unit: &'a UnitName,
    sockets: &Folder,
    index: usize,
) -> Result<Option<Starting<'a>>, ManagerError> {
    let what = if manager.is_supervisor(unit) { supervisor(manager) } else { shim(manager, unit)? };
    let Some(Program { mut command, is_supervisor, errors }) = what else { return Ok(None) };
    let fail = |what: &str, error: io::Error| start_error(unit, format!("{what}: {error}"), None);
    let (log, errors_from) = open_errors(&errors).map_err(|error| fail(&errors.display().to_string(), error))?;
    let socket = sockets.socket(index).map_err(|error| fail("the readiness socket", error))?;

    command.current_dir("/").stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(|error| fail("its output", error))?).stderr(log);
    command.env("NOTIFY_SOCKET", &socket.path);
    // SAFETY: both calls are plain system calls, allowed between fork and exec; nothing is allocated.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            // What the caller left open must not live on in the shim: a pipe of its would never see its end.
            // Kernels before 5.11 and some sandboxes refuse; fleet's own files are close-on-exec anyway.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|error| {
        let program = Path::new(command.get_program()).display();
        let help = format!("see whether it is there and can be run: `ls -l {program}`");
        start_error(unit, format!("{program} cannot be started: {error}"), Some(help))
    })?;
    match proc::Handle::of_pid(child.id()) {
        Ok(Some(handle)) => Ok(Some(Starting { unit, is_supervisor, child, handle, socket, errors, errors_from })),
        other => {
            let _ = child.kill();
            let _ = child.wait();
            let error = other.err().unwrap_or_else(|| io::Error::from(Errno::ESRCH));
            Err(fail("no handle on the new process", error))
        }
    }
}

/// The agent's variables: `env`, then `local.env`.
fn environment(folder: &Path) -> Result<Vec<(OsString, OsString)>, fs::FsError> {
    let mut variables = BTreeMap::new();
    for file in ["env", "local.env"] {
        if let Some(bytes) = fs::read_optional(&folder.join(file), ENV_CAP)? {
            let text = String::from_utf8(bytes).map_err(|error| {
                let message = format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to());
                fs::FsError::refused("read", &folder.join(file), message, "write the file again as UTF-8")
            })?;
            variables.extend(envfile::parse(&text).variables);
        }
    }
    Ok(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// Opens `shim.err` for appending, and says how long it is.
fn open_errors(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let file = options.open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

impl Starting<'_> {
    fn ended_early(&mut self) -> ManagerError {
        let how = self.child.wait().map_or_else(|error| error.to_string(), status_words);
        let what = if self.is_supervisor { "the supervisor" } else { "the shim" };
        self.error(&format!("{what} ended before it was ready: {how}"))
    }

    fn not_ready(&mut self, timeout: Duration) -> ManagerError {
        let killed = match proc::identify(self.child.id()) {
            // Agents that a supervisor has started are not its own.
            Some(process) => match if self.is_supervisor {
                kill(&process, &self.handle)
            } else {
                kill_tree(&process, &self.handle)
            } {
                Ok(true) => "it was killed".to_owned(),
                Ok(false) => format!("it does not even end by SIGKILL (pid {})", process.pid),
                Err(error) => format!("it could not be killed (pid {}): {error}", process.pid),
            },
            None => "it ended just then".to_owned(),
        };
        let _ = self.child.try_wait();
        self.error(&format!("it was not ready within {timeout:?}, so {killed}"))
    }

    fn error(&self, message: &str) -> ManagerError {
        let mut message = message.to_owned();
        if let Some(status) = &self.socket.status {
            message = format!("{message}; it last said: {status}");
        }
        let tail = self.tail().unwrap_or_default();
        if !tail.is_empty() {
            message = format!("{message}; its last words:\n{tail}");
        }
        start_error(self.unit, message, Some(format!("the whole of its words: {}", self.errors.display())))
    }

    /// The end of what this run wrote to `shim.err`.
    fn tail(&self) -> io::Result<String> {
        let mut file = File::open(&self.errors)?;
        let length = file.metadata()?.len();
        // A supervisor has begun a new file when the old one was long.
        let from = if length < self.errors_from { 0 } else { self.errors_from };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

fn status_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with status {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn start_error(unit: &UnitName, message: String, help: Option<String>) -> ManagerError {
    ManagerError { action: format!("start {unit}"), message, help }
}
