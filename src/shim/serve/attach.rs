//! `attach`: a person at the agent's terminal.

use std::time::{Duration, Instant};

use super::Server;
use super::connection::{Connection, Phase};
use crate::shim::agent::Shim;
use crate::shim::process::give_back_memory;
use crate::shim::protocol::{AttachMode, AttachRequest, Notice, from_shim, to_shim};
use crate::shim::report;
use crate::shim::terminal::draw::Canvas;
use crate::shim::terminal::{Fed, Model, SYNC_MAX, Size};

/// Least time between two frames for one viewer.
const FRAME: Duration = Duration::from_millis(16);

/// One viewer and what it has been shown.
#[derive(Debug)]
pub(super) struct Viewer {
    writes: bool,
    /// When it last said its size, among all who did.
    sized: u64,
    canvas: Canvas,
    /// Since when something may differ from the last frame.
    dirty: Option<Instant>,
    bell: bool,
    drawn_at: Option<Instant>,
}

impl Viewer {
    pub(super) fn mark(&mut self, fed: Fed, now: Instant) {
        self.dirty.get_or_insert(now);
        self.bell |= fed.bell;
    }

    fn draw(&mut self, model: &Model) -> Vec<u8> {
        self.dirty = None;
        let mut frame = self.canvas.draw(model);
        if std::mem::take(&mut self.bell) {
            frame.push(0x07);
        }
        frame
    }
}

impl Connection {
    /// When its next frame is due. While the last one is not taken there is none: the socket says when it is.
    pub(super) fn frame_at(&self, model: &Model) -> Option<Instant> {
        let Phase::Viewer(viewer) = &self.phase else { return None };
        let since = viewer.dirty.filter(|_| !self.has_output())?;
        let paced = viewer.drawn_at.map_or(since, |at| at + FRAME);
        // A program that is nearly always in the middle of a frame must not keep a viewer waiting for ever.
        let held = model.hold_until(Instant::now()).map(|until| until.min(since + SYNC_MAX));
        Some(held.map_or(paced, |until| until.max(paced)))
    }

    /// Queues a frame if it is time for one.
    pub(super) fn draw_if_due(&mut self, model: &Model, now: Instant) {
        if self.frame_at(model).is_some_and(|at| at <= now.max(Instant::now())) {
            self.draw(model, now);
        }
    }

    /// What the agent showed last.
    pub(super) fn last_frame(&mut self, model: &Model) {
        self.draw(model, Instant::now());
    }

    fn draw(&mut self, model: &Model, now: Instant) {
        let Phase::Viewer(viewer) = &mut self.phase else { return };
        let frame = viewer.draw(model);
        viewer.drawn_at = Some(now);
        if !frame.is_empty() {
            self.frame(from_shim::OUTPUT, &frame);
        }
    }

    fn notice(&mut self, text: &str) {
        self.frame_json(from_shim::NOTICE, &Notice { text: text.to_owned() });
    }
}

impl Server {
    /// The size of the read-write viewer that attached or resized last.
    fn writer_size(&self) -> Option<Size> {
        let writers = self.connections.values().filter_map(|connection| match &connection.phase {
            Phase::Viewer(viewer) if viewer.writes => Some(viewer),
            _ => None,
        });
        writers.max_by_key(|viewer| viewer.sized).map(|viewer| viewer.canvas.size())
    }

    fn next_sized(&mut self) -> u64 {
        self.sized += 1;
        self.sized
    }
}

impl Shim {
    /// Makes a connection a viewer, and draws the whole screen for it.
    pub(super) fn attach(&mut self, connection: &mut Connection, request: &AttachRequest, now: Instant) {
        let writes = request.mode == AttachMode::Rw;
        let size = Size::new(request.columns, request.rows);
        if writes {
            self.resize(size, now);
        }
        connection.deadline = None;
        connection.phase = Phase::Viewer(Viewer {
            writes,
            sized: self.server.next_sized(),
            canvas: Canvas::new(size, writes),
            dirty: None,
            bell: false,
            drawn_at: None,
        });
        connection.draw(&self.model, now);
        self.server.viewer_came();
        self.viewer_input(connection, now);
    }

    /// Handles the frames that a viewer has sent.
    pub(super) fn viewer_input(&mut self, connection: &mut Connection, now: Instant) {
        let (frames, mut leaves) = connection.frames();
        // Of many sizes in one go only the last is worth drawing.
        let last_size = frames.iter().rposition(|frame| frame.kind == to_shim::RESIZE);
        for (index, frame) in frames.into_iter().enumerate() {
            let Phase::Viewer(viewer) = &mut connection.phase else { return };
            match frame.kind {
                to_shim::INPUT if viewer.writes => self.person_typed(connection, &frame.payload, now),
                to_shim::RESIZE if last_size != Some(index) => {}
                to_shim::RESIZE => {
                    let &[c0, c1, r0, r1] = frame.payload.as_slice() else { continue };
                    let size = Size::new(u16::from_le_bytes([c0, c1]), u16::from_le_bytes([r0, r1]));
                    viewer.canvas.resize(size);
                    viewer.sized = self.server.next_sized();
                    viewer.dirty.get_or_insert(now);
                    if viewer.writes {
                        self.resize(size, now);
                    }
                }
                to_shim::DETACH => {
                    leaves = true;
                    break;
                }
                // A type from a later version is not for this shim.
                _ => {}
            }
        }
        if leaves || connection.ended {
            // A viewer that left is owed nothing.
            connection.forget_output();
            connection.phase = Phase::Closing;
            self.server.viewer_left();
            self.follow_writer(now);
        }
    }

    /// When a viewer has left, the terminal takes the size of a writer that is still there; else it keeps its own.
    pub(super) fn follow_writer(&mut self, now: Instant) {
        if let Some(size) = self.server.writer_size() {
            self.resize(size, now);
        }
    }

    fn person_typed(&mut self, connection: &mut Connection, bytes: &[u8], now: Instant) {
        let typing = is_typing(bytes);
        if typing {
            self.server.typed(now);
            if bytes.contains(&b'\r') {
                self.conversation.has_begun(&self.manifest.folder);
            }
        }
        let holds = self.deliveries.holds();
        let taken = if holds { self.deliveries.hold(bytes) } else { self.type_in(bytes) };
        if !taken {
            connection.notice("the agent does not read its terminal: what you type is dropped");
        } else if typing && !holds {
            self.deliveries.person_typed(bytes);
        }
    }

    /// Gives the agent's terminal another size, and every viewer a frame of it.
    fn resize(&mut self, size: Size, now: Instant) {
        if size == self.model.size() {
            return;
        }
        self.model.resize(size);
        if let Err(error) = self.pty.resize(size.columns, size.rows) {
            report(format_args!("the terminal's size could not be set: {error}"));
        }
        give_back_memory();
        self.server.mark_viewers(now);
    }
}

impl Server {
    fn mark_viewers(&mut self, now: Instant) {
        for connection in self.connections.values_mut() {
            if let Phase::Viewer(viewer) = &mut connection.phase {
                viewer.dirty.get_or_insert(now);
            }
        }
    }
}

/// Whether a person presses keys. Terminals also send mouse and focus reports, which mean no such thing.
fn is_typing(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(report) = rest.strip_prefix(b"\x1b[") {
        rest = match report {
            [b'I' | b'O', after @ ..] | [b'M', _, _, _, after @ ..] => after,
            [b'<', body @ ..] => match body.iter().position(|byte| matches!(byte, b'M' | b'm')) {
                Some(end) => &body[end + 1..],
                None => return false,
            },
            _ => return true,
        };
    }
    !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_typing;

    #[test]
    fn reports_of_the_terminal_are_no_typing() {
        assert!(!is_typing(b"\x1b[I\x1b[<35;10;20M\x1b[<0;1;1m\x1b[O"));
        assert!(!is_typing(b"\x1b[M !!"));
        assert!(is_typing(b"\x1b[Ix"));
        assert!(is_typing(b"\x1b[A"));
        assert!(is_typing(b"\r"));
    }
}
