//! The manifest of one agent, as `docs/manifest.md` describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::unit;
use crate::ids::{AgentName, Digest, FleetId, RoleName, UnitName};
use crate::manifest::{
    AgentKind, Delivery, FORMAT, Fallback, Limits, LogPolicy, Pattern, RestartPolicy, Resume, SecretRef, Terminal,
};
use crate::resolve::{self, Agent, Fleet};
use crate::script::Script;

/// A role as it is handed to an agent.
#[derive(Debug, Clone)]
pub(super) struct Role {
    /// The digest of its text alone, which the manifest names.
    pub digest: Digest,
    /// Its file, complete.
    pub file: Text,
}

/// What many agents of a fleet have in common, worked out once.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The last role text, and what was made of it.
    role: Option<(Arc<str>, Role)>,
    /// The last patterns, as they stand in a manifest.
    patterns: Option<(Arc<[Pattern]>, Box<RawValue>)>,
    /// The last variables, and their file.
    env: Option<(BTreeMap<String, String>, Text)>,
    /// The last script, and its file.
    script: Option<(Option<Script>, Text)>,
}

/// What stands in the files of several agents.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: Arc<String>,
    pub digest: Digest,
}

impl Text {
    fn new(text: String) -> Self {
        Self { digest: Digest::of(text.as_bytes()), text: Arc::new(text) }
    }
}

impl Shared {
    /// What the manifest and the role's file say for a role text.
    pub fn role(&mut self, text: &Arc<str>) -> Role {
        match &self.role {
            Some((known, role)) if Arc::ptr_eq(known, text) || known == text => role.clone(),
            _ => {
                let role = Role { digest: Digest::of(text.as_bytes()), file: Text::new(format!("{text}\n")) };
                self.role = Some((Arc::clone(text), role.clone()));
                role
            }
        }
    }

    /// The env file.
    pub fn env(&mut self, agent: &Agent) -> Text {
        match &self.env {
            Some((known, text)) if *known == agent.env => text.clone(),
            _ => {
                let text = Text::new(unit::env_file(&agent.env));
                self.env = Some((agent.env.clone(), text.clone()));
                text
            }
        }
    }

    /// The canary's script file. A canary without a script waits for messages.
    pub fn script(&mut self, agent: &Agent) -> Option<Text> {
        let reads = |runtime: &str| runtime == super::CANARY;
        if !reads(&agent.runtime) && !agent.fallbacks.iter().any(|one| reads(&one.runtime)) {
            return None;
        }
        Some(match &self.script {
            Some((known, text)) if *known == agent.script => text.clone(),
            _ => {
                let script = agent.script.clone().unwrap_or_else(|| Script::new(Vec::new()));
                let text = Text::new(pretty(&script));
                self.script = Some((agent.script.clone(), text.clone()));
                text
            }
        })
    }

    /// The file's text: indented, because people read it too.
    pub fn manifest(&mut self, fleet: &Fleet, agent: &Agent, files: &Files) -> String {
        let patterns = &agent.policy.patterns;
        let known = self.patterns.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, patterns));
        if !known {
            self.patterns = Some((Arc::clone(patterns), indented(patterns)));
        }
        let (_, patterns) = self.patterns.as_ref().expect("they were put there");
        pretty(&written(fleet, agent, files, patterns))
    }
}

/// Patterns as they stand in a manifest: two levels deeper than by themselves.
fn indented(patterns: &[Pattern]) -> Box<RawValue> {
    let text = pretty(&patterns).trim_end().replace('\n', "\n    ");
    RawValue::from_string(text).expect("line breaks between the parts of a JSON text change nothing")
}

/// What an agent's manifest says of its other files.
pub(super) struct Files {
    pub env: Digest,
    pub role: Option<Digest>,
    /// Name → digest of what its runtime reads.
    pub runtime: BTreeMap<String, Digest>,
    /// The same of each model that it may fall back to.
    pub fallbacks: Vec<BTreeMap<String, Digest>>,
}

/// [`Manifest`](crate::manifest::Manifest) as it is written: borrowed, because a fleet has many, and with the patterns,
/// which are most of it and the runtime's, as they were written for the agent before. A test holds the two together.
#[derive(Serialize)]
struct WrittenManifest<'a> {
    format: u32,
    fleet: &'a FleetId,
    agent: &'a AgentName,
    kind: AgentKind,
    role: Option<&'a str>,
    unit: UnitName,
    roster: &'a Path,
    folder: PathBuf,
    socket: PathBuf,
    launch: WrittenLaunch<'a>,
    policy: WrittenPolicy<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallbacks: Vec<Fallback>,
}

/// [`Launch`](crate::manifest::Launch).
#[derive(Serialize)]
struct WrittenLaunch<'a> {
    runtime: &'a str,
    model: Option<&'a str>,
    effort: Option<&'a str>,
    argv: &'a [String],
    prompt_argv: &'a [String],
    dir: &'a Path,
    env_keys: Vec<&'a str>,
    env_digest: &'a Digest,
    unset: &'a [String],
    secrets: &'a [SecretRef],
    role_digest: Option<&'a Digest>,
    files: &'a BTreeMap<String, Digest>,
    terminal: &'a Terminal,
}

/// [`Policy`](crate::manifest::Policy).
#[derive(Serialize)]
struct WrittenPolicy<'a> {
    description: Option<&'a str>,
    prompt: Option<&'a str>,
    autostart: bool,
    restart: &'a RestartPolicy,
    limits: &'a Limits,
    stop_timeout_ms: u64,
    log: &'a LogPolicy,
    patterns: &'a RawValue,
    delivery: &'a Delivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<&'a Resume>,
}

fn written<'a>(fleet: &'a Fleet, agent: &'a Agent, files: &'a Files, patterns: &'a RawValue) -> WrittenManifest<'a> {
    let policy = &agent.policy;
    WrittenManifest {
        format: FORMAT,
        fleet: &fleet.id,
        agent: &agent.name,
        kind: agent.kind,
        role: agent.role.as_ref().map(RoleName::as_str),
        unit: agent.unit(&fleet.id),
        roster: &fleet.roster,
        folder: fleet.paths.agent(&agent.name),
        socket: fleet.paths.socket(&agent.name),
        launch: WrittenLaunch {
            runtime: &agent.runtime,
            model: agent.model.as_deref(),
            effort: agent.effort.as_deref(),
            argv: &agent.argv,
            prompt_argv: &agent.prompt_argv,
            dir: &agent.dir,
            env_keys: agent.env.keys().map(String::as_str).collect(),
            env_digest: &files.env,
            unset: &agent.unset,
            secrets: &agent.secrets,
            role_digest: files.role.as_ref(),
            files: &files.runtime,
            terminal: &agent.terminal,
        },
        policy: WrittenPolicy {
            description: policy.description.as_deref(),
            prompt: policy.prompt.as_deref(),
            autostart: policy.autostart,
            restart: &policy.restart,
            limits: &policy.limits,
            stop_timeout_ms: policy.stop_timeout_ms,
            log: &policy.log,
            patterns,
            delivery: &policy.delivery,
            resume: policy.resume.as_ref(),
        },
        fallbacks: agent
            .fallbacks
            .iter()
            .zip(&files.fallbacks)
            .map(|(one, own)| fallback(agent, one, files, own))
            .collect(),
    }
}

fn fallback(agent: &Agent, one: &resolve::Fallback, files: &Files, own: &BTreeMap<String, Digest>) -> Fallback {
    let env = one.env.iter().filter(|(name, value)| agent.env.get(*name) != Some(value));
    Fallback {
        runtime: one.runtime.clone(),
        model: one.model.clone(),
        effort: one.effort.clone(),
        argv: one.argv.clone(),
        prompt_argv: one.prompt_argv.clone(),
        env: env.map(|(name, value)| (name.clone(), value.clone())).collect(),
        without: agent.env.keys().filter(|name| !one.env.contains_key(*name)).cloned().collect(),
        env_digest: if one.env == agent.env {
            files.env.clone()
        } else {
            Digest::of(unit::env_file(&one.env).as_bytes())
        },
        files: own.clone(),
        patterns: one.patterns.clone(),
        delivery: one.delivery.clone(),
        resume: one.resume.clone(),
    }
}

fn pretty<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::with_capacity(TYPICAL);
    // Paths are UTF-8: the command line refuses others before anything is resolved.
    serde_json::to_writer_pretty(&mut bytes, value).expect("a manifest of UTF-8 paths always serialises");
    bytes.push(b'\n');
    bytes.shrink_to_fit();
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Bytes of a manifest of a runtime with some patterns.
const TYPICAL: usize = 8 * 1024;
