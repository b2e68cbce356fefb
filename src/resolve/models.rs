//! Which models an agent may be started with: what its runtime says, or its chain.

use std::collections::BTreeMap;

use super::{Context, FILES, Fallback, Member, launch, variables, watch};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::{AgentName, RuntimeName};
use crate::roster::decode::runtime_file::RuntimeFile;
use crate::roster::model::{Chain, RuntimePart, SettingsPart, Use};

/// The runtimes and models that the agent may be started with, the first one first: its chain, or its runtime alone.
/// Empty: it has neither.
pub(super) fn choose(context: &Context<'_>, part: &SettingsPart, diagnostics: &mut Diagnostics) -> Vec<RuntimePart> {
    let chain = chain(context, part, diagnostics).unwrap_or_default();
    if chain.is_empty() { part.runtime.iter().cloned().collect() } else { chain }
}

/// The agent's chain, from the model on that its runtime names. `None`: it has none, or mistakes were reported.
fn chain(context: &Context<'_>, part: &SettingsPart, diagnostics: &mut Diagnostics) -> Option<Vec<RuntimePart>> {
    let wanted = part.models.as_ref()?;
    let Some(chain) = context.roster.chains.iter().find(|chain| chain.name.value == wanted.value) else {
        let known: Vec<_> = context.roster.chains.iter().map(|chain| chain.name.value.as_str()).collect();
        let help = suggest::did_you_mean(wanted.value.as_str(), known.iter().copied())
            .unwrap_or_else(|| format!("declare it at the top: `models \"{}\" {{ use \"MODEL\" }}`", wanted.value));
        let message = format!("there is no chain of models `{}`", wanted.value);
        diagnostics.report(Diagnostic::error(Code::UnknownChain, message).at(wanted.span, "unknown").help(help));
        return None;
    };
    let own = part.runtime.as_ref();
    for (index, link) in chain.uses.iter().enumerate() {
        let runtime = |link: &Use| {
            let named = link.runtime.as_ref().or(own.map(|own| &own.name));
            named.map(|runtime| runtime.value.clone())
        };
        let same = |other: &&Use| other.model.value == link.model.value && runtime(other) == runtime(link);
        if let Some(first) = chain.uses[..index].iter().find(same) {
            let message = format!("the model `{}` stands twice in the chain", link.model.value);
            let diagnostic = Diagnostic::error(Code::DuplicateName, message).at(link.model.span, "again here");
            diagnostics.report(diagnostic.at(first.model.span, "first here").help("keep one of them"));
        }
    }
    for link in &chain.uses {
        check(context, link, own, diagnostics);
    }
    let first = match own.and_then(|runtime| runtime.model.as_ref()) {
        None => 0,
        Some(model) => match chain.uses.iter().position(|link| link.model.value == model.value) {
            Some(place) => place,
            None => {
                let message = format!("the model `{}` is not in the chain `{}`", model.value, chain.name.value);
                let diagnostic = Diagnostic::error(Code::ModelNotInChain, message).at(model.span, "this model");
                let help = "take `model=` out (the chain's first is started), or add the model to the chain";
                diagnostics.report(diagnostic.at(chain.name.span, "this chain").help(help));
                return None;
            }
        },
    };
    chain.uses[first..].iter().map(|link| start(link, own)).collect()
}

/// What the agent called `name` falls back to: the models behind its first, whose runtime is that of `first`.
pub(super) fn behind(
    context: &Context<'_>,
    name: &AgentName,
    member: &Member<'_>,
    first: &RuntimeFile,
    links: &[RuntimePart],
    diagnostics: &mut Diagnostics,
) -> Vec<Fallback> {
    let part = &member.part;
    let mut found = Vec::new();
    // One folder for all, so that a model may change its place in the chain; unless two CLIs have a `settings.json`.
    let mut placed: BTreeMap<&str, &RuntimeName> =
        first.files.iter().map(|(file, _)| (&**file, &first.name)).collect();
    for runtime in links {
        let Some(file) = launch::known_runtime(context, &runtime.name, diagnostics) else { continue };
        let taken = file.files.iter().any(|(name, _)| placed.get(&**name).is_some_and(|other| **other != file.name));
        let folder = if taken { format!("{FILES}.{}", file.name) } else { FILES.to_owned() };
        if !taken {
            placed.extend(file.files.iter().map(|(name, _)| (&**name, &file.name)));
        }
        let link = launch::Link { runtime, file, folder: &folder };
        let text = member.role.text.as_deref();
        let Some(launch) = launch::launch(context, name, part, link, text, diagnostics) else { continue };
        let environment = variables::environment(context, part, file, &launch.expand, diagnostics);
        let resumes = part.resume.as_ref().is_none_or(|word| word.value != "never");
        found.push(Fallback {
            runtime: runtime.name.value.as_str().to_owned(),
            model: runtime.model.as_ref().map(|model| model.value.clone()),
            effort: runtime.effort.as_ref().map(|effort| effort.value.clone()),
            argv: launch.argv,
            prompt_argv: launch.prompt_argv,
            env: environment.env,
            files: launch.files,
            folder,
            patterns: file.patterns.clone(),
            delivery: file.delivery.clone(),
            resume: file.resume.clone().filter(|_| resumes),
            heartbeat: watch::heartbeat(part, file),
        });
    }
    found
}

/// The runtime that `link` names, or the agent's own, told this model.
fn start(link: &Use, own: Option<&RuntimePart>) -> Option<RuntimePart> {
    let name = link.runtime.clone().or_else(|| own.map(|own| own.name.clone()))?;
    // Words and effort belong to their runtime.
    let own = own.filter(|own| own.name.value == name.value);
    Some(RuntimePart {
        name,
        model: Some(link.model.clone()),
        effort: link.effort.clone().or_else(|| own.and_then(|own| own.effort.clone())),
        argv: own.and_then(|own| own.argv.clone()),
        script: own.and_then(|own| own.script.clone()),
    })
}

/// Every link must be able to start: falling back is no time for surprises.
fn check(context: &Context<'_>, link: &Use, own: Option<&RuntimePart>, diagnostics: &mut Diagnostics) {
    let Some(started) = start(link, own) else { return };
    let Some(file) = launch::known_runtime(context, &started.name, diagnostics) else { return };
    let help = "name a runtime that can with `runtime=`, or take this model out of the chain";
    launch::told(file.model.as_deref(), "model", &link.model, file, help, diagnostics);
    if let Some(effort) = &link.effort {
        launch::told(file.effort.as_deref(), "effort", effort, file, "remove `effort=`", diagnostics);
    }
}

/// Chains that stand twice.
pub(super) fn twins(chains: &[Chain], diagnostics: &mut Diagnostics) {
    super::checks::twins(
        chains.iter().map(|chain| ("chains of models", chain.name.value.as_str(), chain.name.span)),
        diagnostics,
    );
}
