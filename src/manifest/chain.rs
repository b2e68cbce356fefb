//! The models behind an agent's first, each with what a start with it differs in.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Delivery, Launch, Manifest, Pattern, Resume};
use crate::ids::Digest;

/// One of a chain: no two of them are alike in both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelName {
    pub runtime: String,
    pub model: Option<String>,
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{}/{model}", self.runtime),
            None => f.write_str(&self.runtime),
        }
    }
}

/// A model that an agent may fall back to. What does not stand here is as in [`Launch`] and [`Policy`](super::Policy).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    pub runtime: String,
    pub model: Option<String>,
    pub effort: Option<String>,
    pub argv: Vec<String>,
    pub prompt_argv: Vec<String>,
    /// Variables of its runtime that the env file does not have, or has with another value.
    pub env: BTreeMap<String, String>,
    /// Variables of the env file that this one does not get: they are the first model's.
    pub without: Vec<String>,
    /// Digest of the env file as it would be for this one.
    pub env_digest: Digest,
    pub files: BTreeMap<String, Digest>,
    pub patterns: Arc<[Pattern]>,
    pub delivery: Delivery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

impl Fallback {
    /// Which one of its chain it is.
    #[must_use]
    pub fn name(&self) -> ModelName {
        ModelName { runtime: self.runtime.clone(), model: self.model.clone() }
    }
}

/// `agents/<name>/model.json`, written by the supervisor: with which model of its chain the agent is started. Not there:
/// with the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelNote {
    /// [`FORMAT`](super::FORMAT).
    pub format: u32,
    pub to: ModelName,
    /// The one that was in use before.
    pub from: ModelName,
    /// What was the matter with it, for people.
    pub why: String,
}

impl Launch {
    /// Which one of its chain it is.
    #[must_use]
    pub fn name(&self) -> ModelName {
        ModelName { runtime: self.runtime.clone(), model: self.model.clone() }
    }
}

impl Manifest {
    /// What a start with the model called `name` differs in; `None` for the first, and for one that is not in the chain.
    #[must_use]
    pub fn fallback(&self, name: &ModelName) -> Option<&Fallback> {
        let is = |one: &&Fallback| one.runtime == name.runtime && one.model == name.model;
        self.fallbacks.iter().find(is).filter(|_| self.launch.name() != *name)
    }

    /// The manifest as it is for an agent that uses the model called `name`. `None`: that is not in the chain.
    #[must_use]
    pub fn using(&self, name: &ModelName) -> Option<Cow<'_, Self>> {
        if self.launch.name() == *name {
            return Some(Cow::Borrowed(self));
        }
        let one = self.fallback(name)?.clone();
        let mut manifest = self.clone();
        let keys = manifest.launch.env_keys.iter().filter(|key| !one.without.contains(key)).cloned();
        let keys: BTreeSet<String> = keys.chain(one.env.keys().cloned()).collect();
        manifest.launch = Launch {
            runtime: one.runtime,
            model: one.model,
            effort: one.effort,
            argv: one.argv,
            prompt_argv: one.prompt_argv,
            env_keys: keys.into_iter().collect(),
            env_digest: one.env_digest,
            files: one.files,
            ..manifest.launch
        };
        manifest.launch.unset.retain(|name| !one.env.contains_key(name));
        manifest.policy.patterns = one.patterns;
        manifest.policy.delivery = one.delivery;
        manifest.policy.resume = one.resume;
        Some(Cow::Owned(manifest))
    }
}
