//! Settings, as `defaults`, roles and agents hold them.

use super::{canary, spend};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ids::ChainName;
use crate::manifest::{RestartWhen, SecretDelivery};
use crate::roster::check::{Node, Value};
use crate::roster::model::{
    LifecyclePart, LimitsPart, LogPart, PromptPart, RestartPart, RuntimePart, SandboxPart, SecretPart, SettingsPart,
    Spanned, StallPart, WorktreePart,
};

pub(super) fn part(nodes: &[Node], diagnostics: &mut Diagnostics) -> SettingsPart {
    let mut part = SettingsPart::default();
    for node in nodes {
        match node.spec.name {
            "runtime" => part.runtime = runtime(node),
            "models" => part.models = chain(node),
            "dir" => part.dir = node.text(0),
            "worktree" => part.worktree = Some(worktree(node)),
            "prompt" => part.prompt = prompt(node, diagnostics),
            "resume" => part.resume = node.text(0),
            "permissions" => part.permissions = node.text(0),
            "home" => part.home = node.text(0),
            "autostart" => part.autostart = node.flag(0),
            "lifecycle" => part.lifecycle = lifecycle(node),
            "env" => env(node, &mut part, diagnostics),
            "path" => part.path = Some(node.texts()),
            "secret" => secret(node, &mut part, diagnostics),
            "limits" => part.limits = limits(node),
            "sandbox" => part.sandbox = sandbox(node),
            "stall" => part.stall = stall(node),
            "heartbeat" => part.heartbeat_ms = node.property_amount("every"),
            "spend" => part.spend = spend(node),
            "restart" => part.restart = restart(node),
            "stop-timeout" => part.stop_timeout_ms = node.amount(0),
            "log" => part.log = log(node),
            "scrollback" => part.scrollback = node.integer(0).and_then(|lines| u32::try_from(lines).ok()),
            "description" => part.description = node.text(0).map(|text| text.value),
            _ => {}
        }
    }
    part
}

fn runtime(node: &Node) -> Option<RuntimePart> {
    let first = node.arguments.first()?;
    let Value::RuntimeName(name) = &first.value else { return None };
    Some(RuntimePart {
        name: Spanned::new(name.clone(), first.span),
        model: node.property_text("model"),
        effort: node.property_text("effort"),
        argv: node.child("argv").map(Node::texts),
        script: node.child("script").map(|script| canary::steps(&script.children)),
    })
}

fn chain(node: &Node) -> Option<Spanned<ChainName>> {
    let name = node.text(0)?;
    Some(Spanned::new(ChainName::new(&name.value).ok()?, name.span))
}

fn flag(node: &Node, name: &str) -> Option<Spanned<bool>> {
    Some(Spanned::new(node.property_flag(name)?, node.properties.get(name)?.span))
}

fn worktree(node: &Node) -> WorktreePart {
    WorktreePart { span: node.span, readonly: flag(node, "readonly"), branch: node.property_text("branch") }
}

fn lifecycle(node: &Node) -> LifecyclePart {
    LifecyclePart {
        when: node.text(0),
        idle_stop: node.property_amount("idle-stop"),
        max: node.property_count("max"),
    }
}

fn sandbox(node: &Node) -> SandboxPart {
    SandboxPart { which: node.text(0), required: flag(node, "required") }
}

fn stall(node: &Node) -> StallPart {
    StallPart { after: node.property_amount("after"), nudge: node.property_flag("nudge") }
}

pub(super) fn prompt(node: &Node, diagnostics: &mut Diagnostics) -> Option<Spanned<PromptPart>> {
    let text = node.text(0);
    let file = node.property_text("file");
    match (text, file) {
        (Some(text), None) => Some(Spanned::new(PromptPart::Text(text.value), text.span)),
        (None, Some(file)) => Some(Spanned::new(PromptPart::File(file.value), file.span)),
        (text, _) => {
            if text.is_some() || (node.arguments.is_empty() && node.properties.is_empty()) {
                let message =
                    if text.is_some() { "a prompt is a text or a file, not both" } else { "this prompt is empty" };
                let help = "write `prompt \"TEXT\"` or `prompt file=\"PATH\"`";
                diagnostics.report(Diagnostic::error(Code::BadValue, message).at(node.span, "here").help(help));
            }
            None
        }
    }
}

fn env(node: &Node, part: &mut SettingsPart, diagnostics: &mut Diagnostics) {
    let (Some(key), Some(value)) = (node.text(0), node.text(1)) else { return };
    if let Some(first) = part.env.get(&key.value) {
        twice(&key, "variable", first.span, diagnostics);
    } else {
        part.env.insert(key.value, value);
    }
}

fn secret(node: &Node, part: &mut SettingsPart, diagnostics: &mut Diagnostics) {
    let Some(name) = node.text(0) else { return };
    if let Some(first) = part.secrets.get(&name.value) {
        twice(&name, "secret", first.span, diagnostics);
        return;
    }
    let Some(Value::Secret(from)) = node.properties.get("from").map(|from| from.value.clone()) else { return };
    let delivery = match node.property_text("as").map(|word| word.value).as_deref() {
        Some("env") => SecretDelivery::Env,
        _ => SecretDelivery::File,
    };
    let version = node.property_text("version").map(|version| version.value);
    part.secrets.insert(name.value, SecretPart { span: name.span, from, delivery, version });
}

fn twice(name: &Spanned<String>, what: &str, first: crate::diagnostic::Span, diagnostics: &mut Diagnostics) {
    let diagnostic = Diagnostic::error(Code::DuplicateNode, format!("the {what} `{}` is given twice", name.value));
    diagnostics.report(diagnostic.at(name.span, "again here").at(first, "first here").help("keep one of them"));
}

fn limits(node: &Node) -> LimitsPart {
    LimitsPart {
        memory: node.property_amount("memory"),
        memory_high: node.property_amount("memory-high"),
        tasks: node.property_integer("tasks").and_then(|tasks| u64::try_from(tasks).ok()),
        cpu_percent: node.property_amount("cpu").and_then(|cpu| u32::try_from(cpu.value).ok()),
    }
}

fn restart(node: &Node) -> RestartPart {
    RestartPart {
        span: Some(node.span),
        when: node.text(0).map(|word| match word.value.as_str() {
            "never" => RestartWhen::Never,
            "always" => RestartWhen::Always,
            _ => RestartWhen::OnFailure,
        }),
        delay_ms: node.property_amount("delay").map(|amount| amount.value),
        max_delay_ms: node.property_amount("max-delay").map(|amount| amount.value),
        burst: node.property_integer("burst").and_then(|burst| u32::try_from(burst).ok()),
        within_ms: node.property_amount("within").map(|amount| amount.value),
        healthy_ms: node.property_amount("healthy").map(|amount| amount.value),
    }
}

fn log(node: &Node) -> LogPart {
    LogPart {
        size: node.property_amount("size").map(|size| size.value),
        keep: node.property_integer("keep").and_then(|keep| u32::try_from(keep).ok()),
        off: node.property_flag("off"),
    }
}
