//! Which agent CLI a process is, by its command line.

use std::collections::BTreeMap;

use super::arguments::{self, Told};
use super::{Apart, Pane};

/// An agent CLI that fleet has a runtime for.
#[derive(Debug, PartialEq, Eq)]
pub struct Cli {
    /// The runtime's and the program's name.
    pub name: &'static str,
    /// Typed to end it.
    pub quit: &'static str,
}

/// The CLIs of the built-in runtimes, best known first.
pub const CLIS: &[Cli] = &[
    Cli { name: "claude", quit: "/exit" },
    Cli { name: "codex", quit: "/quit" },
    Cli { name: "opencode", quit: "/exit" },
];

/// Agent CLIs that no built-in runtime runs.
const FOREIGN: &[&str] =
    &["aider", "amp", "auggie", "copilot", "crush", "cursor-agent", "droid", "gemini", "goose", "kimi", "pi", "qwen"];

/// Folders of packages whose main file has a name that says nothing.
const PACKAGES: &[(&str, &str)] = &[
    ("claude-code", "claude"),
    ("codex", "codex"),
    ("opencode-ai", "opencode"),
    ("gemini-cli", "gemini"),
    ("pi-coding-agent", "pi"),
    ("cursor-agent", "cursor-agent"),
    ("qwen-code", "qwen"),
];
const MAIN_FILES: &[&str] = &["cli", "index", "main"];

const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh"];
const INTERPRETERS: &[&str] = &["node", "nodejs", "bun", "deno", "python", "python3"];
/// Options of interpreters that take the next word.
const WITH_VALUE: &[&str] =
    &["-r", "--require", "--import", "--loader", "--experimental-loader", "-X", "-W", "--cwd"];
/// Options after which there is no script: the program stands in the next word.
const INLINE: &[&str] = &["-c", "-e", "-p", "--eval", "--print", "-m"];

/// Generations below a pane that are looked at. The table is not read in one moment, and pids are used again, so that
/// it may hold a process that is its own ancestor.
const DEEPEST: usize = 32;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub parent: u32,
    /// Stopped by job control, as after Ctrl-Z.
    pub stopped: bool,
    pub arguments: Vec<String>,
}

/// Processes by pid.
pub type Table = BTreeMap<u32, Process>;

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Known(&'static Cli),
    Foreign(&'static str),
    /// A viewer of fleet's, or its shim.
    Own,
}

struct Program<'a> {
    kind: Kind,
    arguments: &'a [String],
    /// Run by an interpreter, so perhaps only a launcher.
    script: bool,
}

/// A known CLI, and the process that is it.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    pub pane: Pane,
    pub cli: &'static Cli,
    pub pid: u32,
    pub told: Told,
}

/// Tells which panes run a known CLI, and why others that show an agent do not count.
#[must_use]
pub fn look(panes: &[Pane], table: &Table) -> (Vec<Running>, Vec<Apart>) {
    let mut running = Vec::new();
    let mut apart = Vec::new();
    for pane in panes {
        let mut found = Vec::new();
        visit(pane.pid, table, DEEPEST, &mut found);
        let mut known: Vec<(bool, Running)> = Vec::new();
        for (pid, kind) in found {
            let mut leave = |why: String| apart.push(Apart { pane: pane.clone(), why });
            match kind {
                Kind::Own => leave("an agent of fleet's".to_owned()),
                Kind::Foreign(name) => {
                    leave(format!("{name}: seen, no built-in runtime; write runtimes/{name}.kdl"));
                }
                Kind::Known(cli) => {
                    let told = program(table, pid).map(|p| arguments::read(cli, p.arguments)).unwrap_or_default();
                    if told.once {
                        leave(format!("{}: it does one task without a person and ends, or serves others", cli.name));
                        continue;
                    }
                    let stopped = table.get(&pid).is_some_and(|process| process.stopped);
                    known.push((stopped, Running { pane: pane.clone(), cli, pid, told }));
                }
            }
        }
        // The one on the screen is the one that is not stopped.
        known.sort_by_key(|(stopped, one)| (*stopped, one.pid));
        let mut known = known.into_iter().map(|(_, one)| one);
        running.extend(known.next());
        apart.extend(known.map(|other| Apart {
            pane: pane.clone(),
            why: format!("{} (process {}): not the only agent CLI in its pane", other.cli.name, other.pid),
        }));
    }
    (running, apart)
}

/// The topmost agents at and below `pid`. What an agent starts is its tool, not another agent.
fn visit(pid: u32, table: &Table, depth: usize, found: &mut Vec<(u32, Kind)>) {
    if let Some(here) = program(table, pid) {
        found.push((if here.script { inner(pid, &here.kind, table) } else { pid }, here.kind));
    } else if depth > 0 {
        for child in children(pid, table) {
            visit(child, table, depth - 1, found);
        }
    }
}

/// The real CLI below a launcher: launcher and CLI are one.
fn inner(launcher: u32, kind: &Kind, table: &Table) -> u32 {
    let mut pid = launcher;
    for _ in 0..DEEPEST {
        let is_script = program(table, pid).is_some_and(|program| program.script);
        let same = |child: &u32| program(table, *child).is_some_and(|program| program.kind == *kind);
        match children(pid, table).find(same) {
            Some(child) if is_script => pid = child,
            _ => break,
        }
    }
    pid
}

fn children(pid: u32, table: &Table) -> impl Iterator<Item = u32> {
    table.iter().filter(move |(_, process)| process.parent == pid).map(|(child, _)| *child)
}

fn program(table: &Table, pid: u32) -> Option<Program<'_>> {
    let words = table.get(&pid)?.arguments.as_slice();
    let (first, rest) = words.split_first()?;
    // `npm exec @openai/codex` is one word: a title that a launcher gave itself.
    if first.contains(' ') && !first.starts_with('/') {
        return None;
    }
    let name = base(first);
    if name == "fleet-shim" || (name == "fleet" && rest.iter().any(|word| word == "attach")) {
        return Some(Program { kind: Kind::Own, arguments: rest, script: false });
    }
    if let Some(kind) = kind(name) {
        return Some(Program { kind, arguments: rest, script: false });
    }
    if !SHELLS.contains(&name) && !INTERPRETERS.contains(&name) && !name.starts_with("python3.") {
        return None;
    }
    let at = script(rest, name)?;
    let kind = kind(stem(base(&rest[at]))).or_else(|| packaged(&rest[at]))?;
    Some(Program { kind, arguments: &rest[at + 1..], script: true })
}

/// Where the script's path stands among the words of an interpreter.
fn script(words: &[String], interpreter: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if INLINE.contains(&word.as_str()) {
            return None;
        } else if WITH_VALUE.contains(&word.as_str()) {
            at += 2;
        } else if word.starts_with('-') || (at == 0 && word == "run" && matches!(interpreter, "bun" | "deno")) {
            at += 1;
        } else {
            return Some(at);
        }
    }
    None
}

fn kind(name: &str) -> Option<Kind> {
    // The native build carries its platform's name: `codex-x86_64-unknown-linux-musl`.
    let name = if name.starts_with("codex-") && name.contains("-linux-") { "codex" } else { name };
    let known = CLIS.iter().find(|cli| cli.name == name).map(Kind::Known);
    known.or_else(|| FOREIGN.iter().find(|foreign| **foreign == name).map(|foreign| Kind::Foreign(foreign)))
}

fn packaged(path: &str) -> Option<Kind> {
    MAIN_FILES.contains(&stem(base(path))).then_some(())?;
    let name = path.rsplit('/').find_map(|part| PACKAGES.iter().find(|(folder, _)| *folder == part))?.1;
    kind(name)
}

fn base(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    // A login shell's name begins with a dash.
    let name = name.strip_prefix('-').unwrap_or(name);
    name.strip_suffix(".exe").unwrap_or(name)
}

fn stem(name: &str) -> &str {
    [".js", ".mjs", ".cjs", ".ts", ".py", ".sh"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pane(pid: u32) -> Pane {
        let (session, window) = ("work".to_owned(), "bash".to_owned());
        Pane { id: format!("%{pid}"), pid, window_index: 2, pane_index: 1, session, window }
    }

    fn table(rows: &[(u32, u32, &str)]) -> Table {
        let row = |(pid, parent, words): &(u32, u32, &str)| {
            let arguments = words.split('|').map(str::to_owned).collect();
            (*pid, Process { parent: *parent, stopped: false, arguments })
        };
        rows.iter().map(row).collect()
    }

    /// What is said of one pane: `name@pid`, or why not.
    fn seen(rows: &[(u32, u32, &str)]) -> Vec<String> {
        let (running, apart) = look(&[pane(10)], &table(rows));
        let named = running.iter().map(|one| format!("{}@{}", one.cli.name, one.pid));
        named.chain(apart.into_iter().map(|one| one.why)).collect()
    }

    #[test]
    fn programs_and_scripts_are_told_by_their_names() {
        for (words, name) in [
            ("claude|--model|opus", "claude"),
            ("/home/me/.local/bin/claude", "claude"),
            ("/opt/with blank/claude", "claude"),
            ("/x/@anthropic-ai/claude-code/bin/claude.exe", "claude"),
            ("node|/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js", "claude"),
            (
                "node|--max-old-space-size=8192|-r|/x/hook.js|/usr/lib/node_modules/@openai/codex/bin/codex.js",
                "codex",
            ),
            ("/usr/bin/node|/usr/local/bin/codex|-m|x", "codex"),
            ("/x/codex-x86_64-unknown-linux-musl", "codex"),
            ("bun|run|/x/node_modules/opencode-ai/bin/opencode", "opencode"),
            ("/bin/sh|/home/me/bin/claude|--continue", "claude"),
            ("-claude", "claude"),
        ] {
            assert_eq!(seen(&[(10, 1, words)]), [format!("{name}@10")], "{words}");
        }
        for words in [
            "bash",
            "vim|claude",
            "tail|-f|codex",
            "sh|-c|claude",
            "node|-e|claude",
            "node|/srv/app/index.js",
            "node|/x/node_modules/@openai/codex/test.js",
            "npm exec @openai/codex",
            "python3|-m|claude",
            "claude-helper",
            "node",
            "",
        ] {
            assert_eq!(seen(&[(10, 1, words)]), [""; 0], "{words}");
        }
    }

    #[test]
    fn others_are_named_with_what_to_write() {
        for (words, name) in [
            ("node|/usr/bin/gemini", "gemini"),
            ("node|/x/@google/gemini-cli/dist/index.js", "gemini"),
            ("/venv/bin/python3.11|/venv/bin/aider|--model|x", "aider"),
            ("pi", "pi"),
            (
                "/home/me/.local/share/cursor-agent/v/node|/home/me/.local/share/cursor-agent/v/index.js",
                "cursor-agent",
            ),
        ] {
            let said = seen(&[(10, 1, words)]);
            assert_eq!(said, [format!("{name}: seen, no built-in runtime; write runtimes/{name}.kdl")]);
        }
    }

    #[test]
    fn a_launcher_and_what_it_launches_count_once() {
        let codex = "node|/usr/bin/codex";
        assert_eq!(seen(&[(10, 1, "bash"), (11, 10, codex), (12, 11, "/v/codex/codex")]), ["codex@12"]);
        assert_eq!(
            seen(&[(10, 1, "bash"), (11, 10, "/bin/sh|/x/claude"), (12, 11, "node|/y/claude"), (13, 12, "claude")]),
            ["claude@13"]
        );
        // What an agent starts is its tool.
        let tools =
            [(10, 1, "claude"), (11, 10, "bash|-c|codex exec x"), (12, 11, "codex|exec|x"), (13, 10, "claude")];
        assert_eq!(seen(&tools), ["claude@10"]);
    }

    #[test]
    fn fleets_own_agents_and_single_tasks_are_left_out() {
        assert_eq!(seen(&[(10, 1, "bash"), (11, 10, "fleet|attach|lead")]), ["an agent of fleet's"]);
        let shim = [(10, 1, "bash"), (11, 10, "/x/fleet-shim|/m.json"), (12, 11, "claude")];
        assert_eq!(seen(&shim), ["an agent of fleet's"]);
        assert_eq!(seen(&[(10, 1, "bash"), (11, 10, "fleet|status")]), [""; 0]);
        for words in ["claude|-p|do it", "codex|exec|do it", "codex|-m|x|app-server", "opencode|serve"] {
            assert!(seen(&[(10, 1, words)])[0].contains("one task"), "{words}");
        }
    }

    #[test]
    fn of_two_in_a_pane_the_one_in_front_counts() {
        let mut table = table(&[(10, 1, "bash"), (11, 10, "claude"), (12, 10, "codex")]);
        table.get_mut(&11).unwrap().stopped = true;
        let (running, apart) = look(&[pane(10)], &table);
        assert_eq!(running.iter().map(|one| one.cli.name).collect::<Vec<_>>(), ["codex"]);
        assert!(apart[0].why.starts_with("claude (process 11)"), "{apart:?}");
    }

    #[test]
    fn a_table_with_a_ring_in_it_comes_to_an_end() {
        assert_eq!(seen(&[(10, 11, "bash"), (11, 10, "sh")]), [""; 0]);
        assert_eq!(seen(&[(10, 11, "sh|/x/codex"), (11, 10, "sh|/x/codex")]).len(), 1);
    }

    #[test]
    fn they_are_quit_as_their_runtimes_say() {
        for cli in CLIS {
            let text = crate::resolve::builtin::find(crate::resolve::builtin::RUNTIMES, cli.name).unwrap();
            assert!(text.contains(&format!("\n    quit \"{}\"\n", cli.quit)), "{}", cli.name);
        }
    }
}
