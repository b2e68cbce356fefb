//! The envelope of `compose`: what an agent may change in the roster by itself.
//!
//! It may add, take away and tune agents of the roles that the envelope names. What such an agent may do and reach (its
//! capabilities, permissions, secrets, sandbox, folders, commands and limits) comes from its role and from `defaults`, which
//! people wrote: everything that is not listed here as free is a breach, so a node that is new to the language is one too.

use std::collections::BTreeSet;

use super::{Agent, Fleet};
use crate::diagnostic::{Diagnostics, Sources};
use crate::ids::AgentName;
use crate::roster::check::{Node, Value};
use crate::roster::document::{self, RawNode};
use crate::roster::model::Roster;
use crate::roster::preview::Compose;

/// What may differ in an agent that was there.
const FREE: &[&str] = &["after", "autostart", "description", "lifecycle", "models", "prompt", "runtime"];
/// What a new agent may say besides.
const NEW: &[&str] = &["role", "spend", "worktree"];

/// A compiled roster.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub roster: &'a Roster,
    pub fleet: &'a Fleet,
    pub sources: &'a Sources,
}

/// One change that leaves the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// `fleet.kdl:12` of the roster as it would be; of what is taken out, as it was.
    pub place: String,
    pub what: String,
}

/// Every change from `before` to `after` that leaves the envelope which `before` declares.
#[must_use]
pub fn breaches(before: Side<'_>, after: Side<'_>) -> Vec<Breach> {
    let Some(compose) = &before.roster.compose else {
        let what = "the roster as it was applied has no `compose`, so no agent changes anything".to_owned();
        return vec![Breach { place: before.sources.name(before.roster.file).to_owned(), what }];
    };
    let mut check = Check { before, after, compose, found: Vec::new() };
    check.includes();
    check.others();
    check.agents();
    check.number();
    check.found
}

struct Check<'a> {
    before: Side<'a>,
    after: Side<'a>,
    compose: &'a Compose,
    found: Vec<Breach>,
}

impl Check<'_> {
    fn after(&mut self, node: &Node, what: String) {
        self.found.push(Breach { place: self.after.sources.place(node.span), what });
    }

    fn before(&mut self, node: &Node, what: String) {
        self.found.push(Breach { place: self.before.sources.place(node.span), what });
    }

    /// What another file says is not part of what was looked at, and may be another thing tomorrow.
    fn includes(&mut self) {
        let (old, new) = (includes(self.before), includes(self.after));
        for (path, line) in &new {
            if !old.iter().any(|(known, _)| known == path) {
                self.found.push(Breach { place: line.clone(), what: format!("it includes another file, {path}") });
            }
        }
        for (path, line) in &old {
            if !new.iter().any(|(known, _)| known == path) {
                self.found.push(Breach { place: line.clone(), what: format!("it no longer includes {path}") });
            }
        }
    }

    /// Everything but agents, which stays. How they are shown is nobody's right.
    fn others(&mut self) {
        let mut old: Vec<&Node> = others(self.before.roster).collect();
        let mut new: Vec<&Node> = others(self.after.roster).collect();
        let (before, after) = (self.before, self.after);
        new.retain(|node| {
            let twin = old.iter().position(|known| {
                before.sources.name(known.span.file) == after.sources.name(node.span.file) && same(known, node)
            });
            twin.map(|twin| old.remove(twin)).is_none()
        });
        for node in new {
            let title = title(node);
            match old.iter().position(|known| self::title(known) == title) {
                Some(twin) => {
                    old.remove(twin);
                    self.after(node, format!("{title} is not as it was"));
                }
                None => self.after(node, format!("{title} is new")),
            }
        }
        for node in old {
            self.before(node, format!("{} is taken out", title(node)));
        }
    }

    fn agents(&mut self) {
        let old: Vec<&Node> = agents(self.before.roster).collect();
        let new: Vec<&Node> = agents(self.after.roster).collect();
        let named = |all: &[&'_ Node], node: &Node| all.iter().position(|known| title(known) == title(node));
        for node in &new {
            match named(&old, node) {
                Some(at) if same(old[at], node) => {}
                Some(at) => self.changed(old[at], node),
                None => self.new_one(node),
            }
        }
        for node in old.iter().filter(|node| named(&new, node).is_none()) {
            if let Some(why) = self.foreign(role(node)) {
                self.before(node, format!("{} is taken out, and {why}", title(node)));
            }
        }
    }

    /// Why an agent of this role is not the envelope's.
    fn foreign(&self, role: Option<&str>) -> Option<String> {
        let names: Vec<&str> = self.compose.roles.iter().map(|role| role.value.as_str()).collect();
        match role {
            Some(role) if names.contains(&role) => None,
            Some(role) => {
                Some(format!("the envelope is for agents of the roles {}, not for {role}", names.join(", ")))
            }
            None => Some(format!("the envelope is for agents of the roles {}", names.join(", "))),
        }
    }

    fn changed(&mut self, old: &Node, new: &Node) {
        let title = title(new);
        if let Some(why) = self.foreign(role(old)) {
            return self.after(new, format!("{title} is not as it was, and {why}"));
        }
        if role(old) != role(new) {
            return self.after(new, format!("{title} gets another role, and with it other rights"));
        }
        let host = |node: &Node| node.properties.get("host").map(|host| host.value.clone());
        if host(old) != host(new) {
            self.after(new, format!("{title}: `host=` is not as it was"));
        }
        for child in &new.children {
            let name = child.spec.name;
            let twin = old.children.iter().find(|known| known.spec.name == name && key(known) == key(child));
            if twin.is_some_and(|twin| same(twin, child)) {
                continue;
            }
            if !FREE.contains(&name) {
                let how = if twin.is_some() { "is not as it was" } else { "is new" };
                self.after(child, format!("{title}: {} {how}", self::title(child)));
            } else if name == "runtime" {
                self.runtime(&title, twin, child);
            } else if let Some(why) = free(child) {
                self.after(child, format!("{title}: {why}"));
            }
        }
        for child in &old.children {
            let name = child.spec.name;
            let stays = new.children.iter().any(|known| known.spec.name == name && key(known) == key(child));
            // Its role may bring another command.
            if !stays && (!FREE.contains(&name) || name == "runtime") {
                self.before(child, format!("{title}: {} is taken out", self::title(child)));
            }
        }
        self.resolved(new);
    }

    fn new_one(&mut self, node: &Node) {
        let title = title(node);
        if node.spec.name != "agent" {
            return self.after(node, format!("{title} is new, and the envelope is for plain agents"));
        }
        if let Some(why) = self.foreign(role(node)) {
            return self.after(node, format!("{title} is new, and {why}"));
        }
        if node.properties.contains_key("host") {
            self.after(node, format!("{title} is of another machine, by `host=`"));
        }
        for child in &node.children {
            match child.spec.name {
                "runtime" => self.runtime(&title, None, child),
                "worktree" if child.properties.contains_key("readonly") => {
                    let what = format!("{title}: `readonly=` is for its role to say");
                    self.after(child, what);
                }
                name if FREE.contains(&name) || NEW.contains(&name) => {
                    if let Some(why) = free(child) {
                        self.after(child, format!("{title}: {why}"));
                    }
                }
                _ => {
                    let what = format!("{title}: {} is for its role to say", self::title(child));
                    self.after(child, what);
                }
            }
        }
        self.resolved(node);
    }

    /// Another model is free; another command is not.
    fn runtime(&mut self, title: &str, old: Option<&Node>, new: &Node) {
        let inside = |node: Option<&Node>| node.map(|node| node.children.clone()).unwrap_or_default();
        let (was, is) = (inside(old), inside(Some(new)));
        if was.len() != is.len() || was.iter().zip(&is).any(|(was, is)| !same(was, is)) {
            self.after(new, format!("{title}: the command of its runtime is for people to say"));
        }
        for (property, _) in new.properties.iter().filter(|(_, value)| is_option(&value.value)) {
            self.after(new, format!("{title}: `{property}=` looks like an option of a program"));
        }
    }

    /// The agents that `node` stands for, as they come out of all layers.
    fn resolved(&mut self, node: &Node) {
        let Some(name) = name(node) else { return };
        let (before, after) = (self.before.fleet, self.after.fleet);
        let mut said = BTreeSet::new();
        for agent in after.agents.iter().filter(|agent| agent.name == name || agent.group.as_ref() == Some(&name)) {
            let Agent { name, runtime, .. } = agent;
            match before.agent(name) {
                Some(was) if was.group != agent.group || was.role != agent.role => {
                    said.insert(format!("there is an agent {name} already, with other rights"));
                }
                Some(was) if was.runtime != *runtime => {
                    said.insert(format!("agent {name}: its runtime becomes {runtime} instead of {}", was.runtime));
                }
                Some(_) => {}
                None => {
                    if before.agents.iter().all(|known| known.runtime != *runtime) {
                        said.insert(format!("agent {name}: no agent of the fleet has the runtime {runtime} yet"));
                    }
                    said.extend(self.caps(node, agent));
                }
            }
        }
        for what in said {
            self.after(node, what);
        }
    }

    /// The caps of a new agent that are above the envelope's.
    fn caps(&self, node: &Node, agent: &Agent) -> Vec<String> {
        let spend = node.children.iter().find(|child| child.spec.name == "spend");
        let (fleet, own, most) = (&self.before.fleet.spend, &agent.watch.spend, &self.compose.spend);
        let caps = [
            ("starts-per-day", own.starts_per_day, fleet.starts_per_day, most.starts_per_day),
            ("messages-per-hour", own.messages_per_hour, fleet.messages_per_hour, most.messages_per_hour),
            ("concurrent", own.concurrent, fleet.concurrent, most.concurrent),
        ];
        let one = |(cap, own, fleet, most): (&str, Option<u32>, Option<u32>, Option<u32>)| {
            let is = own.into_iter().chain(fleet).min();
            let said = spend.is_some_and(|spend| spend.properties.contains_key(cap));
            let title = format!("agent {}: `spend {cap}=`", agent.name);
            match (is, most) {
                (Some(is), Some(most)) if is > most => {
                    Some(format!("{title} is {is}, and the envelope allows {most}"))
                }
                (None, Some(most)) => Some(format!("{title} is not there, and the envelope allows {most}")),
                (_, None) if said => Some(format!("{title} is for its role to say: the envelope names no most")),
                _ => None,
            }
        };
        caps.into_iter().filter_map(one).collect()
    }

    fn number(&mut self) {
        let (was, is) = (size(self.before.fleet), size(self.after.fleet));
        let Some(most) = &self.compose.max_agents else { return };
        if is > was && usize::try_from(most.value).is_ok_and(|most| is > most) {
            let what = format!("the fleet would have {is} agents, and the envelope allows {}", most.value);
            let place = self.before.sources.place(most.span);
            self.found.push(Breach { place, what });
        }
    }
}

fn size(fleet: &Fleet) -> usize {
    fleet.agents.len() + fleet.elsewhere.len()
}

/// `include` nodes of the root file, by path and option, with their places.
fn includes(side: Side<'_>) -> Vec<(String, String)> {
    let file = side.roster.file;
    let document = document::parse(side.sources.text(file), file, &mut Diagnostics::default());
    let nodes = document.map(|document| document.nodes).unwrap_or_default();
    let words = |node: &RawNode| {
        let path = node.arguments.first().map(|(path, _)| format!("{path:?}")).unwrap_or_default();
        let options: Vec<String> =
            node.properties.iter().map(|given| format!(" {}={:?}", given.name, given.value)).collect();
        // As it was written, for people.
        let shown = node.arguments.first().and_then(|(_, span)| side.sources.text(file).get(span.start..span.end));
        if options.is_empty() { shown.unwrap_or(&path).to_owned() } else { path + &options.concat() }
    };
    let includes = nodes.iter().filter(|node| node.name == "include");
    includes.map(|node| (words(node), side.sources.place(node.span))).collect()
}

fn is_agent(node: &Node) -> bool {
    node.spec.name == "agent"
}

fn agents(roster: &Roster) -> impl Iterator<Item = &Node> {
    roster.nodes.iter().filter(|node| is_agent(node))
}

/// Orchestrator and enhancers among them: theirs are no plain agents.
fn others(roster: &Roster) -> impl Iterator<Item = &Node> {
    roster.nodes.iter().filter(|node| !is_agent(node) && node.spec.name != "layout")
}

/// The agent or group that a node declares.
fn name(node: &Node) -> Option<AgentName> {
    match &node.arguments.first()?.value {
        Value::AgentName(name) => Some(name.clone()),
        _ => None,
    }
}

fn role(node: &Node) -> Option<&str> {
    match &node.children.iter().find(|child| child.spec.name == "role")?.arguments.first()?.value {
        Value::RoleName(name) => Some(name.as_str()),
        _ => None,
    }
}

/// What tells nodes of one name in one place apart: `env` and `secret` stand there often.
fn key(node: &Node) -> Option<&Value> {
    node.arguments.first().filter(|_| node.spec.repeats).map(|argument| &argument.value)
}

/// The node as people name it.
fn title(node: &Node) -> String {
    let first = node.arguments.first().and_then(|argument| match &argument.value {
        Value::Text(text) => Some(text.as_str()),
        Value::AgentName(name) => Some(name.as_str()),
        Value::RoleName(name) => Some(name.as_str()),
        Value::RuntimeName(name) => Some(name.as_str()),
        Value::FleetId(name) => Some(name.as_str()),
        _ => None,
    });
    let first = first.filter(|first| first.chars().count() <= 40 && !first.contains(char::is_control));
    first.map_or_else(|| format!("`{}`", node.spec.name), |first| format!("`{} \"{first}\"`", node.spec.name))
}

/// Whether two nodes say the same, wherever they stand.
fn same(a: &Node, b: &Node) -> bool {
    let values = |a: &Node, b: &Node| {
        a.arguments.iter().map(|value| &value.value).eq(b.arguments.iter().map(|value| &value.value))
            && a.properties
                .iter()
                .map(|(name, value)| (name, &value.value))
                .eq(b.properties.iter().map(|(name, value)| (name, &value.value)))
    };
    a.spec.name == b.spec.name
        && values(a, b)
        && a.children.len() == b.children.len()
        && a.children.iter().zip(&b.children).all(|(a, b)| same(a, b))
}

/// What a node that is free as such still may not say.
fn free(node: &Node) -> Option<String> {
    if node.spec.name == "prompt" && node.properties.contains_key("file") {
        return Some("a prompt from a file would show it whatever stands there".to_owned());
    }
    // It may be given to a program among its arguments.
    (node.spec.name == "prompt" && node.arguments.iter().any(|argument| is_option(&argument.value)))
        .then(|| format!("{} looks like an option of a program", title(node)))
}

fn is_option(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.trim_start().starts_with('-'))
}
