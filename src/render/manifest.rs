//! The manifest of one agent, as `docs/manifest.md` describes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::ids::Digest;
use crate::manifest::{FORMAT, Launch, Manifest, Pattern};
use crate::resolve::{Agent, Fleet};

/// What many agents of a fleet have in common, worked out once.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The last role text, its digest, and that of its file.
    role: Option<(String, Digest, Digest)>,
    /// The last patterns, as they stand in a manifest.
    patterns: Option<(Arc<[Pattern]>, String)>,
}

impl Shared {
    /// The digests of a role text and of its file.
    pub fn role(&mut self, text: &str) -> (Digest, Digest) {
        match &self.role {
            Some((known, digest, file)) if known == text => (digest.clone(), file.clone()),
            _ => {
                let digests = (Digest::of(text.as_bytes()), Digest::of(format!("{text}\n").as_bytes()));
                self.role = Some((text.to_owned(), digests.0.clone(), digests.1.clone()));
                digests
            }
        }
    }

    /// The file's text: indented, because people read it too. Patterns are most of it, and the runtime's: they are put in as
    /// they were written for the agent before.
    pub fn text(&mut self, mut manifest: Manifest) -> String {
        let patterns = std::mem::take(&mut manifest.policy.patterns);
        let bare = pretty(&manifest);
        let known = self.patterns.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, &patterns));
        if !known {
            self.patterns = Some((Arc::clone(&patterns), indented(&patterns)));
        }
        let fragment = self.patterns.as_ref().map_or("[]", |(_, fragment)| fragment.as_str());
        bare.replacen(EMPTY, &format!("\n    \"patterns\": {fragment}"), 1)
    }
}

/// Patterns in a manifest that has none. A line break never stands in a JSON text, so it stands nowhere else.
const EMPTY: &str = "\n    \"patterns\": []";

/// Patterns as they stand in a manifest: one level deeper than by themselves.
fn indented(patterns: &[Pattern]) -> String {
    pretty(&patterns).trim_end().replace('\n', "\n    ")
}

/// What an agent's manifest says of its other files.
pub(super) struct Files {
    pub env: Digest,
    pub role: Option<Digest>,
    /// Name → digest of what its runtime reads.
    pub runtime: BTreeMap<String, Digest>,
}

/// An agent's manifest.
pub(super) fn manifest(fleet: &Fleet, agent: &Agent, files: Files) -> Manifest {
    Manifest {
        format: FORMAT,
        fleet: fleet.id.clone(),
        agent: agent.name.clone(),
        kind: agent.kind,
        role: agent.role.as_ref().map(|role| role.as_str().to_owned()),
        unit: agent.unit(&fleet.id),
        roster: fleet.roster.clone(),
        folder: fleet.paths.agent(&agent.name),
        socket: fleet.paths.socket(&agent.name),
        launch: Launch {
            runtime: agent.runtime.clone(),
            model: agent.model.clone(),
            effort: agent.effort.clone(),
            argv: agent.argv.clone(),
            prompt_argv: agent.prompt_argv.clone(),
            dir: agent.dir.clone(),
            env_keys: agent.env.keys().cloned().collect(),
            env_digest: files.env,
            unset: agent.unset.clone(),
            secrets: agent.secrets.clone(),
            role_digest: files.role,
            files: files.runtime,
            terminal: agent.terminal.clone(),
        },
        policy: agent.policy.clone(),
    }
}

/// The canary's script file. A canary without a script waits for messages.
pub(super) fn script(agent: &Agent) -> Option<String> {
    if agent.runtime != "canary" {
        return None;
    }
    let script = agent.script.clone().unwrap_or_else(|| crate::script::Script::new(Vec::new()));
    Some(pretty(&script))
}

fn pretty<T: Serialize>(value: &T) -> String {
    // Paths are UTF-8: the command line refuses others before anything is resolved.
    let mut text = serde_json::to_string_pretty(value).expect("a manifest of UTF-8 paths always serialises");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{PatternKind, Region};

    #[test]
    fn patterns_put_in_read_like_patterns_written() {
        let pattern = |expr: &str| Pattern {
            kind: PatternKind::Idle,
            region: Region::Last(3),
            expr: expr.to_owned(),
            class: None,
        };
        for patterns in [vec![], vec![pattern("^> $")], vec![pattern("a\n    \"patterns\": []"), pattern("ü\"{}")]] {
            #[derive(Serialize)]
            struct Whole<'a> {
                policy: Inner<'a>,
            }
            #[derive(Serialize)]
            struct Inner<'a> {
                patterns: &'a [Pattern],
                last: u8,
            }
            let whole = |patterns| pretty(&Whole { policy: Inner { patterns, last: 1 } });
            let put_in = whole(&[]).replacen(EMPTY, &format!("\n    \"patterns\": {}", indented(&patterns)), 1);
            assert_eq!(put_in, whole(&patterns));
        }
    }
}
