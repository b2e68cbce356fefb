//! Roster + built-ins + facts about the host → Fleet; and the checks that need the whole program.

pub mod builtin;
mod checks;
mod launch;
pub mod model;
mod roles;
mod settings;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use model::{Agent, Fleet, HostFacts, Paths, place};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Sources, suggest};
use crate::ids::{AgentName, RoleName, RuntimeName};
use crate::manifest::{AgentKind, SecretSource};
use crate::roster::decode::role_file::RoleFile;
use crate::roster::decode::runtime_file::RuntimeFile;
use crate::roster::model::{AgentNode, PromptPart, Roster, SettingsPart};

/// What the roster names and the shell has read: files beside the roster, or the built-in text of that name.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The roster's canonical path.
    pub roster: PathBuf,
    /// Its folder: where relative paths start.
    pub folder: PathBuf,
    pub runtimes: BTreeMap<RuntimeName, FileId>,
    /// `None`: found, but it has mistakes, which are reported.
    pub roles: BTreeMap<RoleName, Option<RoleFile>>,
    /// Prompt files by the path written in the roster: their text, or why it cannot be read.
    pub prompts: BTreeMap<String, Result<String, String>>,
}

/// What the shell has to read before [`resolve`], besides the roles.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    pub runtimes: BTreeSet<RuntimeName>,
    pub prompts: BTreeSet<String>,
}

/// Role of the orchestrator and the enhancers, which they have by nature.
fn role_by_nature(kind: AgentKind) -> Option<RoleName> {
    match kind {
        AgentKind::Orchestrator => RoleName::new("orchestrator").ok(),
        AgentKind::Enhancer => RoleName::new("enhancer").ok(),
        AgentKind::Agent => None,
    }
}

/// Every place that holds settings.
fn parts<'a>(
    roster: &'a Roster,
    roles: &'a BTreeMap<RoleName, Option<RoleFile>>,
) -> impl Iterator<Item = &'a SettingsPart> {
    std::iter::once(&roster.defaults)
        .chain(roster.roles.iter().map(|role| &role.settings))
        .chain(roster.agents.iter().map(|agent| &agent.settings))
        .chain(roles.values().flatten().map(|role| &role.settings))
}

/// The roles that `roster` names. They are read first: their files name runtimes and prompts themselves.
#[must_use]
pub fn role_names(roster: &Roster) -> BTreeSet<RoleName> {
    let mut names = BTreeSet::new();
    for role in &roster.roles {
        names.insert(role.name.value.clone());
        names.extend(role.extends.as_ref().map(|base| base.value.clone()));
    }
    for agent in &roster.agents {
        names.extend(agent.role.as_ref().map(|role| role.value.clone()));
        names.extend(role_by_nature(agent.kind));
    }
    names
}

/// Lists what `roster` and its `roles` name outside themselves.
#[must_use]
pub fn needs(roster: &Roster, roles: &BTreeMap<RoleName, Option<RoleFile>>) -> Needs {
    let mut needs = Needs::default();
    for part in parts(roster, roles) {
        needs.runtimes.extend(part.runtime.as_ref().map(|runtime| runtime.name.value.clone()));
        if let Some(PromptPart::File(path)) = part.prompt.as_ref().map(|prompt| &prompt.value) {
            needs.prompts.insert(path.clone());
        }
    }
    needs
}

/// Everything the steps below look things up in.
struct Context<'a> {
    roster: &'a Roster,
    inputs: &'a Inputs,
    facts: &'a HostFacts,
    sources: &'a Sources,
    paths: Paths,
    runtimes: BTreeMap<RuntimeName, RuntimeFile>,
    /// Variables of the service manager that some agent's secret comes from.
    secret_variables: BTreeSet<String>,
}

/// Resolves a roster. `None` when errors were reported, now or before.
pub fn resolve(
    roster: &Roster,
    inputs: &Inputs,
    facts: &HostFacts,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Fleet> {
    checks::floor(roster, diagnostics);
    let names = checks::names(roster, diagnostics);
    let id = roster.id.as_ref().map(|id| id.value.clone());
    // An unknown id still lets every other mistake be found: the stand-in never leaves this function.
    let stand_in = crate::ids::FleetId::new("fleet").ok()?;
    let paths = Paths::new(id.as_ref().unwrap_or(&stand_in), facts);
    let context = Context {
        roster,
        inputs,
        facts,
        sources,
        paths,
        runtimes: launch::runtimes(inputs, sources, diagnostics),
        secret_variables: secret_variables(roster, inputs),
    };
    checks::roles(&context, diagnostics);
    let mut agents = Vec::new();
    let mut elsewhere = Vec::new();
    for node in &roster.agents {
        let here = node.host.as_ref().is_none_or(|host| host.value == facts.hostname);
        for (name, group) in instances(node, diagnostics) {
            match (&node.host, here) {
                (Some(host), false) => elsewhere.push((name, host.value.clone())),
                _ => agents.extend(agent(&context, node, name, group, &names, diagnostics)),
            }
        }
    }
    checks::cycles(&agents, diagnostics);
    checks::sockets(&agents, &context, diagnostics);
    checks::workspace(&context, diagnostics);
    checks::state_folder(&context, diagnostics);
    let id = id?;
    if diagnostics.has_errors() {
        return None;
    }
    Some(Fleet {
        id,
        roster: inputs.roster.clone(),
        paths: context.paths,
        agents,
        elsewhere,
        notes: notes(roster),
        grows_delays: parts(roster, &inputs.roles).any(|part| part.restart.max_delay_ms.is_some()),
    })
}

fn notes(roster: &Roster) -> Vec<String> {
    let mut notes = Vec::new();
    if roster.supervise == Some(true) {
        notes.push("declared, not enforced yet: supervise=#true".to_owned());
    }
    if roster.base.is_some() {
        notes.push("declared, not enforced yet: workspace base= (worktrees)".to_owned());
    }
    notes
}

/// The agents a node stands for: itself, or `name-1` … `name-N`.
fn instances(node: &AgentNode, diagnostics: &mut Diagnostics) -> Vec<(AgentName, Option<AgentName>)> {
    let Some(count) = node.count else { return vec![(node.name.value.clone(), None)] };
    let mut found = Vec::new();
    for number in 1..=count {
        match AgentName::new(&format!("{}-{number}", node.name.value)) {
            Ok(name) => found.push((name, Some(node.name.value.clone()))),
            Err(error) => {
                let message = format!("`{}-{number}` is not the name of an agent: {error}", node.name.value);
                let diagnostic = Diagnostic::error(Code::BadName, message).at(node.name.span, "with its number");
                diagnostics.report(diagnostic.help("shorten the name"));
                break;
            }
        }
    }
    found
}

fn secret_variables(roster: &Roster, inputs: &Inputs) -> BTreeSet<String> {
    parts(roster, &inputs.roles)
        .flat_map(|part| part.secrets.values())
        .filter_map(|secret| match &secret.from {
            SecretSource::Env(name) => Some(name.clone()),
            SecretSource::File(_) => None,
        })
        .collect()
}

fn agent(
    context: &Context<'_>,
    node: &AgentNode,
    name: AgentName,
    group: Option<AgentName>,
    names: &checks::Names,
    diagnostics: &mut Diagnostics,
) -> Option<Agent> {
    let role_name = node.role.as_ref().map(|role| role.value.clone()).or_else(|| role_by_nature(node.kind));
    let role = roles::resolve(context, node, role_name.as_ref(), diagnostics);
    let part = node.settings.clone().over(role.settings).over(context.roster.defaults.clone());
    let after = after(node, names, diagnostics);
    let mut settings = settings::settle(context, node, &part, diagnostics);
    let Some(runtime) = part.runtime.clone() else {
        let known: Vec<_> = builtin::RUNTIMES.iter().map(|(name, _)| *name).collect();
        let message = format!("agent `{}` has no runtime", node.name.value);
        let diagnostic = Diagnostic::error(Code::NoRuntime, message).at(node.name.span, "incomplete");
        let help =
            format!("add `runtime \"NAME\"` to it, to its role or to `defaults`; there is {}", suggest::list(&known));
        diagnostics.report(diagnostic.help(help));
        return None;
    };
    let Some(file) = context.runtimes.get(&runtime.name.value) else {
        if !context.inputs.runtimes.contains_key(&runtime.name.value) {
            let known = builtin::RUNTIMES.iter().map(|(name, _)| *name);
            let message = format!("there is no runtime `{}`", runtime.name.value);
            let help = suggest::sentence(runtime.name.value.as_str(), known);
            let help = format!("{help} Or write `runtimes/{}.kdl` beside the roster", runtime.name.value);
            diagnostics
                .report(Diagnostic::error(Code::UnknownRuntime, message).at(runtime.name.span, "unknown").help(help));
        }
        return None;
    };
    settings.policy.patterns.clone_from(&file.patterns);
    settings.policy.delivery.clone_from(&file.delivery);
    let launch = launch::launch(context, &name, &part, &runtime, file, role.text.as_deref(), diagnostics)?;
    let environment = variables::environment(context, &part, file, &launch.expand, diagnostics);
    Some(Agent {
        place: context.sources.place(node.name.span),
        span: node.name.span,
        group,
        kind: node.kind,
        role: role_name,
        may: role.may,
        after,
        runtime: runtime.name.value.as_str().to_owned(),
        model: runtime.model.map(|model| model.value),
        effort: runtime.effort.map(|effort| effort.value),
        argv: launch.argv,
        prompt_argv: launch.prompt_argv,
        dir: launch.dir,
        env: environment.env,
        search: environment.search,
        secrets: environment.secrets,
        unset: environment.unset,
        role_text: role.text,
        files: launch.files,
        script: runtime.script.map(crate::script::Script::new),
        terminal: settings.terminal,
        policy: settings.policy,
        name,
    })
}

fn after(node: &AgentNode, names: &checks::Names, diagnostics: &mut Diagnostics) -> Vec<AgentName> {
    let mut found = Vec::new();
    for wanted in &node.after {
        match names.get(&wanted.value) {
            Some(members) => found.extend(members.iter().cloned()),
            None => {
                let message = format!("there is no agent `{}`", wanted.value);
                let help = suggest::did_you_mean(wanted.value.as_str(), names.keys().map(AgentName::as_str));
                let diagnostic = Diagnostic::error(Code::UnknownAgent, message).at(wanted.span, "unknown");
                diagnostics.report(diagnostic.maybe_help(help));
            }
        }
    }
    found.dedup();
    found
}
