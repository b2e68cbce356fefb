//! Which model an agent starts with: what its runtime says, or the first of its chain.

use super::{Context, launch};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::roster::model::{Chain, RuntimePart, SettingsPart, Use};

/// The runtime and model that the agent's chain starts with. `None`: it has none, or mistakes were reported.
pub(super) fn choose(
    context: &Context<'_>,
    part: &SettingsPart,
    diagnostics: &mut Diagnostics,
) -> Option<RuntimePart> {
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
        let runtime = |link: &Use| link.runtime.as_ref().map(|runtime| runtime.value.clone());
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
        None => chain.uses.first()?,
        Some(model) => match chain.uses.iter().find(|link| link.model.value == model.value) {
            Some(link) => link,
            None => {
                let message = format!("the model `{}` is not in the chain `{}`", model.value, chain.name.value);
                let diagnostic = Diagnostic::error(Code::ModelNotInChain, message).at(model.span, "this model");
                let help = "take `model=` out (the chain's first is started), or add the model to the chain";
                diagnostics.report(diagnostic.at(chain.name.span, "this chain").help(help));
                return None;
            }
        },
    };
    start(first, own)
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
