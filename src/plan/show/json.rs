//! A plan as tools read it.

use std::path::PathBuf;

use super::super::files::{ConflictKind, FileChange, LinkChange};
use super::super::{Action, PLAN_FORMAT, Plan};

impl Plan {
    /// The plan for tools: one JSON object a line, the summary last.
    #[must_use]
    pub fn json_lines(&self) -> Vec<String> {
        let line = |value: serde_json::Value| value.to_string();
        let mut lines = vec![line(serde_json::json!({
            "format": PLAN_FORMAT, "type": "fleet", "fleet": self.fleet, "roster": self.roster, "manager": self.manager,
            "generation": self.generation, "reload": self.reload, "refresh": self.refresh, "withheld": self.withheld,
            "supervisor": self.supervisor.as_ref().map(|change| {
                serde_json::json!({ "action": change.act.word(), "reason": change.reason })
            }),
            "paths": paths(&self.files, &self.links),
        }))];
        for agent in self.agents.iter().filter(|agent| agent.action != Action::None) {
            lines.push(line(serde_json::json!({
                "format": PLAN_FORMAT, "type": "agent", "agent": agent.name, "action": action_word(agent.action),
                "effect": agent.process.word(), "reason": agent.reason, "place": agent.place, "fields": agent.fields,
                "paths": paths(&agent.files, &agent.links), "interrupts": self.interrupts(agent),
                "worktree": agent.worktree, "was": agent.was, "now_called": agent.heir,
            })));
        }
        for conflict in &self.conflicts {
            let kind = if conflict.kind == ConflictKind::Foreign { "foreign" } else { "edited-by-hand" };
            lines.push(line(serde_json::json!({
                "format": PLAN_FORMAT, "type": "conflict", "path": conflict.path, "kind": kind,
            })));
        }
        let agent_notes = self.agents.iter().filter_map(|agent| Some((Some(&agent.name), agent.note.as_ref()?)));
        let declared: Vec<_> =
            self.declared.iter().map(|what| format!("declared, not enforced yet: {what}")).collect();
        for (agent, note) in agent_notes.chain(self.notes.iter().chain(&declared).map(|note| (None, note))) {
            lines.push(line(
                serde_json::json!({ "format": PLAN_FORMAT, "type": "note", "agent": agent, "text": note }),
            ));
        }
        let mut summary = serde_json::json!({ "format": PLAN_FORMAT, "type": "summary" });
        if let (Some(summary), Ok(serde_json::Value::Object(counts))) =
            (summary.as_object_mut(), serde_json::to_value(self.counts()))
        {
            summary.extend(counts);
        }
        lines.push(line(summary));
        lines
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Add => "add",
        Action::Change => "change",
        Action::Remove => "remove",
        Action::None => "none",
    }
}

fn paths<'a>(files: &'a [FileChange], links: &'a [LinkChange]) -> Vec<&'a PathBuf> {
    files.iter().map(FileChange::path).chain(links.iter().map(LinkChange::path)).collect()
}
