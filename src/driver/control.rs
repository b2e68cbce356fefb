//! The supervisor's socket: who asks is known by the kernel, not by what it claims.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::words::{Answer, Ask, FORMAT, LINE_MAX, Question};
use super::{Input, failpoint};
use crate::ids::{AgentName, FleetId, UnitName};
use crate::supervise::event::Caller;
use crate::system::proc;

/// Whoever connects has this long to ask.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever asked has this long to read the answer.
const READING: Duration = Duration::from_secs(10);
/// A process deeper below its shim than this is not looked for.
const DEPTH: usize = 64;

/// A question, and where its answer goes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    /// The peer's pid, by which the loop finds out who it is.
    pub(super) pid: Option<u32>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Listens at `path`, in place of a socket that nobody listens on any more.
///
/// # Errors
/// When something else stands there, or somebody listens.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() || StdStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{} is in the way", path.display())));
        }
        fs::remove_file(path)?;
    }
    // The folder is 0700; the mode of the socket itself is for those who look at it.
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Serves whoever connects, each in a task of its own.
pub(super) async fn serve(listener: UnixListener, inputs: UnboundedSender<Input>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the next one may find some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let inputs = inputs.clone();
        tokio::spawn(async move {
            let _ = answer(stream, &inputs).await;
        });
    }
}

async fn answer(mut stream: UnixStream, inputs: &UnboundedSender<Input>) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid() != own && peer.uid() != 0 {
        return Ok(());
    }
    let (reader, mut writer) = stream.split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader).take(LINE_MAX as u64);
    let read = timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await;
    if !matches!(read, Ok(Ok(_))) || line.is_empty() {
        return Ok(());
    }
    let answer = match serde_json::from_slice::<Question>(&line) {
        Ok(question) if question.format > FORMAT => refused(
            format!("the question has format {}, and this supervisor speaks {FORMAT}", question.format),
            "a newer fleet asked: `fleet apply` with it brings the supervisor along",
        ),
        Ok(question) => {
            let (sender, receiver) = oneshot::channel();
            let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
            let _ = inputs.send(Input::Asked(Asked { ask: question.ask, pid, answer: sender }));
            match receiver.await {
                Ok(answer) => answer,
                Err(_) => return Ok(()),
            }
        }
        Err(error) => refused(format!("the question is not understood: {error}"), "use the same fleet on both sides"),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    failpoint::reach("before-answer");
    timeout(READING, writer.write_all(&bytes)).await??;
    Ok(())
}

pub(super) fn refused(why: impl Into<String>, help: impl Into<String>) -> Answer {
    Answer::Refused { why: why.into(), help: help.into() }
}

/// Whose process `pid` is: that of an agent when it sits in the agent's control group or below its shim. `None`: it is gone,
/// or of another pid namespace, so it may be anybody's.
pub(super) fn caller(pid: Option<u32>, fleet: &FleetId, shims: impl Fn(u32) -> Option<AgentName>) -> Option<Caller> {
    let mut pid = pid.filter(|pid| *pid != 0)?;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let unit = groups.lines().flat_map(|line| line.split('/')).find_map(|part| {
        let agent = part.strip_prefix(&format!("fleet-{fleet}-"))?.strip_suffix(".service")?;
        let agent = AgentName::new(agent).ok()?;
        (UnitName::agent(fleet, &agent).as_str() == part).then_some(agent)
    });
    if let Some(agent) = unit {
        return Some(Caller::Agent { agent });
    }
    for _ in 0..DEPTH {
        if let Some(agent) = shims(pid) {
            return Some(Caller::Agent { agent });
        }
        // A parent that ended under the walk has left its child to somebody else: who that is was not seen.
        pid = match proc::stat(pid)?.parent {
            0 | 1 => break,
            parent => parent,
        };
    }
    Some(Caller::Operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_told_is_not_taken_for_a_person() {
        let fleet = FleetId::new("shop").unwrap();
        let nobody = |_| None;
        assert_eq!(caller(None, &fleet, nobody), None);
        assert_eq!(caller(Some(0), &fleet, nobody), None);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(caller(Some(child.id()), &fleet, nobody), None, "it is gone");
        assert_eq!(caller(Some(std::process::id()), &fleet, nobody), Some(Caller::Operator));
        let agent = AgentName::new("coder").unwrap();
        let parent = std::os::unix::process::parent_id();
        let below = |pid| (pid == parent).then(|| agent.clone());
        assert_eq!(caller(Some(std::process::id()), &fleet, below), Some(Caller::Agent { agent: agent.clone() }));
    }
}
