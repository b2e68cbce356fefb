//! The terminal that the agent believes to sit at: a model of the screen, without a screen.

mod answers;
pub(super) mod draw;
mod marks;
mod scan;
mod sgr;
mod text;
mod utf8;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::term::{Config, Osc52, Term, TermMode};
use alacritty_terminal::vte::ansi::{Processor, Timeout};

use scan::{Piece, Scanner};
pub(super) use text::{ScreenText, hash};
use utf8::Tail;

#[cfg(not(panic = "unwind"))]
compile_error!("with `panic = \"abort\"` a panic of the terminal model would end the agent");

/// The model panics below this width.
pub(super) const COLUMNS_MIN: u16 = 2;
/// Nobody's terminal is larger; a viewer could otherwise ask for gigabytes.
pub(super) const SIZE_MAX: u16 = 1000;

/// Longest history that is laid out at once instead of growing by the model's own step of 1000 lines.
const HISTORY_LAID_OUT: usize = 400;

/// Longest title kept, in characters.
const TITLE_MAX: usize = 256;

/// A frame of the program's that never ends holds the viewers' frames back no longer than this.
pub(super) const SYNC_MAX: Duration = Duration::from_millis(150);

/// Keeps the parser from holding synchronized updates back: frames are held back, never bytes.
#[derive(Debug, Default)]
struct NoSync;

impl Timeout for NoSync {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

/// A size within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

impl Size {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        Self { columns: columns.clamp(COLUMNS_MIN, SIZE_MAX), rows: rows.clamp(1, SIZE_MAX) }
    }
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }
    fn screen_lines(&self) -> usize {
        usize::from(self.rows)
    }
    fn columns(&self) -> usize {
        usize::from(self.columns)
    }
}

/// What the model says while it reads.
#[derive(Default)]
struct Heard {
    events: Vec<Event>,
    title: String,
    title_changed: bool,
    bell: bool,
}

#[derive(Clone, Default)]
struct Ear(Rc<RefCell<Heard>>);

impl EventListener for Ear {
    fn send_event(&self, event: Event) {
        let mut heard = self.0.borrow_mut();
        match event {
            Event::Title(title) => {
                heard.title = title.chars().filter(|c| !c.is_control()).take(TITLE_MAX).collect();
                heard.title_changed = true;
            }
            Event::ResetTitle => {
                heard.title.clear();
                heard.title_changed = true;
            }
            Event::Bell => heard.bell = true,
            Event::PtyWrite(_) | Event::ColorRequest(..) | Event::TextAreaSizeRequest(_) => heard.events.push(event),
            _ => {}
        }
    }
}

/// What a piece of output did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fed {
    pub(super) bell: bool,
    pub(super) title: bool,
    /// The model failed on it and started afresh: the agent has to draw anew.
    pub(super) lost: bool,
}

/// The model, its parser and its voice.
pub(super) struct Model {
    term: Term<Ear>,
    parser: Processor<NoSync>,
    scanner: Scanner,
    tail: Tail,
    ear: Ear,
    size: Size,
    history: usize,
    /// Bytes for the agent: answers to its queries.
    answers: Vec<u8>,
    sync_since: Option<Instant>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Model {
    /// An empty screen with at most `history` lines of scrollback.
    pub(super) fn new(size: Size, history: u32) -> Self {
        let history = usize::try_from(history).unwrap_or(usize::MAX);
        let ear = Ear::default();
        let mut term = term(size, history, &ear);
        fit(term.grid_mut(), history);
        Self {
            term,
            parser: Processor::new(),
            scanner: Scanner::default(),
            tail: Tail::default(),
            ear,
            size,
            history,
            answers: Vec::new(),
            sync_since: None,
        }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn title(&self) -> String {
        self.ear.0.borrow().title.clone()
    }

    pub(super) fn mode(&self) -> TermMode {
        *self.term.mode()
    }

    /// Until when frames are held back because the program is in the middle of one.
    pub(super) fn hold_until(&self, now: Instant) -> Option<Instant> {
        self.sync_since.map(|since| since + SYNC_MAX).filter(|&until| until > now)
    }

    /// Answers to the program's queries, in their order.
    pub(super) fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// Reads output of the agent, up to the end of the next frame of the program's if there is one: a viewer's frame is
    /// best drawn then. Gives how much was read as well.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) -> (Fed, usize) {
        // The model is known to panic on rare input; the agent must not die of it.
        let read = catch_unwind(AssertUnwindSafe(|| self.read(bytes, now)));
        let lost = read.is_err();
        if lost {
            let title = self.title();
            let answers = self.take_answers();
            *self = Self::new(self.size, u32::try_from(self.history).unwrap_or(u32::MAX));
            self.ear.0.borrow_mut().title = title;
            self.answers = answers;
        }
        let mut heard = self.ear.0.borrow_mut();
        let fed =
            Fed { bell: std::mem::take(&mut heard.bell), title: std::mem::take(&mut heard.title_changed), lost };
        (fed, read.unwrap_or(bytes.len()))
    }

    fn read(&mut self, bytes: &[u8], now: Instant) -> usize {
        let Self { term, parser, scanner, tail, ear, size, answers, sync_since, .. } = self;
        scanner.scan(bytes, |piece| {
            if !matches!(piece, Piece::Text(_)) {
                tail.flush(&mut |part| marks::advance(parser, term, part));
            }
            match piece {
                Piece::Text(text) => tail.push(text, |part| marks::advance(parser, term, part)),
                Piece::Osc { body, bell } => {
                    parser.advance(term, b"\x1b]");
                    parser.advance(term, body);
                    parser.advance(term, if bell { b"\x07" } else { b"\x1b\\" });
                }
                // CAN ends any sequence without effect.
                Piece::Forget => parser.advance(term, b"\x18"),
                Piece::Query(query) => answers.extend(answers::to_query(&query)),
                Piece::Sync(begins) => *sync_since = begins.then_some(now),
                Piece::Repeat(count) => {
                    marks::repeat(parser, term, count, size.columns() * size.screen_lines());
                }
            }
            let events = std::mem::take(&mut ear.0.borrow_mut().events);
            for event in events {
                answers.extend(answers::to_event(event, term, *size));
            }
        })
    }

    /// Gives the screen another size, as a terminal does.
    pub(super) fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        self.size = size;
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.term.resize(size);
            trim(&mut self.term, size, self.history);
        }));
        if done.is_err() {
            *self = Self::new(size, u32::try_from(self.history).unwrap_or(u32::MAX));
        }
    }
}

fn term(size: Size, history: usize, ear: &Ear) -> Term<Ear> {
    let config = Config {
        scrolling_history: history,
        // Viewers cannot all speak it, and switched on it lets any program panic the model.
        kitty_keyboard: false,
        osc52: Osc52::Disabled,
        ..Config::default()
    };
    Term::new(config, &size, ear.clone())
}

/// Lays out room for `history` lines and not for the thousand that the model reserves at the first scrolled line.
fn fit<T>(grid: &mut Grid<T>, history: usize)
where
    T: alacritty_terminal::grid::GridCell + Default + PartialEq,
{
    if history <= HISTORY_LAID_OUT {
        let kept = grid.history_size();
        grid.initialize_all();
        grid.truncate();
        grid.update_history(kept);
        grid.update_history(history);
    }
}

/// Gives back the thousand spare lines that the model takes for each of its two screens when it grows. The inactive one
/// is reached by switching to it and back.
fn trim(term: &mut Term<Ear>, size: Size, history: usize) {
    if term.mode().contains(TermMode::ALT_SCREEN) {
        fit(term.grid_mut(), 0);
        let blank = Grid::new(size.screen_lines(), size.columns(), 0);
        let alternate = std::mem::replace(term.grid_mut(), blank);
        term.swap_alt();
        fit(term.grid_mut(), history);
        // Sets the main screen's saved cursor to its cursor, as it was already set on the way in.
        term.swap_alt();
        *term.grid_mut() = alternate;
    } else {
        fit(term.grid_mut(), history);
        let saved = term.grid().saved_cursor.clone();
        term.swap_alt();
        fit(term.grid_mut(), 0);
        term.swap_alt();
        term.grid_mut().saved_cursor = saved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap: the model is known to fail on a grid one column wide, which no request can bring about.
    #[test]
    fn a_failing_model_is_replaced() {
        let mut model = Model::new(Size { columns: 1, rows: 2 }, 0);
        let now = Instant::now();
        model.feed(b"\x1b]2;kept\x07", now);
        let (fed, _) = model.feed("漢字漢字".as_bytes(), now);
        assert!(fed.lost, "the model takes one column now: this test needs another way to make it fail");
        assert_eq!(model.title(), "kept");
        model.resize(Size::new(1, 2));
        assert_eq!(model.size().columns, COLUMNS_MIN);
        assert!(!model.feed("漢字漢字".as_bytes(), now).0.lost);
    }

    /// Trap: with the kitty protocol on, this many pushes make the model pop an empty stack.
    #[test]
    fn keyboard_pushes_are_ignored() {
        let mut model = Model::new(Size::new(80, 24), 0);
        let (fed, _) = model.feed(&b"\x1b[>1u".repeat(5000), Instant::now());
        assert!(!fed.lost);
        model.feed(b"\x1b[?u", Instant::now());
        assert!(model.take_answers().is_empty());
    }

    #[test]
    fn a_frame_of_the_programs_holds_ours_back_for_a_while() {
        let mut model = Model::new(Size::new(80, 24), 0);
        let now = Instant::now();
        model.feed(b"\x1b[?2026h", now);
        assert_eq!(model.hold_until(now), Some(now + SYNC_MAX));
        assert_eq!(model.hold_until(now + SYNC_MAX), None);
        model.feed(b"x\x1b[?2026l", now);
        assert_eq!(model.hold_until(now), None);
    }

    /// Any bytes, cut anywhere, at any size: the model lives, and the same bytes give the same screen.
    #[test]
    fn noise_is_survived_however_it_is_cut() {
        const WORDS: &[&str] = &[
            "\x1b[",
            "\x1b]",
            "\x1bP",
            "\x1b\\",
            "\x07",
            ";",
            "?",
            "2026h",
            "2026l",
            "1049h",
            "1049l",
            "m",
            "H",
            "J",
            "K",
            "L",
            "M",
            "P",
            "@",
            "r",
            "S",
            "T",
            "漢",
            "e\u{301}",
            "👩\u{200d}",
            "\r",
            "\n",
            "\t",
            "\x08",
            "\x1bM",
            "\x1bc",
            "99999",
            "38;2;1;2;3",
            "word ",
            "\x18",
            "\u{9b}",
            "q",
            "n",
            "$p",
            "0;title",
            "8;;http://x",
            "b",
            "\x1b[7b",
        ];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let now = Instant::now();
        for round in 0..150 {
            let mut noise = Vec::new();
            for _ in 0..300 {
                match random(8) {
                    0 => noise.push(u8::try_from(random(256)).unwrap()),
                    _ => noise.extend(WORDS[random(WORDS.len())].as_bytes()),
                }
            }
            let sizes: Vec<Size> = (0..4)
                .map(|_| Size::new(u16::try_from(random(90)).unwrap(), u16::try_from(random(30)).unwrap()))
                .collect();
            let screens: Vec<ScreenText> = [noise.len(), 1 + random(50)]
                .into_iter()
                .map(|step| {
                    let mut model = Model::new(sizes[0], 20);
                    for (part, size) in noise.chunks(noise.len() / 4 + 1).zip(&sizes) {
                        model.resize(*size);
                        for mut rest in part.chunks(step) {
                            while !rest.is_empty() {
                                let (fed, read) = model.feed(rest, now);
                                assert!(!fed.lost, "round {round}");
                                rest = &rest[read..];
                            }
                        }
                        draw::Canvas::new(sizes[3], true).draw(&model);
                    }
                    model.text()
                })
                .collect();
            assert_eq!(screens[0], screens[1], "round {round}");
        }
    }
}
