//! Other commands of this program: `attach`, which has the terminal for a while, and errands, which never see it.

use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Setup;
use super::errand::{Errand, Verb, gist};
use super::model::Input;
use super::source::{self, Teller};
use crate::ids::{AgentName, FleetId};
use crate::shim::client::{Signals, wait_for};

/// This very program, also after its file was replaced.
const OWN: &str = "/proc/self/exe";

/// Most bytes of an error that are kept.
const ERROR_MAX: usize = 64 << 10;

fn command(fleet: &FleetId) -> Command {
    let mut command = Command::new(OWN);
    command.arg0("fleet").arg("--fleet").arg(fleet.as_str());
    command
}

/// Does an errand in a thread of its own and tells what came of it.
///
/// # Errors
/// When there can be no more threads.
pub(super) fn start(setup: &Setup, errand: Errand, mut teller: Teller) -> io::Result<()> {
    let (fleet, socket) = (setup.fleet.clone(), setup.socket.clone());
    let work = move || {
        let outcome = match &errand.verb {
            Verb::Clear => source::clear(&socket, &errand.agent),
            _ => run(&fleet, &errand),
        };
        teller.tell(Input::Outcome(errand, outcome));
    };
    std::thread::Builder::new().name("errand".to_owned()).spawn(work).map(drop)
}

fn run(fleet: &FleetId, errand: &Errand) -> Result<String, String> {
    let mut command = command(fleet);
    command.arg(errand.verb.word()).arg("--json").arg(errand.agent.as_str());
    if let Verb::Send(text) = &errand.verb {
        command.arg("--").arg(text);
    }
    // In a group of its own: a terminal that is closed ends no restart in its middle.
    command.stdin(Stdio::null()).process_group(0);
    let output = command.output().map_err(|error| format!("it cannot be run: {error}"))?;
    let good = output.status.success();
    let gist = gist(good, &String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr));
    if good { Ok(gist) } else { Err(gist) }
}

/// Runs `fleet attach` on the terminal until the person comes back. Gives in words what went wrong.
pub(super) fn attach(fleet: &FleetId, agent: &AgentName, signals: &mut Signals) -> Option<String> {
    let mut command = command(fleet);
    command.arg("attach").arg(agent.as_str()).stderr(Stdio::piped());
    let trouble = match command.spawn() {
        Ok(child) => watch(child, signals).unwrap_or_else(|error| Some(error.to_string())),
        Err(error) => Some(format!("it cannot be run: {error}")),
    };
    signals.clear();
    signals.forgive_keys();
    trouble.map(|trouble| format!("attach {agent}: {trouble}"))
}

/// Waits for `child`, passing on what asks this process to end: the child gives the terminal back first.
fn watch(mut child: Child, signals: &mut Signals) -> io::Result<Option<String>> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut stderr = child.stderr.take().ok_or_else(|| io::Error::other("it has no standard error"))?;
    let mut said = Vec::new();
    let mut told = false;
    loop {
        let mut fds =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(stderr.as_fd(), PollFlags::POLLIN)];
        wait_for(&mut fds, None)?;
        let [signalled, said_more] = [0, 1].map(|at| fds[at].any() == Some(true));
        if signalled {
            signals.clear();
            signals.forgive_keys();
            if signals.ending().is_some() && !std::mem::replace(&mut told, true) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        if said_more {
            let mut bytes = [0; 4096];
            match stderr.read(&mut bytes)? {
                0 => break,
                length if said.len() < ERROR_MAX => said.extend_from_slice(&bytes[..length]),
                _ => {}
            }
        }
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| gist(false, "", &String::from_utf8_lossy(&said))))
}
