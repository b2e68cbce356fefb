//! One subscription for each agent that runs. A quiet agent costs nothing here.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::Input;
use crate::ids::AgentName;
use crate::shim::protocol::{Event, Frame, HANDSHAKE, from_shim};
use crate::system::proc;

/// Waits between tries to connect. After them a shim that runs is said not to answer, and is tried on.
const TRIES: [u64; 5] = [5, 20, 100, 300, 1_000];
/// Between later tries, in milliseconds.
const SLOWLY: u64 = 10_000;
/// One read, in bytes.
const CHUNK: usize = 16 << 10;

/// What a subscription tells.
#[derive(Debug)]
pub(super) enum Heard {
    /// It answers: from now on what happens is heard.
    Connected,
    Event(Event),
    /// The connection broke: it ended, or its shim did.
    Lost,
    /// Nobody answers, after several tries.
    Unreachable(String),
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
pub(super) struct Subscription {
    task: JoinHandle<()>,
    /// Which run it belongs to: the shim's pid and start time.
    pub(super) run: (u32, u64),
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscription {
    /// Subscribes to the shim at `socket`.
    pub(super) fn open(agent: AgentName, run: (u32, u64), socket: PathBuf, inputs: UnboundedSender<Input>) -> Self {
        let task = tokio::spawn(async move {
            let tell = |heard| inputs.send(Input::Shim { agent: agent.clone(), run, heard }).is_ok();
            let mut tries = TRIES.iter();
            loop {
                match UnixStream::connect(&socket).await {
                    Ok(stream) => {
                        let _ = listen(stream, &tell).await;
                        tell(Heard::Lost);
                        return;
                    }
                    // It ended before it was heard: nothing else tells of that.
                    Err(_) if !is_up(run) => {
                        tell(Heard::Lost);
                        return;
                    }
                    Err(error) => {
                        let wait = tries.next().copied().unwrap_or_else(|| {
                            tell(Heard::Unreachable(words(&socket, &error)));
                            SLOWLY
                        });
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                }
            }
        });
        Self { task, run }
    }

    /// Whether the shim that it is about still runs.
    pub(super) fn is_up(&self) -> bool {
        is_up(self.run)
    }
}

/// Whether the shim of this run still runs.
fn is_up((pid, start_ticks): (u32, u64)) -> bool {
    proc::stat(pid).is_some_and(|stat| !stat.is_dead() && stat.start_ticks == start_ticks)
}

fn words(socket: &Path, error: &io::Error) -> String {
    format!("{}: {error}", socket.display())
}

/// Reads frames until the stream ends.
async fn listen(mut stream: UnixStream, tell: &impl Fn(Heard) -> bool) -> io::Result<()> {
    stream.write_all(format!("{HANDSHAKE} subscribe\n{{}}\n").as_bytes()).await?;
    let mut buffer = Vec::new();
    let mut connected = false;
    loop {
        stream.readable().await?;
        // On the stack, and only between two waits: a thousand tasks hold no chunk each.
        let mut chunk = [0; CHUNK];
        match stream.try_read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => buffer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if !connected && buffer.first() == Some(&b'{') {
            // It refuses, in a line of words.
            return Err(io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
        }
        if !std::mem::replace(&mut connected, true) && !tell(Heard::Connected) {
            return Ok(());
        }
        while let Some(frame) = Frame::take(&mut buffer)? {
            // Events of a newer shim are not known here, and passed over.
            if frame.kind == from_shim::EVENT
                && let Ok(event) = serde_json::from_slice(&frame.payload)
                && !tell(Heard::Event(event))
            {
                return Ok(());
            }
        }
        if buffer.is_empty() {
            buffer = Vec::new();
        }
    }
}
