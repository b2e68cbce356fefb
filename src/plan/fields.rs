//! The fields of an agent, each with its effect class: what a change of it costs a running agent.
//!
//! Every field of [`Launch`], [`Policy`] and [`AgentPolicy`] is taken apart here by name, so a new one does not compile until somebody
//! has given it a class.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ids::{AgentName, Digest};
use crate::manifest::{
    Fallback, Launch, Limits, LogPolicy, Manifest, Policy, RestartPolicy, RestartWhen, SecretDelivery, SecretRef,
    SecretSource,
};
use crate::quantity::{show_duration, show_size};
use crate::supervise::policy::{AgentPolicy, Heartbeat, HeartbeatKind, Lifecycle, Link, Spend, Stall};

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    pub name: &'static str,
    pub from: Option<String>,
    pub to: Option<String>,
    pub effect: Class,
}

/// What a change costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Applied without touching the process.
    Live,
    /// The process keeps running until it is restarted.
    Restart,
}

struct Sink(Vec<FieldChange>);

impl Sink {
    fn put(&mut self, name: &'static str, effect: Class, from: Option<String>, to: Option<String>) {
        if from != to {
            self.0.push(FieldChange { name, from, to, effect });
        }
    }

    /// A field whose change is shown by its name only.
    fn opaque(&mut self, name: &'static str, effect: Class, same: bool) {
        if !same {
            self.0.push(FieldChange { name, from: None, to: None, effect });
        }
    }
}

/// What an agent was started with against what it shall be started with.
#[must_use]
pub fn launch(old: &Launch, new: &Launch) -> Vec<FieldChange> {
    let Launch {
        runtime,
        model,
        effort,
        argv,
        prompt_argv,
        dir,
        env_keys,
        env_digest,
        unset: _, // other agents' secrets: taken away at the next start, never a reason for one
        secrets,
        role_digest,
        files,
        terminal,
    } = old;
    let mut sink = Sink(Vec::new());
    let class = Class::Restart;
    sink.put("runtime", class, Some(runtime.clone()), Some(new.runtime.clone()));
    sink.put("model", class, model.clone(), new.model.clone());
    sink.put("effort", class, effort.clone(), new.effort.clone());
    // Model and effort stand in the command too; the command is named only when it changes by itself.
    if sink.0.is_empty() {
        sink.put("command", class, Some(words(argv)), Some(words(&new.argv)));
        sink.opaque("prompt arguments", class, *prompt_argv == new.prompt_argv);
    }
    sink.put("dir", class, Some(dir.display().to_string()), Some(new.dir.display().to_string()));
    if *env_keys == new.env_keys {
        sink.opaque("env", class, *env_digest == new.env_digest);
    } else {
        sink.put("env", class, Some(env_keys.join(" ")), Some(new.env_keys.join(" ")));
    }
    sink.put("secrets", class, secret_words(secrets), secret_words(&new.secrets));
    sink.opaque("role text", class, *role_digest == new.role_digest);
    let script = |files: &BTreeMap<String, Digest>| files.get("script.json").cloned();
    let others = |files: &BTreeMap<String, Digest>| {
        files
            .iter()
            .filter(|(name, _)| *name != "script.json")
            .map(|(name, digest)| (name.clone(), digest.clone()))
            .collect::<Vec<_>>()
    };
    sink.opaque("script", class, script(files) == script(&new.files));
    sink.opaque("runtime files", class, others(files) == others(&new.files));
    sink.put("scrollback", class, Some(terminal.scrollback.to_string()), Some(new.terminal.scrollback.to_string()));
    let size = |t: &crate::manifest::Terminal| Some(format!("{}x{} {}", t.columns, t.rows, t.term));
    sink.put("terminal", class, size(terminal), size(&new.terminal));
    sink.0
}

/// What an agent runs under now against what it shall run under.
#[must_use]
pub fn policy(old: &Policy, new: &Policy) -> Vec<FieldChange> {
    let Policy { description, prompt, autostart, restart, limits, stop_timeout_ms, log, patterns, delivery, resume } =
        old;
    let mut sink = Sink(Vec::new());
    let class = Class::Live;
    sink.put("description", class, description.clone(), new.description.clone());
    sink.opaque("prompt", class, *prompt == new.prompt);
    sink.put("autostart", class, Some(flag(*autostart)), Some(flag(new.autostart)));
    let time =
        |name, from, to, sink: &mut Sink| sink.put(name, class, Some(show_duration(from)), Some(show_duration(to)));
    let RestartPolicy { when, delay_ms, max_delay_ms, burst, within_ms, healthy_ms } = restart;
    sink.put("restart", class, Some(restart_word(*when)), Some(restart_word(new.restart.when)));
    time("restart delay", *delay_ms, new.restart.delay_ms, &mut sink);
    time("restart max-delay", *max_delay_ms, new.restart.max_delay_ms, &mut sink);
    sink.put("restart burst", class, Some(burst.to_string()), Some(new.restart.burst.to_string()));
    time("restart within", *within_ms, new.restart.within_ms, &mut sink);
    time("restart healthy", *healthy_ms, new.restart.healthy_ms, &mut sink);
    let Limits { memory, memory_high, tasks, cpu_percent } = limits;
    sink.put("limits memory", class, memory.map(show_size), new.limits.memory.map(show_size));
    sink.put("limits memory-high", class, memory_high.map(show_size), new.limits.memory_high.map(show_size));
    sink.put("limits tasks", class, tasks.map(|n| n.to_string()), new.limits.tasks.map(|n| n.to_string()));
    let percent = |cpu: Option<u32>| cpu.map(|cpu| format!("{cpu}%"));
    sink.put("limits cpu", class, percent(*cpu_percent), percent(new.limits.cpu_percent));
    time("stop-timeout", *stop_timeout_ms, new.stop_timeout_ms, &mut sink);
    let LogPolicy { size, keep, off } = log;
    sink.put("log size", class, Some(show_size(*size)), Some(show_size(new.log.size)));
    sink.put("log keep", class, Some(keep.to_string()), Some(new.log.keep.to_string()));
    sink.put("log off", class, Some(flag(*off)), Some(flag(new.log.off)));
    sink.opaque("screen patterns", class, *patterns == new.patterns);
    sink.opaque("delivery", class, *delivery == new.delivery);
    sink.opaque("resume", class, *resume == new.resume);
    sink.0
}

/// What a supervisor goes by now against what it shall go by. What the manifest says too is compared there.
#[must_use]
pub fn watch(old: &AgentPolicy, new: &AgentPolicy) -> Vec<FieldChange> {
    let AgentPolicy {
        name: _,
        kind: _,
        role: _,
        group,
        may,
        runtime: _,
        after,
        autostart: _,
        restart: _,
        stop_timeout_ms: _,
        stall: Stall { after_ms, nudge },
        heartbeat: Heartbeat { kind, every_ms },
        idle_ok,
        busy_input: _,
        shows_idle: _,
        spend: Spend { starts_per_day, messages_per_hour, concurrent },
        lifecycle,
        fallbacks,
        chain,
        digest_ms,
    } = old;
    let mut sink = Sink(Vec::new());
    let class = Class::Live;
    let text = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(" "));
    let words = |may: &BTreeSet<String>| text(may.iter().map(String::as_str).collect());
    let names = |agents: &[AgentName]| text(agents.iter().map(AgentName::as_str).collect());
    let count = |cap: Option<u32>| cap.map(|cap| cap.to_string());
    let time = |ms: u64| Some(show_duration(ms));
    let own = |group: &Option<AgentName>| group.as_ref().map(ToString::to_string);
    sink.put("group", class, own(group), own(&new.group));
    sink.put("may", class, words(may), words(&new.may));
    sink.put("after", class, names(after), names(&new.after));
    sink.put("stall after", class, time(*after_ms), time(new.stall.after_ms));
    sink.put("stall nudge", class, Some(flag(*nudge)), Some(flag(new.stall.nudge)));
    sink.put("heartbeat", class, Some(reports(*kind)), Some(reports(new.heartbeat.kind)));
    sink.put("heartbeat every", class, time(*every_ms), time(new.heartbeat.every_ms));
    sink.put("idle ok", class, Some(flag(*idle_ok)), Some(flag(new.idle_ok)));
    sink.put("spend starts-per-day", class, count(*starts_per_day), count(new.spend.starts_per_day));
    sink.put("spend messages-per-hour", class, count(*messages_per_hour), count(new.spend.messages_per_hour));
    sink.put("spend concurrent", class, count(*concurrent), count(new.spend.concurrent));
    sink.put("lifecycle", class, Some(lifecycle_words(lifecycle)), Some(lifecycle_words(&new.lifecycle)));
    sink.put("fall-back models", class, Some(fallbacks.to_string()), Some(new.fallbacks.to_string()));
    // Which they are stands in the manifest.
    let beats = |chain: &[Link]| chain.iter().map(|link| link.heartbeat).collect::<Vec<_>>();
    sink.opaque("fall-back heartbeats", class, chain.len() != new.chain.len() || beats(chain) == beats(&new.chain));
    sink.put("digest every", class, digest_ms.map(show_duration), new.digest_ms.map(show_duration));
    sink.0
}

fn reports(kind: HeartbeatKind) -> String {
    match kind {
        HeartbeatKind::Events => "events",
        HeartbeatKind::Periodic => "periodic",
        HeartbeatKind::None => "none",
    }
    .to_owned()
}

fn lifecycle_words(lifecycle: &Lifecycle) -> String {
    match lifecycle {
        Lifecycle::Always => "always".to_owned(),
        Lifecycle::OnDemand { idle_stop_ms: None } => "on-demand".to_owned(),
        Lifecycle::OnDemand { idle_stop_ms: Some(ms) } => format!("on-demand idle-stop={}", show_duration(*ms)),
    }
}

/// What a fresh manifest differs in from the one on disk, beyond launch and policy.
#[must_use]
pub fn identity(old: &Manifest, new: &Manifest) -> Vec<FieldChange> {
    let Manifest {
        format: _,
        fleet: _,
        agent: _,
        kind,
        role,
        unit: _,
        roster,
        folder: _,
        socket,
        launch: _,
        policy: _,
        fallbacks,
    } = old;
    let mut sink = Sink(Vec::new());
    sink.put(
        "kind",
        Class::Live,
        Some(format!("{kind:?}").to_lowercase()),
        Some(format!("{:?}", new.kind).to_lowercase()),
    );
    sink.put("role", Class::Live, role.clone(), new.role.clone());
    // Only the model in use matters to a running agent, and it is compared with what the agent runs with.
    let names = |behind: &[Fallback]| {
        let names: Vec<String> = behind.iter().map(|one| one.name().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let (before, after) = (names(fallbacks), names(&new.fallbacks));
    sink.opaque("fall-back details", Class::Live, before != after || *fallbacks == new.fallbacks);
    sink.put("falls back to", Class::Live, before, after);
    sink.put("roster", Class::Restart, Some(roster.display().to_string()), Some(new.roster.display().to_string()));
    sink.put("socket", Class::Restart, Some(socket.display().to_string()), Some(new.socket.display().to_string()));
    sink.0
}

fn words(argv: &[String]) -> String {
    let quoted = argv.iter().map(|word| {
        let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c));
        if plain { word.clone() } else { format!("{word:?}") }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn secret_words(secrets: &[SecretRef]) -> Option<String> {
    let one = |secret: &SecretRef| {
        let from = match &secret.from {
            SecretSource::Env(name) => format!("env:{name}"),
            SecretSource::File(path) => format!("file:{}", path.display()),
            SecretSource::Cmd(words) => format!("cmd:{}", words.join(" ")),
            SecretSource::Op(reference) => reference.clone(),
            SecretSource::Systemd(name) => format!("systemd:{name}"),
        };
        let version = secret.version.as_ref().map(|version| format!(" version={version}")).unwrap_or_default();
        let delivery = match secret.delivery {
            SecretDelivery::File => "file",
            SecretDelivery::Env => "env",
        };
        format!("{} from {from} as {delivery}{version}", secret.name)
    };
    (!secrets.is_empty()).then(|| secrets.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// As the roster writes it.
fn flag(flag: bool) -> String {
    format!("#{flag}")
}

fn restart_word(when: RestartWhen) -> String {
    match when {
        RestartWhen::Never => "never",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Always => "always",
    }
    .to_owned()
}
