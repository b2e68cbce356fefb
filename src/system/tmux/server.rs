//! A tmux server by its socket: its marked windows, and commands to it by ids.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{ANSWER, TmuxError, pane_id, text, word};
use crate::system::process::{self, Invocation, ProcessError};

/// A server, running or not.
#[derive(Debug, Clone)]
pub struct Server {
    pub socket: PathBuf,
}

/// A pane and the options that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedPane {
    /// As in `$1`.
    pub session: String,
    /// As in `@1`.
    pub window: String,
    /// As in `%1`.
    pub pane: String,
    /// Its program has ended.
    pub dead: bool,
    /// The values, in the order of the question; empty where an option is not set.
    pub values: Vec<String>,
}

impl Server {
    /// The server that `$TMUX`, of this value, names.
    #[must_use]
    pub fn of_variable(value: &str) -> Option<Self> {
        // `SOCKET,PID,SESSION`; a socket's path may hold commas itself.
        let mut parts = value.rsplitn(3, ',');
        let (_session, _pid, socket) = (parts.next()?, parts.next()?, parts.next()?);
        (!socket.is_empty()).then(|| Self { socket: socket.into() })
    }

    /// Runs one command of tmux's and gives what it printed. No server is started by it.
    ///
    /// # Errors
    /// When tmux is missing, no server answers, or it refuses.
    pub fn run(&self, words: &[&str]) -> Result<String, TmuxError> {
        let finished = self.finish(words)?;
        Ok(String::from_utf8_lossy(&finished).into_owned())
    }

    fn finish(&self, words: &[&str]) -> Result<Vec<u8>, TmuxError> {
        // -u: otherwise a locale without UTF-8 makes tmux replace bytes. -N: a question starts no server.
        let mut argv: Vec<OsString> = ["tmux", "-u", "-N", "-S"].map(OsString::from).to_vec();
        argv.push(self.socket.clone().into());
        argv.extend(words.iter().map(|word| literal(word).into()));
        let finished = process::run(&Invocation::new(argv, ANSWER)).map_err(|error| match error {
            ProcessError::NotFound { .. } => TmuxError::Missing,
            other => TmuxError::Failed(other),
        })?;
        super::answer(finished)
    }

    /// Whether a server answers at the socket.
    ///
    /// # Errors
    /// When tmux is missing or could not be run.
    pub fn is_running(&self) -> Result<bool, TmuxError> {
        match self.run(&["list-sessions", "-F", "#{session_id}"]) {
            Ok(_) => Ok(true),
            Err(TmuxError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The id of the session called `name`.
    ///
    /// # Errors
    /// See [`Server::run`].
    pub fn session(&self, name: &str) -> Result<Option<String>, TmuxError> {
        // Not as a target, which matches prefixes and patterns.
        let all = self.run(&["list-sessions", "-F", "#{session_id} #{session_name}"])?;
        let found = all.lines().filter_map(|line| line.split_once(' ')).find(|(_, other)| *other == name);
        Ok(found.map(|(id, _)| id.to_owned()).filter(|id| is_id(id, '$')))
    }

    /// The session that the pane `pane` is in.
    ///
    /// # Errors
    /// See [`Server::run`].
    pub fn session_of(&self, pane: &str) -> Result<String, TmuxError> {
        let pane = pane_id(pane).ok_or_else(|| TmuxError::Odd(pane.to_owned()))?;
        let said = self.run(&["display-message", "-p", "-t", &pane, "#{session_id}"])?;
        let id = said.trim();
        if is_id(id, '$') { Ok(id.to_owned()) } else { Err(TmuxError::Odd(id.to_owned())) }
    }

    /// Every pane of every session, with the values of `options`. A window that several sessions show is told once.
    ///
    /// # Errors
    /// See [`Server::run`], and when the answer is not understood: then nothing is known of any pane.
    pub fn marked(&self, options: &[&str]) -> Result<Vec<MarkedPane>, TmuxError> {
        let mut format = String::from("#{session_id} #{window_id} #{pane_id} #{pane_dead}");
        // The lengths, in bytes, come before the values: no value can pose as another field or line.
        format.extend(options.iter().map(|option| format!(" #{{n:{option}}}")));
        format.extend(options.iter().map(|option| format!(" #{{{option}}}")));
        let answer = self.finish(&["list-panes", "-a", "-F", &format])?;
        let mut rest = answer.as_slice();
        let mut panes: Vec<MarkedPane> = Vec::new();
        while !rest.is_empty() {
            let line =
                String::from_utf8_lossy(rest.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
            let pane = marked_pane(&mut rest, options.len())
                .ok_or_else(|| TmuxError::Odd(line.chars().take(80).collect()))?;
            if panes.iter().all(|other| other.pane != pane.pane) {
                panes.push(pane);
            }
        }
        Ok(panes)
    }

    /// The command that shows `session` on the caller's terminal.
    #[must_use]
    pub fn attach(&self, session: &str) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-N").arg("-S").arg(&self.socket);
        // Otherwise tmux draws agents' colours with the nearest of 256.
        if std::env::var("COLORTERM").is_ok_and(|value| matches!(value.as_str(), "truecolor" | "24bit")) {
            command.args(["-T", "RGB"]);
        }
        command.args(["attach-session", "-t", session]);
        command
    }
}

/// The command that starts a server at `socket` with `config` in place of anybody's own, and with `environment` and
/// nothing else. The server goes into the background by itself.
#[must_use]
pub fn start(socket: &Path, config: &Path, environment: &[(String, OsString)]) -> Vec<OsString> {
    let mut argv: Vec<OsString> = ["env", "-i"].map(OsString::from).to_vec();
    for (name, value) in environment {
        let mut variable = OsString::from(format!("{name}="));
        variable.push(value);
        argv.push(variable);
    }
    argv.extend(["tmux".into(), "-u".into(), "-S".into(), socket.into(), "-f".into(), config.into()]);
    argv.push("start-server".into());
    argv
}

/// A word as it is: one that ends in `;` would end the command.
fn literal(word: &str) -> String {
    match word.strip_suffix(';') {
        Some(rest) => format!("{rest}\\;"),
        None => word.to_owned(),
    }
}

fn is_id(text: &str, sign: char) -> bool {
    text.strip_prefix(sign).is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn marked_pane(rest: &mut &[u8], count: usize) -> Option<MarkedPane> {
    let mut id = |sign| word(rest).filter(|text| is_id(text, sign)).map(str::to_owned);
    let (session, window, pane) = (id('$')?, id('@')?, id('%')?);
    let dead = word(rest)? == "1";
    let lengths = (0..count).map(|_| word(rest)?.parse().ok()).collect::<Option<Vec<usize>>>()?;
    let mut values = Vec::with_capacity(count);
    for (index, length) in lengths.into_iter().enumerate() {
        values.push(text(rest, length, if index + 1 == count { b'\n' } else { b' ' })?);
    }
    Some(MarkedPane { session, window, pane, dead, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_pose_as_another_pane() {
        let evil = "x\n$0 @9 %9 0 4 4 shop core";
        let answer = format!("$0 @1 %2 1 4 {} shop {evil}\n$0 @1 %3 0 0 0  \n", evil.len());
        let mut rest = answer.as_bytes();
        let first = marked_pane(&mut rest, 2).unwrap();
        assert_eq!((first.pane.as_str(), first.dead, first.values[1].as_str()), ("%2", true, evil));
        assert_eq!(marked_pane(&mut rest, 2).unwrap().values, ["", ""]);
        assert!(rest.is_empty());
        assert_eq!(marked_pane(&mut &b"$0 @1 %2 1 9 9 shop\n"[..], 2), None);
        assert_eq!(marked_pane(&mut &b"$0 @1 2 1 0 0  \n"[..], 2), None);
    }

    #[test]
    fn a_semicolon_ends_no_command() {
        assert_eq!(literal("a;b"), "a;b");
        assert_eq!(literal(";"), "\\;");
        assert_eq!(literal("x\\;"), "x\\\\;");
    }

    #[test]
    fn the_variable_names_its_server() {
        let server = Server::of_variable("/tmp/a,b/default,123,0").unwrap();
        assert_eq!(server.socket, Path::new("/tmp/a,b/default"));
        assert!(Server::of_variable("").is_none() && Server::of_variable(",1,0").is_none());
    }
}
