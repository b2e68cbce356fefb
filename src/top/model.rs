//! What is shown, and what keys and news make of it. Pure: values in, values out.

use super::entry::Entry;
use super::errand::{Errand, Verb};
use super::keys::Key;
use super::line::Line;
use super::list::{List, Order};
use super::look::Look;
use super::view;
use crate::driver::words::{Row, Status};
use crate::ids::{AgentName, FleetId};
use crate::supervise::clock::Millis;

/// Decisions that are kept for the events pane.
const FEED: usize = 300;
/// How long a note stays, in milliseconds: a good one, and one that somebody has to read.
const NOTE: (Millis, Millis) = (15_000, 60_000);

/// What can happen.
#[derive(Debug)]
pub enum Input {
    Key(Key),
    /// The terminal has this many columns and rows.
    Size(u16, u16),
    News(News),
    /// The decisions about an agent, oldest first, or why they cannot be read.
    Trail(AgentName, Result<Vec<Entry>, String>),
    /// What came of an errand, in words, and whether that is as it was meant.
    Outcome(Errand, Result<String, String>),
    /// `attach` is over; with what went wrong.
    Back(Option<String>),
}

/// What was learned in one look at the supervisor and its journal.
#[derive(Debug)]
pub struct News {
    /// When, in milliseconds since the epoch.
    pub at: Millis,
    /// Or why there is none.
    pub status: Result<Box<Status>, String>,
    /// Decisions since the last look, oldest first.
    pub feed: Vec<Entry>,
    /// It is another journal than before.
    pub anew: bool,
    /// Why there are no decisions.
    pub unread: Option<String>,
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Quit,
    Attach(AgentName),
    Do(Errand),
    /// Reads the decisions about an agent.
    Why(AgentName),
    /// Draws all of it again: something else wrote on the terminal.
    Redraw,
}

/// Whether the supervisor answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    Asking,
    There,
    Lost {
        /// When it was heard last, in milliseconds since the epoch.
        since: Millis,
        why: String,
    },
}

/// What keys mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Mode {
    List,
    Filter(Line),
    Send(AgentName, Line),
    Confirm(Errand),
    Why { agent: AgentName, trail: Option<Result<Vec<Entry>, String>>, scroll: usize },
    Help { scroll: usize },
}

/// Words in the bottom line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    pub good: bool,
    /// In milliseconds since the epoch.
    pub at: Millis,
}

/// Everything that is shown.
#[derive(Debug)]
pub struct Model {
    pub fleet: FleetId,
    pub look: Look,
    /// Columns and rows.
    pub size: (u16, u16),
    /// When news came last, in milliseconds since the epoch.
    pub now: Millis,
    pub status: Option<Box<Status>>,
    pub contact: Contact,
    pub list: List,
    pub mode: Mode,
    /// Whether the events pane is wanted.
    pub events: bool,
    /// Oldest first.
    pub feed: Vec<Entry>,
    /// Why there are no decisions.
    pub unread: Option<String>,
    pub note: Option<Note>,
    /// What is being done.
    pub errands: Vec<Errand>,
}

impl Model {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(fleet: FleetId, look: Look, size: (u16, u16)) -> Self {
        Self {
            fleet,
            look,
            size,
            now: 0,
            status: None,
            contact: Contact::Asking,
            list: List::default(),
            mode: Mode::List,
            events: true,
            feed: Vec::new(),
            unread: None,
            note: None,
            errands: Vec::new(),
        }
    }

    /// Every agent, as last heard.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        self.status.as_ref().map_or(&[], |status| &status.agents)
    }

    /// The moment that the ages of states are counted to: what is heard no more grows no older.
    #[must_use]
    pub fn moment(&self) -> Millis {
        match self.contact {
            Contact::Lost { since, .. } => since,
            Contact::Asking | Contact::There => self.now,
        }
    }

    /// The selected agent.
    #[must_use]
    pub fn current(&self) -> Option<&Row> {
        self.list.current(self.rows())
    }

    /// Takes in what happened.
    pub fn update(&mut self, input: Input) -> Option<Action> {
        let action = match input {
            Input::Key(key) => self.press(&key),
            Input::Size(columns, rows) => {
                self.size = (columns, rows);
                None
            }
            Input::News(news) => {
                self.hear(news);
                None
            }
            Input::Trail(wanted, read) => {
                if let Mode::Why { agent, trail, scroll } = &mut self.mode
                    && *agent == wanted
                {
                    *trail = Some(read);
                    *scroll = usize::MAX;
                }
                None
            }
            Input::Outcome(errand, outcome) => {
                if let Some(at) = self.errands.iter().position(|other| *other == errand) {
                    self.errands.remove(at);
                }
                let good = outcome.is_ok();
                let (Ok(words) | Err(words)) = outcome;
                self.say(&format!("{errand}: {words}"), good);
                None
            }
            Input::Back(trouble) => {
                if let Some(trouble) = trouble {
                    self.say(&trouble, false);
                }
                None
            }
        };
        self.settle();
        action
    }

    /// Keeps what is scrolled within its bounds.
    fn settle(&mut self) {
        let height = view::areas(self).list.height;
        self.list.settle(height.into());
        let most = view::furthest(self);
        if let Mode::Why { scroll, .. } | Mode::Help { scroll } = &mut self.mode {
            *scroll = (*scroll).min(most);
        }
    }

    fn say(&mut self, text: &str, good: bool) {
        self.note = Some(Note { text: self.look.harmless(text), good, at: self.now });
    }

    fn hear(&mut self, news: News) {
        let end = view::furthest(self);
        let before = std::mem::replace(&mut self.now, news.at);
        match news.status {
            Ok(status) => {
                self.contact = Contact::There;
                self.status = Some(status);
            }
            Err(why) => {
                let since = match self.contact {
                    Contact::Lost { since, .. } => since,
                    Contact::There => before,
                    Contact::Asking => news.at,
                };
                self.contact = Contact::Lost { since, why };
            }
        }
        self.arrange();
        if news.anew {
            self.feed.clear();
        }
        if let Mode::Why { agent, trail: Some(Ok(trail)), scroll } = &mut self.mode {
            let last = trail.last().map_or(0, |entry| entry.seq);
            let about = |entry: &&Entry| entry.seq > last && entry.agent.as_deref() == Some(agent.as_str());
            let before = trail.len();
            trail.extend(news.feed.iter().filter(about).cloned());
            // Whoever reads further up stays there.
            if trail.len() > before && *scroll >= end {
                *scroll = usize::MAX;
            }
        }
        self.feed.extend(news.feed);
        self.feed.drain(..self.feed.len().saturating_sub(FEED));
        self.unread = news.unread;
        let now = self.now;
        self.note.take_if(|note| now.saturating_sub(note.at) > if note.good { NOTE.0 } else { NOTE.1 });
    }

    fn arrange(&mut self) {
        let rows = self.status.as_ref().map_or(&[][..], |status| &status.agents);
        self.list.arrange(rows);
    }

    fn press(&mut self, key: &Key) -> Option<Action> {
        if *key == Key::Ctrl('l') {
            return Some(Action::Redraw);
        }
        match &mut self.mode {
            Mode::List => return self.press_in_list(key),
            Mode::Why { scroll, .. } | Mode::Help { scroll } => {
                let page = usize::from(self.size.1).saturating_sub(4).max(1);
                match key {
                    Key::Up | Key::Char('k') => *scroll = scroll.saturating_sub(1),
                    Key::Down | Key::Char('j') | Key::Enter => *scroll = scroll.saturating_add(1),
                    Key::PageUp => *scroll = scroll.saturating_sub(page),
                    Key::PageDown | Key::Char(' ') => *scroll = scroll.saturating_add(page),
                    Key::Home | Key::Char('g') => *scroll = 0,
                    Key::End | Key::Char('G') => *scroll = usize::MAX,
                    Key::Esc | Key::Char('q' | 'w' | '?') => self.mode = Mode::List,
                    Key::Ctrl('c') => return Some(Action::Quit),
                    _ => {}
                }
            }
            Mode::Filter(line) => match key {
                Key::Enter => self.mode = Mode::List,
                Key::Esc | Key::Ctrl('c') => {
                    self.mode = Mode::List;
                    self.list.filter.clear();
                    self.arrange();
                }
                key => {
                    if line.press(key) {
                        line.text().clone_into(&mut self.list.filter);
                        self.list.first();
                        self.arrange();
                    }
                }
            },
            Mode::Send(agent, line) => match key {
                Key::Enter if line.text().trim().is_empty() => {}
                Key::Enter => {
                    let errand = Errand { verb: Verb::Send(line.text().trim().to_owned()), agent: agent.clone() };
                    self.mode = Mode::List;
                    return Some(self.begin(errand));
                }
                Key::Esc | Key::Ctrl('c') => {
                    self.mode = Mode::List;
                    self.say("not sent", true);
                }
                key => {
                    line.press(key);
                }
            },
            Mode::Confirm(errand) => match key {
                Key::Char('y' | 'Y') => {
                    let errand = errand.clone();
                    self.mode = Mode::List;
                    return Some(self.begin(errand));
                }
                Key::Char('n' | 'N' | 'q') | Key::Esc | Key::Ctrl('c') => {
                    let text = format!("{errand}: not done");
                    self.mode = Mode::List;
                    self.say(&text, true);
                }
                _ => {}
            },
        }
        None
    }

    fn press_in_list(&mut self, key: &Key) -> Option<Action> {
        let page = isize::from(view::areas(self).list.height.max(2).cast_signed()) - 1;
        let rows = self.status.as_ref().map_or(&[][..], |status| &status.agents);
        match key {
            Key::Char('q') | Key::Ctrl('c') => return Some(Action::Quit),
            Key::Up | Key::Char('k') => self.list.step(-1, rows),
            Key::Down | Key::Char('j') => self.list.step(1, rows),
            Key::PageUp => self.list.step(-page, rows),
            Key::PageDown | Key::Char(' ') => self.list.step(page, rows),
            Key::Home | Key::Char('g') => self.list.first(),
            Key::End | Key::Char('G') => self.list.last(rows),
            Key::Char('e') => self.events = !self.events,
            Key::Char('?') => self.mode = Mode::Help { scroll: 0 },
            Key::Char('o') => {
                self.list.order = match self.list.order {
                    Order::Trouble => Order::Name,
                    Order::Name => Order::Trouble,
                };
                self.arrange();
            }
            Key::Char('/') => {
                let mut line = Line::default();
                line.press(&Key::Paste(self.list.filter.clone()));
                self.mode = Mode::Filter(line);
            }
            Key::Esc if self.note.is_some() => self.note = None,
            Key::Esc => {
                self.list.filter.clear();
                self.arrange();
            }
            Key::Enter | Key::Char('a' | 's' | 'x' | 'r' | 'u' | 'c' | 'w') => {
                let Some(agent) = self.list.current(rows).map(|row| row.name.clone()) else {
                    self.say("no agent is selected", false);
                    return None;
                };
                return self.act(key, agent);
            }
            _ => {}
        }
        None
    }

    /// What a key does about `agent`.
    fn act(&mut self, key: &Key, agent: AgentName) -> Option<Action> {
        let errand = |verb| Errand { verb, agent: agent.clone() };
        match key {
            Key::Char('s') => self.mode = Mode::Send(agent, Line::default()),
            Key::Char('x') => self.mode = Mode::Confirm(errand(Verb::Stop)),
            Key::Char('r') => self.mode = Mode::Confirm(errand(Verb::Restart)),
            Key::Char('c') => self.mode = Mode::Confirm(errand(Verb::Clear)),
            Key::Char('u') => return Some(self.begin(errand(Verb::Start))),
            Key::Char('w') => {
                self.mode = Mode::Why { agent: agent.clone(), trail: None, scroll: usize::MAX };
                return Some(Action::Why(agent));
            }
            _ => return Some(Action::Attach(agent)),
        }
        None
    }

    fn begin(&mut self, errand: Errand) -> Action {
        self.note = None;
        self.errands.push(errand.clone());
        Action::Do(errand)
    }
}

#[cfg(test)]
mod tests;
