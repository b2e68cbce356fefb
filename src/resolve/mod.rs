//! Roster + built-ins + facts about the host → Fleet; and the checks that need the whole program.

pub mod builtin;
mod checks;
pub mod envelope;
pub mod expand;
mod launch;
pub mod model;
mod models;
mod roles;
mod settings;
mod variables;
mod view;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use model::{Agent, Fallback, Fleet, HostFacts, Paths, Watch, Worktree, place};
pub use view::Window;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Sources, suggest};
use crate::ids::{AgentName, RoleName, RuntimeName};
use crate::manifest::{AgentKind, SecretSource};
use crate::roster::check::Node;
use crate::roster::decode::role_file::RoleFile;
use crate::roster::decode::runtime_file::RuntimeFile;
use crate::roster::model::{AgentNode, PromptPart, RoleNode, Roster, SettingsPart, Spanned};
use crate::roster::{decode, merge};

/// What the roster names and the shell has read: files beside the roster, or the built-in text of that name.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The roster's canonical path.
    pub roster: PathBuf,
    /// Its folder: where the relative paths of files that are not in `folders` start.
    pub folder: PathBuf,
    /// The folder of each file, where its relative paths start.
    pub folders: BTreeMap<FileId, PathBuf>,
    /// The weakest layer of settings: [`crate::roster::defaults::nodes`].
    pub defaults: Vec<Node>,
    pub runtimes: BTreeMap<RuntimeName, FileId>,
    /// Runtimes whose file is there and cannot be used, which was reported.
    pub unreadable: BTreeSet<RuntimeName>,
    /// `None`: found, but it has mistakes, which are reported.
    pub roles: BTreeMap<RoleName, Option<RoleFile>>,
    /// Prompt files by their place: their text, or why it cannot be read.
    pub prompts: BTreeMap<PathBuf, Result<String, String>>,
}

impl Inputs {
    /// Where a written path leads. It starts at the folder of the file it stands in.
    #[must_use]
    pub fn place(&self, written: &str, file: FileId, facts: &HostFacts) -> PathBuf {
        place(written, self.folders.get(&file).unwrap_or(&self.folder), &facts.home)
    }
}

/// What the shell has to read before [`resolve`], besides the roles.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    pub runtimes: BTreeSet<RuntimeName>,
    pub prompts: BTreeSet<PathBuf>,
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
        .map(|layer| &layer.part)
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
    // Given to agents that come later, by whoever may `compose`: as they are now.
    names.extend(roster.compose.iter().flat_map(|compose| &compose.roles).map(|role| role.value.clone()));
    names
}

/// Lists what `roster` and the roles in `inputs` name outside themselves.
#[must_use]
pub fn needs(roster: &Roster, inputs: &Inputs, facts: &HostFacts) -> Needs {
    let mut needs = Needs::default();
    let mut prompt = |prompt: Option<&Spanned<PromptPart>>| {
        if let Some(Spanned { value: PromptPart::File(path), span }) = prompt {
            needs.prompts.insert(inputs.place(path, span.file, facts));
        }
    };
    for part in parts(roster, &inputs.roles) {
        needs.runtimes.extend(part.runtime.as_ref().map(|runtime| runtime.name.value.clone()));
        prompt(part.prompt.as_ref());
    }
    for role in &roster.roles {
        prompt(role.prompt.as_ref());
    }
    let uses = roster.chains.iter().flat_map(|chain| &chain.uses);
    needs.runtimes.extend(uses.filter_map(|one| one.runtime.as_ref()).map(|runtime| runtime.value.clone()));
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
    /// The roles of the roster by name; the first of two.
    roles: BTreeMap<&'a RoleName, &'a RoleNode>,
    /// Variables of the service manager that some agent's secret comes from.
    secret_variables: BTreeSet<String>,
}

impl<'a> Context<'a> {
    /// Enough for roles and settings; runtimes are not looked at.
    fn without_runtimes(roster: &'a Roster, inputs: &'a Inputs, facts: &'a HostFacts, sources: &'a Sources) -> Self {
        let nowhere = PathBuf::new;
        let paths = Paths { state: nowhere(), runtime: nowhere(), units: nowhere(), worktrees: nowhere() };
        let (runtimes, secret_variables) = (BTreeMap::new(), BTreeSet::new());
        let roles = roles::by_name(roster);
        Self { roster, inputs, facts, sources, paths, runtimes, roles, secret_variables }
    }
}

/// The folder of a runtime's files, in the agent's.
pub const FILES: &str = "files";

/// The node that declares an agent of this kind.
fn kind_word(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Orchestrator => "orchestrator",
        AgentKind::Enhancer => "enhancer",
        AgentKind::Agent => "agent",
    }
}

/// One node of the roster that declares agents, with what all its instances share.
struct Member<'a> {
    node: &'a AgentNode,
    instances: Vec<(AgentName, Option<AgentName>)>,
    role: roles::Role,
    /// Its settings, all layers laid over each other.
    part: SettingsPart,
    after: Vec<AgentName>,
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
    if !checks::few_enough(roster, diagnostics) {
        return None;
    }
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
        roles: roles::by_name(roster),
        secret_variables: secret_variables(roster, inputs),
    };
    checks::roles::declared(&context, diagnostics);
    let members: Vec<Member<'_>> = roster
        .agents
        .iter()
        .map(|node| {
            let role = roles::resolve(&context, node, diagnostics);
            Member {
                instances: instances(node, diagnostics),
                part: decode::settings(&layers(&context, node, &role)),
                after: after(node, &names, diagnostics),
                role,
                node,
            }
        })
        .collect();
    let mut agents = Vec::new();
    let mut elsewhere = Vec::new();
    for member in &members {
        let host = member.node.host.as_ref().or(roster.host.as_ref());
        match host.filter(|host| host.value != facts.hostname) {
            Some(host) => {
                let names = member.instances.iter().map(|(name, _)| (name.clone(), host.value.clone()));
                elsewhere.extend(names);
            }
            None => agents.extend(here(&context, member, diagnostics)),
        }
    }
    checks::order::cycles(&agents, diagnostics);
    checks::sockets(&agents, &context, diagnostics);
    checks::workspace(&context, diagnostics);
    checks::state_folder(&context, diagnostics);
    checks::whole(&context, &members, &names, diagnostics);
    let id = id?;
    let supervise = roster.supervise != Some(false);
    if diagnostics.has_errors() {
        return None;
    }
    Some(Fleet {
        id,
        roster: inputs.roster.clone(),
        paths: context.paths,
        windows: view::windows(roster, &members, &agents),
        agents,
        elsewhere,
        declared: declared(roster, inputs, sources, supervise),
        supervise,
        spend: watch::fleet_spend(roster),
        agents_secrets: watch::agents_secrets(roster, &context.secret_variables),
        grows_delays: parts(roster, &inputs.roles).any(|part| part.restart.max_delay_ms.is_some()),
    })
}

/// The settings of an agent, strongest first: its own, its role's, `defaults`, built in.
fn layers(context: &Context<'_>, node: &AgentNode, role: &roles::Role) -> Vec<Node> {
    let weak = merge::over(&context.roster.defaults.nodes, &context.inputs.defaults);
    merge::over(&node.settings.nodes, &merge::over(&role.settings, &weak))
}

/// What the roster says and nothing acts on.
fn declared(roster: &Roster, inputs: &Inputs, sources: &Sources, supervise: bool) -> Vec<String> {
    let mut said: Vec<(String, crate::diagnostic::Span, usize)> = Vec::new();
    let roles = inputs.roles.values().flatten().flat_map(|role| &role.declared);
    for found in roster.declared.iter().chain(roles).filter(|found| !(supervise && found.supervised)) {
        match said.iter_mut().find(|(what, ..)| *what == found.what) {
            Some((.., count)) => *count += 1,
            None => said.push((found.what.clone(), found.span, 1)),
        }
    }
    said.into_iter()
        .map(|(what, span, count)| {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("{what} ({}{more})", sources.place(span))
        })
        .collect()
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
            _ => None,
        })
        .collect()
}

/// The instances of one node that run on this machine.
fn here(context: &Context<'_>, member: &Member<'_>, diagnostics: &mut Diagnostics) -> Vec<Agent> {
    let (node, part) = (member.node, &member.part);
    let mut settings = settings::settle(context, node, part, diagnostics);
    let chain = models::choose(context, part, diagnostics);
    let Some((runtime, behind)) = chain.split_first() else {
        let defaults = context.roster.nodes.iter().find(|node| node.spec.name == "defaults");
        let misspelt = defaults.is_some_and(|defaults| defaults.meant.contains(&"runtime"));
        // An unknown role may have brought it.
        let unknown_role = member.role.name.is_some() && !member.role.known;
        if node.meant_runtime || misspelt || unknown_role {
            return Vec::new();
        }
        let known: Vec<_> = builtin::RUNTIMES.iter().map(|(name, _)| *name).collect();
        let message = format!("agent `{}` has no runtime", node.name.value);
        let diagnostic = Diagnostic::error(Code::NoRuntime, message).at(node.name.span, "incomplete");
        let help =
            format!("add `runtime \"NAME\"` to it, to its role or to `defaults`; there is {}", suggest::list(&known));
        diagnostics.report(diagnostic.help(help));
        return Vec::new();
    };
    let Some(file) = launch::known_runtime(context, &runtime.name, diagnostics) else { return Vec::new() };
    settings.policy.patterns.clone_from(&file.patterns);
    settings.policy.delivery.clone_from(&file.delivery);
    if part.resume.as_ref().is_none_or(|word| word.value != "never") {
        settings.policy.resume.clone_from(&file.resume);
    }
    let mut agents = Vec::new();
    for (name, group) in &member.instances {
        let text = member.role.text.as_deref();
        let link = launch::Link { runtime, file, folder: FILES };
        let Some(launch) = launch::launch(context, name, part, link, text, diagnostics) else { continue };
        let fallbacks = models::behind(context, name, member, file, behind, diagnostics);
        let environment = variables::environment(context, part, file, &launch.expand, diagnostics);
        agents.push(Agent {
            place: context.sources.place(node.name.span),
            span: node.name.span,
            group: group.clone(),
            was: node.was.as_ref().and_then(|was| former_name(&was.value, name, group.as_ref())),
            kind: node.kind,
            role: member.role.name.clone(),
            may: member.role.may.clone(),
            after: member.after.clone(),
            runtime: runtime.name.value.as_str().to_owned(),
            model: runtime.model.as_ref().map(|model| model.value.clone()),
            effort: runtime.effort.as_ref().map(|effort| effort.value.clone()),
            argv: launch.argv,
            prompt_argv: launch.prompt_argv,
            dir: launch.dir,
            worktree: launch.worktree,
            env: environment.env,
            search: environment.search,
            secrets: environment.secrets,
            unset: environment.unset,
            role_text: member.role.text.clone(),
            files: launch.files,
            script: runtime.script.clone().map(crate::script::Script::new),
            terminal: settings.terminal.clone(),
            policy: settings.policy.clone(),
            watch: watch::watch(member, file),
            fallbacks,
            requires_sandbox: part.sandbox.required.as_ref().filter(|flag| flag.value).map(|flag| flag.span),
            name: name.clone(),
        });
    }
    agents
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

/// What `name` was called when its node was called `was`: a group's members keep their numbers.
fn former_name(was: &AgentName, name: &AgentName, group: Option<&AgentName>) -> Option<AgentName> {
    let Some(group) = group else { return Some(was.clone()) };
    let number = name.as_str().strip_prefix(group.as_str())?;
    AgentName::new(&format!("{was}{number}")).ok()
}
