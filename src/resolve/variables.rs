//! An agent's environment: variables, `PATH` and secrets by reference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Context;
use super::launch::Expand;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::manifest::{SecretDelivery, SecretRef, SecretSource};
use crate::roster::decode::runtime_file::RuntimeFile;
use crate::roster::model::{SettingsPart, Spanned};
use crate::roster::secrets;

/// The folders every agent finds programs in, after its own and fleet's.
const SYSTEM_PATH: &[&str] = &["/usr/local/bin", "/usr/bin", "/bin"];

/// Variables that would run code in everything the agent starts, or that break the loader.
const LOADER_VARIABLES: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "PERL5OPT",
    "PERL5DB",
    "RUBYOPT",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "NODE_OPTIONS",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
];

/// Variables that fleet or the service manager sets.
const OWN_VARIABLES: &[&str] = &[
    "TERM",
    "COLORTERM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "TMUX",
    "TMUX_PANE",
    "XDG_RUNTIME_DIR",
];

/// What the agent's environment is made of.
pub(super) struct Environment {
    pub env: BTreeMap<String, String>,
    pub search: Vec<PathBuf>,
    pub secrets: Vec<SecretRef>,
    pub unset: Vec<String>,
}

/// Builds the environment of one agent.
pub(super) fn environment(
    context: &Context<'_>,
    part: &SettingsPart,
    runtime: &RuntimeFile,
    expand: &Expand,
    diagnostics: &mut Diagnostics,
) -> Environment {
    let mut env = BTreeMap::new();
    for (name, value) in &runtime.env {
        let value = Spanned::new(expand.fill(&value.value), value.span);
        check(name, &value, diagnostics);
        env.insert(name.clone(), value.value);
    }
    for (name, value) in &part.env {
        check(name, value, diagnostics);
        env.insert(name.clone(), value.value.clone());
    }
    let search = search(context, part, diagnostics);
    let folders: Vec<_> = search.iter().map(|folder| folder.display().to_string()).collect();
    env.insert("PATH".to_owned(), folders.join(":"));
    let secrets: Vec<SecretRef> = part
        .secrets
        .iter()
        .map(|(name, secret)| {
            refused(name, secret.span, diagnostics);
            if secret.delivery == SecretDelivery::Env && part.env.contains_key(name) {
                let message = format!("`{name}` is both a variable and a secret");
                let diagnostic = Diagnostic::error(Code::DuplicateNode, message).at(secret.span, "the secret");
                diagnostics.report(diagnostic.at(part.env[name].span, "the variable").help("keep the secret"));
            }
            let from = match &secret.from {
                SecretSource::File(path) => SecretSource::File(context.inputs.place(
                    &path.display().to_string(),
                    secret.span.file,
                    context.facts,
                )),
                other => other.clone(),
            };
            SecretRef { name: name.clone(), from, delivery: secret.delivery, version: secret.version.clone() }
        })
        .collect();
    let unset = context.secret_variables.iter().filter(|name| !env.contains_key(*name)).cloned().collect();
    Environment { env, search, secrets, unset }
}

/// A variable, wherever it comes from.
fn check(name: &str, value: &Spanned<String>, diagnostics: &mut Diagnostics) {
    refused(name, value.span, diagnostics);
    if value.value.chars().any(char::is_control) {
        let message = format!("the value of `{name}` contains a line break or another control character");
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(value.span, "here");
        diagnostics.report(diagnostic.help("put such a value into a file and name the file"));
    }
    if let Some(bad) = value.value.chars().find(|c| is_noncharacter(*c)) {
        let message = format!("the value of `{name}` contains U+{:04X}, which is no character", u32::from(bad));
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(value.span, "here");
        diagnostics.report(diagnostic.help("remove it: systemd would not start the agent"));
    }
    // A path under such a name is no secret.
    if secrets::is_secret_name(name) && value.value.len() >= 8 && !value.value.starts_with('/') {
        secrets::report(value.span, diagnostics);
    }
}

/// A code point that Unicode keeps for programs. systemd takes a line with one for invalid UTF-8.
pub(super) fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

fn refused(name: &str, span: Span, diagnostics: &mut Diagnostics) {
    let help = if name == "PATH" {
        "write `path \"FOLDER\" …`: these folders come first, the usual ones follow"
    } else if name.starts_with("LD_") || LOADER_VARIABLES.contains(&name) {
        "it would run in everything the agent starts; set it in a wrapper script of your own if you need it"
    } else if name.starts_with("FLEET_") || OWN_VARIABLES.contains(&name) {
        "fleet sets this variable itself"
    } else {
        return;
    };
    let message = format!("fleet does not set `{name}` from a roster");
    diagnostics.report(Diagnostic::error(Code::RefusedVariable, message).at(span, "here").help(help));
}

/// The agent's own folders, then fleet's (so that the agent can call `fleet`), then the system's.
fn search(context: &Context<'_>, part: &SettingsPart, diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for written in part.path.iter().flatten() {
        let folder = context.inputs.place(&written.value, written.span.file, context.facts);
        let text = folder.display().to_string();
        if text.contains(':') || text.chars().any(char::is_control) {
            let message = "a folder of PATH cannot contain a colon or a control character";
            let diagnostic = Diagnostic::error(Code::BadValue, message).at(written.span, "here");
            diagnostics.report(diagnostic.help("rename the folder, or use a link with a plain name"));
        }
        folders.push(folder);
    }
    folders.push(context.paths.bin());
    folders.extend(SYSTEM_PATH.iter().map(PathBuf::from));
    folders
}
