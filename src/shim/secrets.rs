//! Secrets: resolved at start, handed to the agent, never written anywhere else.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{StartError, report};
use crate::manifest::{Manifest, SecretDelivery, SecretRef, SecretSource};
use crate::system::process::{self, Invocation};

/// Longest secret, in bytes: systemd's own limit for credentials (systemd.exec(5)).
const LONGEST: u64 = 1 << 20;

/// Longest wait for a program that prints a secret. A locked vault asks for a person, and nobody is there.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sources hold, in the order of the manifest's secrets.
pub(super) struct Values(Vec<Vec<u8>>);

/// The agent's secrets. Their files go with this value.
#[derive(Default)]
pub(super) struct Secrets {
    /// Variables for the agent.
    variables: Vec<(OsString, OsString)>,
    /// What must not show in what the shim writes.
    values: Vec<Vec<u8>>,
    folder: Option<PathBuf>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Reads every secret from its source, which may take long, and writes nothing: a signal may end the shim meanwhile.
pub(super) fn resolve(manifest: &Manifest) -> Result<Values, StartError> {
    let folder = folder_of(manifest);
    // What a shim that was killed left behind is as secret as what comes now.
    if folder.symlink_metadata().is_ok() {
        remove(&folder).map_err(|error| {
            StartError::config(format!("{} cannot be removed: {error}. Remove it by hand", folder.display()))
        })?;
    }
    let value = |secret: &SecretRef| {
        if is_plain(&secret.name) {
            read(secret)
        } else {
            Err(StartError::config(format!(
                "the secret name {:?} is no variable name (letters, digits and _): correct it in the roster",
                secret.name
            )))
        }
    };
    manifest.launch.secrets.iter().map(value).collect::<Result<_, _>>().map(Values)
}

impl Secrets {
    /// Makes variables of the values, and files of those that are delivered as such.
    pub(super) fn deliver(manifest: &Manifest, values: Values) -> Result<Self, StartError> {
        let mut secrets = Self::default();
        let folder = folder_of(manifest);
        for (secret, value) in manifest.launch.secrets.iter().zip(values.0) {
            match secret.delivery {
                SecretDelivery::Env => {
                    if value.contains(&0) {
                        return Err(StartError::config(format!(
                            "the value of secret {} holds a NUL byte, which no variable can carry: deliver it as=\"file\"",
                            secret.name
                        )));
                    }
                    secrets.variables.push((OsString::from(&secret.name), OsString::from_vec(value.clone())));
                }
                SecretDelivery::File => {
                    let path = folder.join(&secret.name);
                    secrets.folder = Some(folder.clone());
                    write(&folder, &path, &value).map_err(|error| {
                        StartError::config(format!("secret {}: {}: {error}", secret.name, path.display()))
                    })?;
                    secrets.variables.push((OsString::from(format!("{}_FILE", secret.name)), path.into_os_string()));
                }
            }
            secrets.values.push(value);
        }
        Ok(secrets)
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (OsString, OsString)> + '_ {
        self.variables.iter().cloned()
    }

    /// The bare values, for masking.
    pub(super) fn take_values(&mut self) -> Vec<Vec<u8>> {
        self.variables.clear();
        std::mem::take(&mut self.values)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take()
            && let Err(error) = remove(&folder)
        {
            report(format_args!("{}: secrets could not be removed: {error}", folder.display()));
        }
    }
}

/// `<socket folder>/<agent>.secrets`, on the file system that ends with the login.
fn folder_of(manifest: &Manifest) -> PathBuf {
    manifest.socket.with_file_name(format!("{}.secrets", manifest.agent))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn read(secret: &SecretRef) -> Result<Vec<u8>, StartError> {
    let name = &secret.name;
    let value = match &secret.from {
        SecretSource::Env(variable) => std::env::var_os(variable).map(|value| value.as_bytes().to_vec()).ok_or_else(|| {
            StartError::config(format!(
                "secret {name}: the variable {variable} is not set here: set it in the service manager's environment, \
                 or keep the secret in a file"
            ))
        })?,
        SecretSource::File(path) => {
            let mut value = read_plain(path).map_err(|error| {
                StartError::config(format!("secret {name}: {}: {error}: write the secret there", path.display()))
            })?;
            trim(&mut value);
            value
        }
        SecretSource::Cmd(words) => printed(name, words)?,
        SecretSource::Op(reference) => printed(name, &["op".to_owned(), "read".to_owned(), reference.clone()])?,
        SecretSource::Systemd(credential) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                StartError::config(format!(
                    "secret {name}: this unit has no credentials: add a drop-in with LoadCredential={credential}:PATH"
                ))
            })?;
            let path = Path::new(&folder).join(credential);
            let mut value = read_plain(&path).map_err(|error| {
                StartError::config(format!(
                    "secret {name}: {}: {error}: add a drop-in with LoadCredential={credential}:PATH",
                    path.display()
                ))
            })?;
            trim(&mut value);
            value
        }
    };
    if value.is_empty() {
        return Err(StartError::config(format!("secret {name}: its source is empty: put the value there")));
    }
    Ok(value)
}

/// One line break at the end is the file's or the program's, not the secret's.
fn trim(value: &mut Vec<u8>) {
    if value.last() == Some(&b'\n') {
        value.pop();
    }
}

/// What a program prints. Its own words on standard error are passed on, its output never is.
fn printed(name: &str, words: &[String]) -> Result<Vec<u8>, StartError> {
    let finished = process::run(&Invocation::new(words, PROGRAM_TIMEOUT))
        .map_err(|error| StartError::config(format!("secret {name}: {error}: correct `from=` in the roster")))?;
    if !finished.status.success() {
        let said = String::from_utf8_lossy(&finished.stderr);
        let said = said.lines().last().unwrap_or_default();
        return Err(StartError::config(format!(
            "secret {name}: {} ended with {}: {said}",
            words.first().map_or("", String::as_str),
            finished.status
        )));
    }
    let mut value = finished.stdout;
    trim(&mut value);
    Ok(value)
}

/// A plain file of at most [`LONGEST`] bytes: a pipe or a device would hold the start up or never end.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(io::Error::other(format!("it is not a plain file of at most {LONGEST} bytes")));
    }
    fs::read(path)
}

fn write(folder: &Path, path: &Path, value: &[u8]) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(value)
}

/// Removes the folder, or whatever has its name, without following a link.
fn remove(folder: &Path) -> io::Result<()> {
    if folder.symlink_metadata()?.is_dir() { fs::remove_dir_all(folder) } else { fs::remove_file(folder) }
}
