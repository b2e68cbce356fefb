//! The command line of an agent: a runtime file's templates, filled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Context, Inputs, Worktree, builtin};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Sources, suggest};
use crate::ids::{AgentName, RuntimeName};
use crate::roster::decode::runtime_file::{self, RuntimeFile};
use crate::roster::model::{RuntimePart, SettingsPart, Spanned};

/// The runtime whose program is fleet itself.
const CANARY: &str = "canary";

/// How an agent is started.
pub(super) struct Launch {
    pub argv: Vec<String>,
    pub prompt_argv: Vec<String>,
    pub dir: PathBuf,
    pub worktree: Option<Worktree>,
    pub files: BTreeMap<String, String>,
    pub expand: Expand,
}

/// One model of an agent's chain.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub runtime: &'a RuntimePart,
    pub file: &'a RuntimeFile,
    /// The folder of the runtime's files, in the agent's.
    pub folder: &'a str,
}

/// Values of the placeholders.
#[derive(Debug, Clone, Default)]
pub(super) struct Expand {
    values: Vec<(&'static str, String)>,
}

impl Expand {
    /// `template` with every placeholder filled. A filled-in value is not looked at again.
    pub fn fill(&self, template: &str) -> String {
        self.fill_with(template, str::to_owned)
    }

    fn fill_with(&self, template: &str, quote: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let hit = self.values.iter().find_map(|(name, value)| {
                let tail = rest[1..].strip_prefix(name)?.strip_prefix('}')?;
                Some((value, tail))
            });
            match hit {
                Some((value, tail)) => {
                    out.push_str(&quote(value));
                    rest = tail;
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }
}

/// Reads the runtime files the shell has loaded.
pub(super) fn runtimes(
    inputs: &Inputs,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<RuntimeName, RuntimeFile> {
    let mut found = BTreeMap::new();
    for (name, file) in &inputs.runtimes {
        let Some(runtime) = runtime_file::read(sources.text(*file), *file, diagnostics) else { continue };
        if runtime.name != *name {
            let message = format!("this file declares the runtime `{}`, and its name says `{name}`", runtime.name);
            let diagnostic = Diagnostic::error(Code::BadRuntimeFile, message).at(runtime.span, "here");
            diagnostics.report(diagnostic.help("give both one name"));
        }
        found.insert(name.clone(), runtime);
    }
    found
}

/// The runtime file of that name.
pub(super) fn known_runtime<'a>(
    context: &'a Context<'_>,
    name: &Spanned<RuntimeName>,
    diagnostics: &mut Diagnostics,
) -> Option<&'a RuntimeFile> {
    let file = context.runtimes.get(&name.value);
    let reported =
        context.inputs.runtimes.contains_key(&name.value) || context.inputs.unreadable.contains(&name.value);
    if file.is_none() && !reported {
        let known = builtin::RUNTIMES.iter().map(|(name, _)| *name);
        let message = format!("there is no runtime `{}`", name.value);
        let help = suggest::sentence(name.value.as_str(), known);
        let help = format!("{help} Or write `runtimes/{}.kdl` beside the roster", name.value);
        diagnostics.report(Diagnostic::error(Code::UnknownRuntime, message).at(name.span, "unknown").help(help));
    }
    file
}

/// Builds the command line of one agent.
pub(super) fn launch(
    context: &Context<'_>,
    name: &AgentName,
    part: &SettingsPart,
    link: Link<'_>,
    role_text: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> Option<Launch> {
    let Link { runtime, file, .. } = link;
    let folder = context.paths.agent(name);
    let folder_named = folder_of(context, part, diagnostics);
    let worktree = worktree(context, name, part, &folder_named);
    let dir = worktree.as_ref().map_or(folder_named, |worktree| worktree.path.clone());
    let mut values = vec![
        ("role-file", show(&folder.join("role.md"))),
        ("role-text", role_text.unwrap_or_default().to_owned()),
        ("dir", show(&dir)),
        ("files", show(&folder.join(link.folder))),
        ("fleet", show(&context.paths.bin().join("fleet"))),
    ];
    values.extend(runtime.model.as_ref().map(|model| ("model", model.value.clone())));
    values.extend(runtime.effort.as_ref().map(|effort| ("effort", effort.value.clone())));
    let expand = Expand { values };
    let mut argv = program(context, &folder, runtime, file, diagnostics)?;
    let remove = |what: &str| match runtime.name.value.as_str() {
        CANARY => format!("remove {what}=: it runs no model"),
        _ => format!("remove {what}=, or set it in the CLI's own configuration"),
    };
    let mut add = |words: &[String]| argv.extend(words.iter().map(|word| expand.fill(word)));
    add(&file.args);
    add(&file.trust);
    add(permission_words(part, file, diagnostics));
    if let Some(model) = &runtime.model {
        add(told(file.model.as_deref(), "model", model, file, &remove("model"), diagnostics));
    }
    if let Some(effort) = &runtime.effort {
        add(told(file.effort.as_deref(), "effort", effort, file, &remove("effort"), diagnostics));
    }
    if let Some(text) = role_text {
        let words = file.role.as_deref().unwrap_or_default();
        check_literal(words, text, file, runtime, diagnostics);
        add(words);
    }
    if file.program.is_some() {
        let extra: Vec<String> = runtime.argv.iter().flatten().map(|word| word.value.clone()).collect();
        argv.extend(extra);
    }
    let files = file.files.iter().map(|(name, content)| {
        let json = Path::new(name).extension().is_some_and(|extension| extension == "json");
        let quote = |value: &str| if json { json_text(value) } else { value.to_owned() };
        (name.clone(), expand.fill_with(content, quote))
    });
    Some(Launch {
        argv,
        prompt_argv: file.prompt.iter().map(|word| expand.fill(word)).collect(),
        dir,
        worktree,
        files: files.collect(),
        expand,
    })
}

/// A template may put the role text between the quotes of a TOML literal, which cannot hold those quotes itself.
fn check_literal(
    words: &[String],
    text: &str,
    file: &RuntimeFile,
    runtime: &RuntimePart,
    diagnostics: &mut Diagnostics,
) {
    if text.contains("'''") && words.iter().any(|word| word.contains("'''{role-text}'''")) {
        let message = format!("the runtime `{}` cannot be given a role text that contains '''", file.name);
        let diagnostic = Diagnostic::error(Code::RuntimeLacks, message).at(runtime.name.span, "here");
        diagnostics.report(diagnostic.help("write the role text without three single quotes in a row"));
    }
}

/// The inside of a JSON string.
fn json_text(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The worktree of an agent whose working folder would be `repository`.
fn worktree(context: &Context<'_>, name: &AgentName, part: &SettingsPart, repository: &Path) -> Option<Worktree> {
    let written = part.worktree.as_ref()?;
    let readonly = written.readonly.as_ref().is_some_and(|flag| flag.value);
    let named = written.branch.as_ref().map(|branch| branch.value.clone());
    let fleet = context.roster.id.as_ref().map_or("fleet", |id| id.value.as_str());
    let own = || format!("fleet/{fleet}/{name}");
    Some(Worktree {
        path: context.paths.worktrees.join(name.as_str()),
        repository: repository.to_path_buf(),
        // What is only read needs no branch of its own, and git checks a branch out in one place only.
        branch: if readonly { None } else { Some(named.clone().unwrap_or_else(own)) },
        base: if readonly { named.or_else(|| context.roster.base.clone()) } else { context.roster.base.clone() },
    })
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn folder_of(context: &Context<'_>, part: &SettingsPart, diagnostics: &mut Diagnostics) -> PathBuf {
    let written = part.dir.as_ref().or(context.roster.workspace.as_ref());
    let Some(written) = written else { return context.inputs.folder.clone() };
    let dir = context.inputs.place(&written.value, written.span.file, context.facts);
    // Such a name could change its meaning inside a quoted word of some agent's command line.
    if show(&dir).contains(['"', '\\', '\n', '\'']) {
        let message = "a working folder's path cannot contain quotes, backslashes or line breaks";
        let diagnostic = Diagnostic::error(Code::NoFolder, message).at(written.span, "here");
        diagnostics.report(diagnostic.help("rename the folder, or use a link with a plain name"));
    }
    dir
}

fn program(
    context: &Context<'_>,
    folder: &Path,
    runtime: &RuntimePart,
    file: &RuntimeFile,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<String>> {
    let canary = runtime.name.value.as_str() == CANARY;
    if runtime.script.is_some() && !canary {
        let message = format!("only the canary runs a script; this runtime is `{}`", runtime.name.value);
        let diagnostic = Diagnostic::error(Code::RuntimeLacks, message).at(runtime.name.span, "here");
        diagnostics.report(diagnostic.help("write `runtime \"canary\" { script { … } }`"));
    }
    if canary {
        return Some(vec![
            show(&context.paths.bin().join("fleet")),
            "canary".to_owned(),
            show(&folder.join("script.json")),
        ]);
    }
    if let Some(program) = &file.program {
        return Some(vec![program.clone()]);
    }
    let Some(argv) = runtime.argv.as_ref().filter(|argv| !argv.is_empty()) else {
        let message = format!("the runtime `{}` needs a command", runtime.name.value);
        let diagnostic = Diagnostic::error(Code::MissingChild, message).at(runtime.name.span, "incomplete");
        let help = format!("write `runtime \"{}\" {{ argv \"PROGRAM\" \"ARGUMENT\" … }}`", runtime.name.value);
        diagnostics.report(diagnostic.help(help));
        return None;
    };
    Some(argv.iter().map(|word| word.value.clone()).collect())
}

fn permission_words<'a>(part: &SettingsPart, file: &'a RuntimeFile, diagnostics: &mut Diagnostics) -> &'a [String] {
    let mode = part.permissions.as_ref().map_or("ask", |mode| mode.value.as_str());
    match file.permissions.iter().find(|(known, _)| known == mode) {
        Some((_, words)) => words,
        None => {
            if let Some(written) = part.permissions.as_ref().filter(|_| mode != "ask") {
                let message = format!("the runtime `{}` has no permission mode `{mode}`", file.name);
                let diagnostic = Diagnostic::error(Code::RuntimeLacks, message).at(written.span, "here");
                diagnostics.report(
                    diagnostic.help("remove the line, or describe the mode in a runtime file beside the roster"),
                );
            }
            &[]
        }
    }
}

pub(super) fn told<'a>(
    words: Option<&'a [String]>,
    what: &str,
    written: &Spanned<String>,
    file: &RuntimeFile,
    help: &str,
    diagnostics: &mut Diagnostics,
) -> &'a [String] {
    if words.is_none() {
        let article = if what.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        let message = format!("the runtime `{}` cannot be told {article} {what}", file.name);
        let diagnostic = Diagnostic::error(Code::RuntimeLacks, message).at(written.span, "here");
        diagnostics.report(diagnostic.help(help));
    }
    words.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_value_is_not_filled_again() {
        let expand = Expand { values: vec![("model", "{dir}".to_owned()), ("dir", "/d".to_owned())] };
        assert_eq!(expand.fill("--m={model} {dir}/{unknown} {"), "--m={dir} /d/{unknown} {");
    }

    #[test]
    fn json_files_keep_their_shape() {
        let expand = Expand { values: vec![("role-file", "/a\"b".to_owned())] };
        assert_eq!(expand.fill_with("{\"i\":[\"{role-file}\"]}", json_text), "{\"i\":[\"/a\\\"b\"]}");
    }
}
