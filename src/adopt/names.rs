//! Names for the agents: what people called their windows where that is a name, else the CLI's name and a number.

use std::collections::BTreeSet;

use super::{Sighting, looks_secret};
use crate::ids::{AgentName, NAME_MAX};

/// The roster's own two agents, which the panes' must not be mistaken for.
pub(super) const LEAD: &str = "lead";
pub(super) const MENDER: &str = "mender";

/// What tmux or a shell calls a window or session by itself.
const SAYS_NOTHING: &[&str] = &[
    "agent",
    "agents",
    "bash",
    "bun",
    "dash",
    "default",
    "deno",
    "enhancer",
    "fish",
    "ksh",
    "login",
    "main",
    "node",
    "orchestrator",
    "python",
    "python3",
    "ssh",
    "sudo",
    "tmux",
    "window",
    "zsh",
    LEAD,
    MENDER,
    "aider",
    "claude",
    "codex",
    "gemini",
    "opencode",
];

/// A name for each, in order, all different.
pub(super) fn name(seen: &[&Sighting]) -> Vec<AgentName> {
    let mut taken: BTreeSet<String> = [LEAD, MENDER].map(str::to_owned).into();
    let mut names = Vec::new();
    for sighting in seen {
        let alone = seen.iter().filter(|other| other.pane.session == sighting.pane.session).count() == 1;
        let wanted = good(&sighting.pane.window).or_else(|| good(&sighting.pane.session).filter(|_| alone));
        let name = match wanted {
            Some(name) if taken.contains(name.as_str()) => numbered(name.as_str(), 2, &taken),
            Some(name) => Some(name),
            None => numbered(sighting.cli.name, 1, &taken),
        };
        // Numbers do not run out: `numbered` tries more of them than there are agents.
        if let Some(name) = name {
            taken.insert(name.as_str().to_owned());
            names.push(name);
        }
    }
    names
}

/// The first free `base-N`.
fn numbered(base: &str, from: usize, taken: &BTreeSet<String>) -> Option<AgentName> {
    let candidates = (from..=from + taken.len()).map(|number| {
        let ending = format!("-{number}");
        let room = NAME_MAX - ending.len();
        format!("{}{ending}", base.get(..room).unwrap_or(base))
    });
    candidates.filter(|name| !taken.contains(name)).find_map(|name| AgentName::new(&name).ok())
}

/// The name that a person's text is, if it is one.
fn good(text: &str) -> Option<AgentName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-');
    if text.len() < 2 || !text.chars().all(plain) || looks_secret(text) {
        return None;
    }
    let dashed: String =
        text.to_ascii_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    AgentName::new(&name).ok().filter(|_| !SAYS_NOTHING.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::arguments::Told;
    use super::super::recognise::CLIS;
    use super::super::{Pane, Sighting};

    fn named(panes: &[(&str, &str)]) -> Vec<String> {
        let sighting = |(session, window): &(&str, &str)| Sighting {
            pane: Pane {
                id: "%1".to_owned(),
                pid: 1,
                window_index: 0,
                pane_index: 0,
                session: (*session).to_owned(),
                window: (*window).to_owned(),
            },
            cli: &CLIS[0],
            told: Told::default(),
            folder: PathBuf::from("/"),
            dir: None,
        };
        let seen: Vec<Sighting> = panes.iter().map(sighting).collect();
        super::name(&seen.iter().collect::<Vec<_>>()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_window_or_a_session_of_its_own_gives_the_name() {
        assert_eq!(named(&[("work", "api"), ("work", "My Web.UI_2")]), ["api", "my-web-ui-2"]);
        assert_eq!(named(&[("shop", "claude"), ("0", "bash")]), ["shop", "claude-1"]);
        assert_eq!(named(&[("shop", "claude"), ("shop", "node")]), ["claude-1", "claude-2"]);
        assert_eq!(named(&[("shop", "api"), ("shop", "api"), ("x y", "api")]), ["api", "api-2", "api-3"]);
    }

    #[test]
    fn every_name_is_a_name_and_none_is_double() {
        for bad in
            ["#(touch X)", "2", "2x", "a", "lead", "MENDER", "human", "all", "a\tb", "\"", "日本", "", "-", "a;b"]
        {
            assert_eq!(named(&[("0", bad)]), ["claude-1"], "{bad:?}");
        }
        let secret = format!("{}{}", "ghp_", "a1".repeat(18));
        assert_eq!(named(&[("0", &secret)]), ["claude-1"]);
        let long = "a".repeat(32);
        let names = named(&[("0", &long), ("0", &long)]);
        assert_eq!(names, [long.clone(), format!("{}-2", &long[..30])]);
        assert_eq!(
            named(&[("0", "claude-1"), ("1", "zsh"), ("2", "claude-2")]),
            ["claude-1", "claude-2", "claude-2-2"]
        );
        let many: Vec<_> = (0..200).map(|_| ("0", "zsh")).collect();
        assert_eq!(named(&many).last().unwrap(), "claude-200");
    }
}
