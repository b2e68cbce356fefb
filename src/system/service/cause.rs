//! Why a unit failed, in words, from what systemd keeps about it.

use crate::ids::UnitName;

use super::ManagerError;

/// What systemd's Service interface says of a unit's last run (org.freedesktop.systemd1(5)).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// `Result`: `exit-code`, `signal`, `timeout`, `resources`, …
    pub result: String,
    /// `ExecMainCode`: a `CLD_` number of waitid(2), 0 when no process ended.
    pub code: i32,
    /// `ExecMainStatus`: the exit status or the signal.
    pub status: i32,
    /// `StatusText`: the last `STATUS=` the process sent.
    pub text: String,
}

/// Exit statuses that systemd itself uses when it cannot run the program (systemd.exec(5), "Process exit codes").
const SETUP: &[(i32, &str)] = &[
    (200, "its working folder cannot be entered"),
    (203, "its program cannot be executed: is it there, and is its folder reachable?"),
    (208, "its standard input cannot be set up"),
    (209, "its standard output cannot be set up"),
    (218, "a capability cannot be set"),
    (219, "its control group cannot be set up"),
    (222, "its standard error cannot be set up"),
    (226, "its mount namespace cannot be set up: does every path that the unit names exist?"),
    (228, "its system call filter cannot be set up"),
    (233, "its runtime folder cannot be made"),
    (238, "its state folder cannot be made"),
    (243, "its credentials cannot be set up"),
];

impl Cause {
    fn main_process(&self) -> Option<String> {
        match self.code {
            1 => match SETUP.iter().find(|(status, _)| *status == self.status) {
                Some((status, why)) => Some(format!("{why} (systemd's status {status})")),
                None => Some(format!("its main process exited with status {}", self.status)),
            },
            2 | 3 => Some(format!("its main process was killed by signal {}", self.status)),
            _ => None,
        }
    }

    /// One sentence, from the `job`'s result and what is known of the unit.
    pub fn sentence(&self, job: &str) -> String {
        let head = match (job, self.result.as_str()) {
            ("timeout", _) | (_, "timeout") => "it was not ready in time, and systemd gave up".to_owned(),
            ("dependency", _) => "a unit it depends on did not start".to_owned(),
            ("canceled", _) => "another request took this one's place".to_owned(),
            (_, "start-limit-hit") => "it was started too often in a short time".to_owned(),
            (_, "resources") => "systemd could not get what the unit needs".to_owned(),
            (_, "protocol") => "it ended before it said that it is ready".to_owned(),
            _ => match self.main_process() {
                Some(why) => return self.with_text(why),
                None => format!("systemd says `{job}` ({})", if self.result.is_empty() { "?" } else { &self.result }),
            },
        };
        match self.main_process() {
            Some(why) => self.with_text(format!("{head}; {why}")),
            None => self.with_text(head),
        }
    }

    fn with_text(&self, sentence: String) -> String {
        if self.text.is_empty() { sentence } else { format!("{sentence}; it last said: {}", self.text) }
    }

    /// The error for `unit` after a failed `verb`.
    pub fn error(&self, verb: &str, unit: &UnitName, job: &str) -> ManagerError {
        ManagerError::new(
            format!("{verb} {unit}"),
            self.sentence(job),
            format!("look at `systemctl --user status {unit}` and `journalctl --user -u {unit}`"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_what_happened() {
        let cause = Cause { result: "exit-code".into(), code: 1, status: 203, text: String::new() };
        assert!(cause.sentence("failed").contains("cannot be executed"));
        let cause = Cause { result: "signal".into(), code: 2, status: 9, text: String::new() };
        assert_eq!(cause.sentence("failed"), "its main process was killed by signal 9");
        let cause = Cause { result: "timeout".into(), code: 2, status: 15, text: "starting".into() };
        let said = cause.sentence("failed");
        assert!(said.contains("not ready in time") && said.contains("it last said: starting"), "{said}");
        assert_eq!(Cause::default().sentence("failed"), "systemd says `failed` (?)");
    }
}
