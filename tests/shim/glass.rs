//! A viewer's terminal: takes frames, and knows what it shows.

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::test::TermSize;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;

#[derive(Clone, Default)]
pub struct Heard(std::rc::Rc<std::cell::RefCell<(String, usize)>>);

impl EventListener for Heard {
    fn send_event(&self, event: Event) {
        match event {
            Event::Title(title) => self.0.borrow_mut().0 = title,
            Event::PtyWrite(_) | Event::ColorRequest(..) | Event::TextAreaSizeRequest(_) => {
                self.0.borrow_mut().1 += 1;
            }
            _ => {}
        }
    }
}

pub struct Glass {
    term: Term<Heard>,
    parser: Processor,
    heard: Heard,
}

impl Glass {
    pub fn new(columns: usize, rows: usize) -> Self {
        let heard = Heard::default();
        let config = Config { scrolling_history: 0, ..Config::default() };
        let term = Term::new(config, &TermSize::new(columns, rows), heard.clone());
        Self { term, parser: Processor::new(), heard }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.term, bytes);
    }

    pub fn title(&self) -> String {
        self.heard.0.borrow().0.clone()
    }

    /// How often this terminal was made to answer something.
    pub fn answers(&self) -> usize {
        self.heard.0.borrow().1
    }

    pub fn mode(&self) -> TermMode {
        *self.term.mode()
    }

    pub fn cursor(&self) -> (i32, usize) {
        let point = self.term.grid().cursor.point;
        (point.line.0, point.column.0)
    }

    pub fn lines(&self) -> Vec<String> {
        self.rows(|cell| cell.c.to_string()).into_iter().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Every cell with its looks.
    pub fn cells(&self) -> Vec<String> {
        self.rows(|cell| {
            let blank = matches!(cell.c, ' ' | '\t');
            let mut flags = cell.flags;
            // How a line came to an end is the agent's affair; the viewer's lines are drawn one by one.
            flags.remove(alacritty_terminal::term::cell::Flags::WRAPLINE);
            flags.remove(alacritty_terminal::term::cell::Flags::LEADING_WIDE_CHAR_SPACER);
            let c = if blank { ' ' } else { cell.c };
            format!(
                "{c}{:?}|{:?}|{:?}|{flags:?}|{:?} ",
                cell.zerowidth().unwrap_or_default(),
                cell.fg,
                cell.bg,
                cell.underline_color()
            )
        })
    }

    fn rows(&self, show: impl Fn(&alacritty_terminal::term::cell::Cell) -> String) -> Vec<String> {
        use alacritty_terminal::term::cell::Flags;
        (0..i32::try_from(self.term.screen_lines()).unwrap())
            .map(|row| {
                (0..self.term.columns())
                    .map(|column| &self.term.grid()[Line(row)][Column(column)])
                    .filter(|cell| !cell.flags.contains(Flags::WIDE_CHAR_SPACER))
                    .map(&show)
                    .collect()
            })
            .collect()
    }
}
