//! Notices for people that nobody has read.

use super::{sources, text};
use crate::apply::status::FleetStatus;
use crate::cli::target::Target;
use crate::cli::ui::Ui;
use crate::journal::rows::NoticeRow;
use crate::plan::show::plural;

/// Unread notices that are counted at most.
const MOST: usize = 1_000;

/// What `status` and `attach` say of unread notices that somebody has to do something about: how many, and the newest.
/// Nothing when there are none, or the journal cannot be read now.
pub fn show(ui: &Ui, target: &Target) {
    let unread = || sources::journal(target).ok()??.notices(true, MOST).ok();
    if let Some(said) = unread().and_then(|unread| sentence(&unread)) {
        ui.note(&said);
    }
}

/// Notes with each agent how many notices about it nobody has read; nothing when no supervisor has run.
pub fn count(target: &Target, status: &mut FleetStatus) {
    let unread = sources::journal(target).ok().flatten().and_then(|journal| journal.notices(true, MOST).ok());
    let Some(unread) = unread else { return };
    for agent in &mut status.agents {
        let about = |notice: &&NoticeRow| notice.agent.as_deref() == Some(agent.name.as_str());
        agent.unread = Some(unread.iter().filter(about).count());
    }
}

fn sentence(unread: &[NoticeRow]) -> Option<String> {
    let matter: Vec<&NoticeRow> =
        unread.iter().filter(|notice| matches!(notice.level.as_str(), "action" | "urgent")).collect();
    let newest = matter.last()?;
    let count = plural(matter.len(), "unread notice", "unread notices");
    Some(format!("{count}, the newest: {} (`fleet messages`)", text::shorten(&text::line(&newest.text), 160)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_somebody_is_counted() {
        let notice = |id, level: &str, text: &str| NoticeRow {
            id,
            at: id,
            level: level.to_owned(),
            agent: None,
            text: text.to_owned(),
            read: false,
        };
        let unread = [notice(1, "action", "old"), notice(2, "urgent", "new \u{7}"), notice(3, "info", "chatter")];
        assert_eq!(sentence(&unread).unwrap(), "2 unread notices, the newest: new \\u{7} (`fleet messages`)");
        assert_eq!(sentence(&unread[2..]), None);
    }
}
