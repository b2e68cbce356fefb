//! Half-filled settings → final ones: the built-in defaults, and the checks of single values.

use std::sync::Arc;

use super::Context;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::manifest::{Delivery, Limits, LogPolicy, Policy, RestartPolicy, RestartWhen, Terminal};
use crate::quantity::{show_duration, show_size};
use crate::roster::model::{AgentNode, PromptPart, SettingsPart, Spanned};
use crate::roster::secrets;

const SECOND: u64 = 1_000;

/// A value that the built-in defaults give where nobody else does.
fn said<T>(value: Option<T>) -> T {
    value.expect("the built-in defaults say it, and a refused value never lies over them")
}

/// Settings without options.
pub(super) struct Settings {
    pub terminal: Terminal,
    pub policy: Policy,
}

/// Takes the options off. Patterns and delivery are the runtime's and stay empty here.
pub(super) fn settle(
    context: &Context<'_>,
    node: &AgentNode,
    part: &SettingsPart,
    diagnostics: &mut Diagnostics,
) -> Settings {
    let restart = RestartPolicy {
        when: said(part.restart.when),
        delay_ms: said(part.restart.delay_ms),
        max_delay_ms: said(part.restart.max_delay_ms),
        burst: said(part.restart.burst),
        within_ms: said(part.restart.within_ms),
        healthy_ms: said(part.restart.healthy_ms),
    };
    check_restart(&restart, part, node, diagnostics);
    check_limits(context, part, diagnostics);
    let stop_timeout = part.stop_timeout_ms.as_ref();
    if let Some(short) = stop_timeout.filter(|timeout| timeout.value < SECOND) {
        let message = format!("a stop time-out of {} gives no agent the time to end", show_duration(short.value));
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(short.span, "too short");
        diagnostics.report(diagnostic.help("write at least \"1s\"; the default is \"20s\""));
    }
    Settings {
        terminal: Terminal { scrollback: said(part.scrollback), ..Terminal::default() },
        policy: Policy {
            description: part.description.clone(),
            prompt: part.prompt.as_ref().and_then(|prompt| prompt_text(context, prompt, diagnostics)),
            autostart: said(part.autostart),
            restart,
            limits: Limits {
                memory: part.limits.memory.as_ref().map(|memory| memory.value),
                memory_high: part.limits.memory_high.as_ref().map(|memory| memory.value),
                tasks: part.limits.tasks,
                cpu_percent: part.limits.cpu_percent,
            },
            stop_timeout_ms: said(stop_timeout).value,
            log: LogPolicy { size: said(part.log.size), keep: said(part.log.keep), off: said(part.log.off) },
            patterns: Arc::default(),
            delivery: Delivery::default(),
            resume: None,
        },
    }
}

/// A text, wherever it stands.
pub(super) fn prompt_text(
    context: &Context<'_>,
    prompt: &Spanned<PromptPart>,
    diagnostics: &mut Diagnostics,
) -> Option<String> {
    let path = match &prompt.value {
        PromptPart::Text(text) => return Some(text.clone()),
        PromptPart::File(path) => context.inputs.place(path, prompt.span.file, context.facts),
    };
    match context.inputs.prompts.get(&path)? {
        Ok(text) => {
            if secrets::is_inside(text) {
                let message =
                    "this file holds what looks like a secret, and the prompt is written where the agent reads it";
                let diagnostic = Diagnostic::error(Code::SecretLiteral, message).at(prompt.span, "this file");
                diagnostics.report(
                    diagnostic.help("take it out; give it to the agent with `secret \"NAME\" from=\"file:PATH\"`"),
                );
            }
            Some(text.clone())
        }
        Err(why) => {
            let message = format!("the prompt file cannot be read: {why}");
            let diagnostic = Diagnostic::error(Code::FileNotRead, message).at(prompt.span, "here");
            diagnostics.report(diagnostic.help("paths are relative to the folder of the file they stand in"));
            None
        }
    }
}

/// The waits before `burst` restarts, doubling from `delay` up to `max-delay`, in milliseconds.
fn waits(restart: &RestartPolicy) -> u64 {
    let mut total: u64 = 0;
    let mut delay = restart.delay_ms;
    for _ in 0..restart.burst {
        total = total.saturating_add(delay.min(restart.max_delay_ms));
        delay = delay.saturating_mul(2);
    }
    total
}

fn check_restart(restart: &RestartPolicy, part: &SettingsPart, node: &AgentNode, diagnostics: &mut Diagnostics) {
    let span = part.restart.span.unwrap_or(node.span);
    let total = waits(restart);
    if restart.when != RestartWhen::Never && total > restart.within_ms {
        let message = format!(
            "this limit can never be reached: {} restarts wait {} in all, longer than within=\"{}\"",
            restart.burst,
            show_duration(total),
            show_duration(restart.within_ms)
        );
        let help = format!("raise within= above \"{}\", or lower burst=, delay= or max-delay=", show_duration(total));
        diagnostics.report(Diagnostic::error(Code::LimiterNeverTrips, message).at(span, "here").help(help));
    }
    if restart.delay_ms < 100 {
        let message = format!("a restart delay of {} is a busy loop", show_duration(restart.delay_ms));
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(span, "here");
        diagnostics.report(diagnostic.help("write delay=\"1s\" or more; the default is \"15s\""));
    }
}

/// A size as people say it.
fn about(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 30;
    match (tenths / 10, tenths % 10) {
        (0, _) => show_size(bytes >> 20 << 20),
        (whole, 0) => format!("{whole} GB"),
        (whole, part) => format!("{whole}.{part} GB"),
    }
}

fn check_limits(context: &Context<'_>, part: &SettingsPart, diagnostics: &mut Diagnostics) {
    if let (Some(memory), Some(total)) = (&part.limits.memory, context.facts.memory)
        && memory.value > total
    {
        let message = format!("the limit is above this machine's {} of memory", about(total));
        let diagnostic = Diagnostic::warning(Code::HostLimit, message).at(memory.span, "never reached here");
        diagnostics.report(diagnostic.help("lower memory= if the limit shall hold on this machine"));
    }
    if let (Some(high), Some(memory)) = (&part.limits.memory_high, &part.limits.memory)
        && high.value > memory.value
    {
        let message = "memory-high= is above memory=, so it never takes effect";
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(high.span, "above the hard limit");
        diagnostics.report(diagnostic.help("write a memory-high= below memory="));
    }
    let both = [part.limits.memory.as_ref(), part.limits.memory_high.as_ref()];
    // systemd ignores a limit of nothing, so there would be none.
    if let Some(small) = both.into_iter().flatten().find(|memory| memory.value < 1 << 20) {
        let message = format!("{} bytes of memory is less than any agent needs", small.value);
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(small.span, "here");
        diagnostics.report(diagnostic.help("write a unit, as in \"6G\""));
    }
}
