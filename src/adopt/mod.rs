//! The panes of a running tmux → a roster, and what a person has to do so that its agents take over.
//!
//! Values in, values out: `recognise` tells agent CLIs by their command lines, `arguments` reads what those say,
//! `names` names the agents, `roster` writes the file and `report` the words beside it. Everything that comes out of a
//! pane is text that agents can set: it is shown without what acts on a terminal, and written only in narrow forms.

pub mod arguments;
pub mod conversation;
mod names;
pub mod recognise;
mod report;
mod roster;

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostics, FileId, acts};
use crate::ids::{AgentName, FleetId};
use arguments::Told;
use conversation::Known;
use recognise::Cli;

pub use report::{apart, report};
pub use roster::text;

/// A pane of tmux's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// As in `%7`.
    pub id: String,
    pub pid: u32,
    pub window_index: u32,
    pub pane_index: u32,
    /// Somebody's text; empty when not known.
    pub session: String,
    /// Somebody's text; empty when not known.
    pub window: String,
}

impl Pane {
    /// As a person finds it: `work:2.1 (%7)`.
    #[must_use]
    pub fn shown(&self) -> String {
        let (window, pane) = (self.window_index, self.pane_index);
        format!("{}:{window}.{pane} ({})", shown(&self.session), self.id)
    }
}

/// An agent CLI in a pane, and all that was found out about it.
#[derive(Debug, Clone)]
pub struct Sighting {
    pub pane: Pane,
    pub cli: &'static Cli,
    pub told: Told,
    /// Where it works.
    pub folder: PathBuf,
    /// As the roster writes it; `None` is the roster's own folder.
    pub dir: Option<String>,
}

/// An agent of the roster to be written.
#[derive(Debug, Clone)]
pub struct Agent {
    pub name: AgentName,
    pub seen: Sighting,
    pub conversation: Known,
}

/// A pane that becomes no agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    pub pane: Pane,
    pub why: String,
}

/// Everything the roster and the report are made from.
#[derive(Debug, Clone)]
pub struct Adoption {
    pub id: FleetId,
    pub agents: Vec<Agent>,
    pub apart: Vec<Apart>,
    /// The words of `path`: folders of CLIs that a detached agent would not find.
    pub path: Option<String>,
    /// CLIs that are not on this shell's PATH either.
    pub missing: Vec<&'static str>,
}

impl Adoption {
    /// Names the agents, in the order of their panes.
    #[must_use]
    pub fn new(id: FleetId, seen: Vec<(Sighting, Known)>) -> Self {
        let names = names::name(&seen.iter().map(|(sighting, _)| sighting).collect::<Vec<_>>());
        let agents = names
            .into_iter()
            .zip(seen)
            .map(|(name, (seen, conversation))| Agent { name, seen, conversation })
            .collect();
        Self { id, agents, apart: Vec::new(), path: None, missing: Vec::new() }
    }

    /// The CLI of most agents; the best known one where several are as many.
    fn usual(&self) -> &'static Cli {
        let count = |cli: &Cli| self.agents.iter().filter(|agent| agent.seen.cli.name == cli.name).count();
        // `max_by_key` takes the last of equals.
        recognise::CLIS.iter().rev().max_by_key(|cli| count(cli)).unwrap_or(&recognise::CLIS[0])
    }
}

/// Text from outside, for a terminal: one line of bounded length, without what acts on it.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean = |c: char| if acts(c) || c.is_control() { '?' } else { c };
    let mut short: String = text.chars().take(LONGEST).map(clean).collect();
    if text.chars().count() > LONGEST {
        short.push('…');
    }
    short
}

/// `folder` with `~` for the home.
#[must_use]
pub fn at_home(folder: &Path, home: &Path) -> String {
    match folder.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => folder.display().to_string(),
    }
}

/// How the roster in `root` writes `folder`; `None` for `root` itself.
///
/// # Errors
/// Says in words why a roster cannot hold the folder's name.
pub fn dir(folder: &Path, root: &Path, home: &Path) -> Result<Option<String>, String> {
    let Some(text) = folder.to_str() else { return Err("its path is not UTF-8 text".to_owned()) };
    if let Some(bad) = text.chars().find(|c| matches!(c, '"' | '\'' | '\\')) {
        return Err(format!("its path holds {bad}, which a roster's folders do without: rename it"));
    }
    if text.chars().any(|c| acts(c) || c.is_control()) {
        return Err("its path holds an invisible or control character: rename it".to_owned());
    }
    if looks_secret(text) {
        return Err("its path looks like a secret, and a roster holds none".to_owned());
    }
    match folder.strip_prefix(root) {
        Ok(rest) if rest.as_os_str().is_empty() => Ok(None),
        // A folder that is really called `~` is not the home.
        Ok(rest) if rest.starts_with("~") || rest.to_str().is_some_and(|rest| rest.starts_with('~')) => {
            Ok(Some(format!("./{}", rest.display())))
        }
        Ok(rest) => Ok(Some(rest.display().to_string())),
        Err(_) => Ok(Some(at_home(folder, home))),
    }
}

/// Whether a roster that held `text` would be refused for it.
fn looks_secret(text: &str) -> bool {
    let mut found = Diagnostics::default();
    crate::roster::secrets::find(text, FileId(0), &mut found);
    !found.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_written_the_shortest_way_that_means_the_same() {
        let (root, home) = (Path::new("/home/me/shop"), Path::new("/home/me"));
        let written = |folder: &str| dir(Path::new(folder), root, home);
        assert_eq!(written("/home/me/shop"), Ok(None));
        assert_eq!(written("/home/me/shop/api"), Ok(Some("api".to_owned())));
        assert_eq!(written("/home/me/shop/~/x"), Ok(Some("./~/x".to_owned())));
        assert_eq!(written("/home/me/shop2"), Ok(Some("~/shop2".to_owned())));
        assert_eq!(written("/home/me"), Ok(Some("~".to_owned())));
        assert_eq!(written("/srv/a b #(x) $HOME 日本"), Ok(Some("/srv/a b #(x) $HOME 日本".to_owned())));
        for (bad, words) in [
            ("/a\"b", "\""),
            ("/a'b", "'"),
            ("/a\\b", "\\"),
            ("/a\nb", "control"),
            ("/a\tb", "control"),
            ("/a\u{202e}b", "invisible"),
        ] {
            assert!(written(bad).unwrap_err().contains(words), "{bad:?}");
        }
        assert!(written(&format!("/srv/{}{}", "ghp_", "a1".repeat(18))).unwrap_err().contains("secret"));
    }

    #[test]
    fn what_acts_on_a_terminal_is_not_shown() {
        assert_eq!(shown("a\u{1b}[2J\tb\nc\u{202e}"), "a?[2J?b?c?");
        assert_eq!(shown(&"x".repeat(99)), format!("{}…", "x".repeat(60)));
    }
}
