//! What a CLI's command line says of itself. Only values in narrow forms are taken: a command line may hold a prompt, a
//! key or anything else.

use super::looks_secret;
use super::recognise::Cli;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub model: Option<String>,
    pub permissions: Option<Permissions>,
    /// The id of the conversation it was started with.
    pub conversation: Option<String>,
    /// Another working folder than the process's own.
    pub folder: Option<String>,
    /// It does one task without a person, or serves other programs.
    pub once: bool,
    /// Options that fleet has no word for, by their name alone.
    pub dropped: Vec<&'static str>,
}

/// What it may do without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    Edits,
    /// Everything; the words that said so.
    All(&'static str),
}

/// How a CLI's options are read.
struct Grammar {
    /// Options whose value is the next word.
    values: &'static [&'static str],
    model: &'static [&'static str],
    session: &'static [&'static str],
    folder: &'static [&'static str],
    /// Subcommands in which a person talks to it.
    talks: &'static [&'static str],
    /// Subcommands in which nobody does.
    once: &'static [&'static str],
}

const CLAUDE: Grammar = Grammar {
    values: &[
        "--add-dir",
        "--agent",
        "--agents",
        "--allowed-tools",
        "--allowedTools",
        "--append-system-prompt",
        "--append-system-prompt-file",
        "--betas",
        "--disallowed-tools",
        "--disallowedTools",
        "--effort",
        "--fallback-model",
        "--input-format",
        "--max-turns",
        "--mcp-config",
        "--model",
        "--name",
        "--output-format",
        "--permission-mode",
        "--plugin-dir",
        "--setting-sources",
        "--settings",
        "--system-prompt",
        "--system-prompt-file",
        "--tools",
        "-n",
    ],
    model: &["--model"],
    session: &["--resume", "-r", "--session-id"],
    folder: &[],
    talks: &[],
    once: &["mcp", "config", "doctor", "update", "install", "setup-token", "plugin", "auth"],
};

const CODEX: Grammar = Grammar {
    values: &[
        "--add-dir",
        "--ask-for-approval",
        "--cd",
        "--config",
        "--disable",
        "--enable",
        "--image",
        "--local-provider",
        "--model",
        "--profile",
        "--remote",
        "--sandbox",
        "-C",
        "-a",
        "-c",
        "-i",
        "-m",
        "-p",
        "-s",
    ],
    model: &["-m", "--model"],
    session: &[],
    folder: &["-C", "--cd"],
    talks: &["resume"],
    once: &[
        "exec",
        "e",
        "review",
        "app-server",
        "mcp",
        "mcp-server",
        "login",
        "logout",
        "apply",
        "sandbox",
        "completion",
        "debug",
        "cloud",
    ],
};

const OPENCODE: Grammar = Grammar {
    values: &[
        "--agent",
        "--cors",
        "--hostname",
        "--log-level",
        "--model",
        "--port",
        "--prompt",
        "--session",
        "-m",
        "-s",
    ],
    model: &["-m", "--model"],
    session: &["-s", "--session"],
    folder: &[],
    talks: &[],
    once: &[
        "run", "serve", "web", "acp", "attach", "auth", "github", "mcp", "models", "session", "stats", "upgrade",
        "export", "import", "agent",
    ],
};

/// Reads the words behind the program's name.
#[must_use]
pub fn read(cli: &Cli, words: &[String]) -> Told {
    let grammar = match cli.name {
        "claude" => &CLAUDE,
        "codex" => &CODEX,
        _ => &OPENCODE,
    };
    let mut told = Told::default();
    let mut own = Own::default();
    let mut plain: Vec<&str> = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if !word.starts_with('-') || word == "-" {
            plain.push(word);
            continue;
        }
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (word, None),
        };
        let takes = grammar.values.contains(&name) || grammar.session.contains(&name);
        let value = match joined {
            Some(value) => Some(value),
            // `--resume` may stand alone.
            None if takes => words.next_if(|next| !next.starts_with('-')),
            None => None,
        };
        if grammar.model.contains(&name) {
            told.model = value.filter(|value| is_model(value)).map(str::to_owned);
            if value.is_some() && told.model.is_none() {
                told.dropped.push("--model");
            }
        } else if grammar.session.contains(&name) {
            told.conversation = value.filter(|value| is_conversation(cli, value)).map(str::to_owned);
        } else if grammar.folder.contains(&name) {
            told.folder = value.map(str::to_owned);
        } else {
            own.take(cli, name, value);
        }
    }
    let first = plain.first().copied().unwrap_or_default();
    told.once = own.once || grammar.once.contains(&first);
    if grammar.talks.contains(&first) {
        told.conversation = plain.get(1).filter(|id| is_conversation(cli, id)).map(|id| (*id).to_owned());
    }
    if own.forks {
        // The conversation it was started from goes on without it.
        told.conversation = None;
    }
    own.decide(cli, &mut told);
    told
}

/// What each CLI says in its own way.
#[derive(Default)]
struct Own {
    mode: Option<String>,
    sandbox: Option<String>,
    approval: Option<String>,
    everything: Option<&'static str>,
    edits: bool,
    once: bool,
    forks: bool,
}

impl Own {
    fn take(&mut self, cli: &Cli, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match (cli.name, name) {
            ("claude", "-p" | "--print") => self.once = true,
            ("claude", "--fork-session") | ("opencode", "--fork") => self.forks = true,
            ("claude", "--permission-mode") => self.mode = value,
            ("claude", "--dangerously-skip-permissions") => self.everything = Some("--dangerously-skip-permissions"),
            ("codex", "-s" | "--sandbox") => self.sandbox = value,
            ("codex", "-a" | "--ask-for-approval") => self.approval = value,
            ("codex", "--full-auto") => self.edits = true,
            ("codex", "--dangerously-bypass-approvals-and-sandbox" | "--yolo") => {
                self.everything = Some("--dangerously-bypass-approvals-and-sandbox");
            }
            ("opencode", "--auto") => self.everything = Some("--auto"),
            _ => {}
        }
    }

    fn decide(self, cli: &Cli, told: &mut Told) {
        match self.mode.as_deref() {
            None | Some("default" | "manual") => {}
            Some("acceptEdits") => told.permissions = Some(Permissions::Edits),
            Some("bypassPermissions") => {
                told.permissions = Some(Permissions::All("--permission-mode bypassPermissions"));
            }
            Some(_) => told.dropped.push("--permission-mode"),
        }
        if cli.name == "codex" {
            match (self.sandbox.as_deref(), self.approval.as_deref()) {
                (None | Some("read-only"), None | Some("on-request")) => {}
                (Some("workspace-write"), None | Some("on-request")) => told.permissions = Some(Permissions::Edits),
                (Some("danger-full-access"), Some("never")) => {
                    told.permissions = Some(Permissions::All("-s danger-full-access -a never"));
                }
                (sandbox, approval) => {
                    told.dropped.extend(sandbox.is_some().then_some("--sandbox"));
                    told.dropped.extend(approval.is_some().then_some("--ask-for-approval"));
                }
            }
        }
        if self.edits {
            told.permissions = Some(Permissions::Edits);
        }
        if let Some(words) = self.everything {
            told.permissions = Some(Permissions::All(words));
        }
    }
}

fn is_model(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/@-[]".contains(c);
    text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(allowed)
        && !looks_secret(text)
}

fn is_conversation(cli: &Cli, text: &str) -> bool {
    match cli.name {
        "opencode" => text
            .strip_prefix("ses_")
            .is_some_and(|rest| (8..=40).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_alphanumeric())),
        _ => is_uuid(text),
    }
}

/// `8-4-4-4-12` hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::recognise::CLIS;
    use super::*;

    const ID: &str = "5f3c2a10-0000-4000-8000-00000000cafe";

    fn told(line: &str) -> Told {
        let mut words = line.split('|').map(str::to_owned);
        let name = words.next().unwrap();
        let cli = CLIS.iter().find(|cli| cli.name == name).unwrap();
        read(cli, &words.collect::<Vec<_>>())
    }

    #[test]
    fn models_are_taken_in_the_form_of_a_model_only() {
        for (line, model) in [
            ("claude|--model|opus", Some("opus")),
            ("claude|--model=claude-opus-5[1m]", Some("claude-opus-5[1m]")),
            ("codex|-m|gpt-5.5|do it", Some("gpt-5.5")),
            ("codex|resume|--model|gpt-5.5", Some("gpt-5.5")),
            ("opencode|-m|anthropic/claude-opus-5", Some("anthropic/claude-opus-5")),
            ("claude|-m|opus", None),
            ("claude|--|--model|opus", None),
            ("claude|--append-system-prompt|--model|opus", Some("opus")),
            ("claude|say --model opus", None),
        ] {
            assert_eq!(told(line).model.as_deref(), model, "{line}");
        }
        let secret = format!("{}{}", "ghp_", "a1".repeat(18));
        for value in ["a b", "x\"y", "$(id)", &secret, &"m".repeat(81), "a\nb"] {
            let told = told(&format!("claude|--model|{value}"));
            assert_eq!((told.model, told.dropped), (None, vec!["--model"]), "{value:?}");
        }
    }

    #[test]
    fn modes_become_words_of_the_roster_or_are_named() {
        let all = |words| Some(Permissions::All(words));
        for (line, permissions, dropped) in [
            ("claude", None, &[][..]),
            ("claude|--permission-mode|default", None, &[]),
            ("claude|--permission-mode|acceptEdits", Some(Permissions::Edits), &[]),
            ("claude|--permission-mode=plan", None, &["--permission-mode"]),
            ("claude|--permission-mode|bypassPermissions", all("--permission-mode bypassPermissions"), &[]),
            (
                "claude|--permission-mode|acceptEdits|--dangerously-skip-permissions",
                all("--dangerously-skip-permissions"),
                &[],
            ),
            ("codex|-s|workspace-write|-a|on-request", Some(Permissions::Edits), &[]),
            ("codex|--full-auto", Some(Permissions::Edits), &[]),
            ("codex|-s|danger-full-access|-a|never", all("-s danger-full-access -a never"), &[]),
            ("codex|--yolo", all("--dangerously-bypass-approvals-and-sandbox"), &[]),
            ("codex|-a|never", None, &["--ask-for-approval"]),
            ("codex|-s|workspace-write|-a|never", None, &["--sandbox", "--ask-for-approval"]),
            ("opencode|--auto", all("--auto"), &[]),
        ] {
            let told = told(line);
            assert_eq!((told.permissions, told.dropped.as_slice()), (permissions, dropped), "{line}");
        }
    }

    #[test]
    fn conversations_are_taken_by_their_id_only() {
        let named = |line: &str| told(&line.replace("ID", ID)).conversation;
        for line in ["claude|--resume|ID", "claude|-r|ID|go on", "claude|--session-id=ID", "codex|-m|x|resume|ID"] {
            assert_eq!(named(line).as_deref(), Some(ID), "{line}");
        }
        assert_eq!(named("opencode|-s|ses_e082deb6effeo9doP3lTK6ZcIt").unwrap(), "ses_e082deb6effeo9doP3lTK6ZcIt");
        for line in [
            "claude",
            "claude|--resume",
            "claude|--resume|--model|opus",
            "claude|--resume|my talk",
            "claude|--resume|ID|--fork-session",
            "claude|look at ID",
            "codex|ID",
            "codex|resume|--last",
            "codex|fork|ID",
            "opencode|-s|ID",
        ] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn a_folder_of_its_own_and_tasks_without_a_person() {
        assert_eq!(told("codex|-C|../api").folder.as_deref(), Some("../api"));
        assert_eq!(told("claude|-C|../api").folder, None);
        for line in ["claude|-p|x", "claude|--print", "codex|exec|x", "codex|-c|a=b|exec", "opencode|run|x"] {
            assert!(told(line).once, "{line}");
        }
        for line in ["claude|mind the -p", "codex|-p|exec", "codex|fix|exec", "opencode|/srv/run", "codex|--|exec"] {
            assert!(!told(line).once, "{line}");
        }
    }
}
