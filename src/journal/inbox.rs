//! Requests to a supervisor that does not run: one file each in `inbox/`, taken exactly once when it runs again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::supervise::clock::Millis;
use crate::supervise::event::{Caller, Request};
use crate::supervise::message::MessageState;
use crate::system::fs::{self as files, FsError};
use crate::system::proc;

/// The folder in the state folder.
pub const FOLDER: &str = "inbox";
/// The folder in it for what was not taken.
pub const REFUSED: &str = "refused";
/// The number that each file carries.
pub const FORMAT: u32 = 1;
/// Largest request, in bytes of its file.
pub const SIZE_CAP: u64 = 64 << 10;
/// How many requests may wait.
pub const WAITING_CAP: usize = 1000;
/// How many files that were not taken are kept.
pub const REFUSED_KEPT: usize = 100;

/// How many files one [`read`] looks at.
const AT_ONCE: usize = 256;
/// How far another clock may be ahead, in milliseconds.
const AHEAD: Millis = 60_000;
/// Digits of a time in a file's name: enough for the year 30000, and all of one length, so that names sort by age.
const DIGITS: usize = 15;

/// A request's file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    id: String,
    created: Millis,
    request: Request,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Unique: what the journal records when it is taken.
    pub id: String,
    /// Milliseconds since the epoch.
    pub created: Millis,
    /// What is asked for, by a person: whoever can write this folder is believed to be the operator, and nobody else.
    pub request: Request,
    file: PathBuf,
}

/// A file that was not taken, and moved to `inbox/refused/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name in `inbox/`.
    pub name: String,
    pub why: String,
}

/// What waits in the inbox.
#[derive(Debug, Default)]
pub struct Read {
    /// Oldest first.
    pub requests: Vec<Waiting>,
    pub refused: Vec<Refusal>,
    /// More is there than was looked at.
    pub more: bool,
}

/// Leaves `request` for the supervisor of the state folder `state`, durably, and returns its id.
///
/// # Errors
/// When it is too large, too many wait already, or the file system refuses; then nothing was left.
pub fn put(state: &Path, now: Millis, request: &Request) -> Result<String, FsError> {
    let folder = state.join(FOLDER);
    files::ensure_private_dir(&folder)?;
    let random: String = proc::random_id().chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let id = format!("{now:0DIGITS$}-{random}");
    let path = folder.join(format!("{id}.json"));
    let content = Content { format: FORMAT, id: id.clone(), created: now, request: request.clone() };
    let bytes = serde_json::to_vec(&content);
    let bytes = bytes.map_err(|error| FsError::io("write", &path, &io::Error::from(error)))?;
    if bytes.len() as u64 > SIZE_CAP {
        let why = format!("the request has {} bytes, and {SIZE_CAP} is the most", bytes.len());
        return Err(FsError::refused(
            "write",
            &path,
            why,
            "shorten it, or name a file that the agent can read instead",
        ));
    }
    if names(&folder)?.len() >= WAITING_CAP {
        let why = format!("{WAITING_CAP} requests wait there already");
        return Err(FsError::refused("write", &path, why, "start the supervisor, which takes them"));
    }
    files::write_atomic(&path, &bytes, 0o600)?;
    Ok(id)
}

/// Reads what waits, oldest first, and moves aside what cannot be taken. Each request is for
/// [`Journal::append_inbox`](super::Journal::append_inbox), then for [`remove`].
///
/// # Errors
/// When the folder cannot be read, or a file that is to be moved aside cannot be.
pub fn read(state: &Path, now: Millis) -> Result<Read, FsError> {
    let folder = state.join(FOLDER);
    if fs::symlink_metadata(&folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(Read::default());
    }
    files::ensure_private_dir(&folder)?;
    files::sweep_temporaries(&folder);
    let mut names = names(&folder)?;
    names.sort();
    let mut read = Read { more: names.len() > AT_ONCE, ..Read::default() };
    for name in names.into_iter().take(AT_ONCE) {
        let file = folder.join(&name);
        let name = name.to_string_lossy().into_owned();
        match take(&file, &name, now) {
            Ok(Some(waiting)) => read.requests.push(waiting),
            Ok(None) => {}
            Err(why) => {
                set_aside(&folder, &file, &name, now)?;
                read.refused.push(Refusal { name, why });
            }
        }
    }
    if !read.refused.is_empty() {
        forget_old(&folder.join(REFUSED));
    }
    Ok(read)
}

/// Removes the file of a request that was taken. Nothing waits for the disk: one that comes back after a power cut is not
/// taken again, and before the journal forgets that it was, it has the folder synced.
///
/// # Errors
/// When it cannot be removed; it is not taken again all the same.
pub fn remove(waiting: &Waiting) -> Result<(), FsError> {
    files::remove_unsynced(&waiting.file).map(drop)
}

/// Everything in the folder but what is fleet's own: refused files, and files that are being written.
fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, FsError> {
    let fail = |error: io::Error| FsError::io("list", folder, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        if name != REFUSED && !name.as_encoded_bytes().starts_with(b".fleet-") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The request in `file`; `None` when it has gone meanwhile; otherwise why it is not taken.
fn take(file: &Path, name: &str, now: Millis) -> Result<Option<Waiting>, String> {
    let bytes = match files::open_plain(file) {
        Ok(open) => {
            let meta = open.metadata().map_err(|error| error.to_string())?;
            if !meta.is_file() {
                return Err("it is not a regular file".to_owned());
            }
            if meta.uid() != nix::unistd::geteuid().as_raw() {
                return Err(format!("it belongs to uid {}", meta.uid()));
            }
            if meta.mode() & 0o022 != 0 {
                return Err(format!("others may write it (mode {:04o})", meta.mode() & 0o7777));
            }
            if meta.len() > SIZE_CAP {
                return Err(format!("it has {} bytes, and {SIZE_CAP} is the most", meta.len()));
            }
            let bytes = files::read_sized(io::Read::take(open, SIZE_CAP + 1), meta.len());
            bytes.map_err(|error| error.to_string())?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => {
            return Err("it is a symbolic link".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    let format = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok()?.get("format")?.as_u64();
    match format(&bytes) {
        Some(number) if number == u64::from(FORMAT) => {}
        Some(number) => return Err(format!("it is of format {number}, and this fleet knows {FORMAT}")),
        None => return Err("it is not whole, or no request".to_owned()),
    }
    let content: Content = serde_json::from_slice(&bytes).map_err(|error| format!("it is no request: {error}"))?;
    let Content { id, created, request, .. } = content;
    let random = id.strip_prefix(&format!("{created:0DIGITS$}-")).unwrap_or_default();
    if random.len() != 16 || !random.bytes().all(|byte| byte.is_ascii_hexdigit()) || name != format!("{id}.json") {
        return Err("its name is not the one that its content has".to_owned());
    }
    if let Some(why) = not_a_persons(&request) {
        return Err(why);
    }
    if created > now.saturating_add(AHEAD) {
        return Err(format!("it is dated {} seconds into the future", (created - now) / 1000));
    }
    Ok(Some(Waiting { id, created, request, file: file.to_owned() }))
}

/// Whom it names cannot be checked here, so only what a person may leave is taken: agents ask over the supervisor's socket,
/// where the kernel says who they are.
fn not_a_persons(request: &Request) -> Option<String> {
    let by = |caller: &Caller| match caller {
        Caller::Operator => None,
        other => Some(format!("it is said to be from {other}, and only people leave requests here")),
    };
    match request {
        Request::Send { message } if message.state != MessageState::Queued => {
            Some("its message is said to be on its way already".to_owned())
        }
        Request::Send { message } => by(&message.from),
        Request::Clear { caller, .. } => by(caller),
        Request::Proposed { .. } | Request::Accepted { .. } => {
            Some("what becomes of proposals is the supervisor's own word".to_owned())
        }
        Request::Recall { .. } | Request::ClearJournalLost | Request::Announce { .. } => None,
    }
}

fn set_aside(folder: &Path, file: &Path, name: &str, now: Millis) -> Result<(), FsError> {
    let refused = folder.join(REFUSED);
    files::ensure_private_dir(&refused)?;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = name.chars().take(64).map(plain).collect();
    let free = |number: &u32| fs::symlink_metadata(refused.join(target(now, *number, &name))).is_err();
    let number = (0..10_000).find(free).unwrap_or(0);
    match fs::rename(file, refused.join(target(now, number, &name))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::io("move away", file, &error)),
        _ => Ok(()),
    }
}

fn target(now: Millis, number: u32, name: &str) -> String {
    format!("{now:0DIGITS$}-{number:04}-{name}")
}

/// Keeps the newest of what was refused.
fn forget_old(refused: &Path) {
    let mut kept: Vec<PathBuf> = fs::read_dir(refused).into_iter().flatten().flatten().map(|e| e.path()).collect();
    kept.sort();
    let surplus = kept.len().saturating_sub(REFUSED_KEPT);
    for old in &kept[..surplus] {
        // A folder may have been refused, too.
        let _ = fs::remove_file(old).or_else(|_| fs::remove_dir_all(old));
    }
}
