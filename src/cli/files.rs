//! Where a roster's files are read from: the disk, or what a generation kept of them. Both note what was asked for.

use std::io;
use std::path::{Path, PathBuf};

use crate::apply::generation::{FORMAT, Kept};

/// Largest role, runtime or prompt file, in bytes.
const CAP: u64 = 1 << 20;

/// Reads files, and keeps what it read.
#[derive(Debug)]
pub struct Files<'a> {
    /// Nothing is read from the disk then.
    kept: Option<&'a Kept>,
    /// Every file that was looked for, found or not.
    pub touched: Vec<PathBuf>,
    /// What was read.
    pub read: Kept,
}

impl<'a> Files<'a> {
    /// Files of the roster at `root`, whose text is `text`.
    pub fn new(root: &Path, text: &str, kept: Option<&'a Kept>) -> Self {
        let mut read = Kept { format: FORMAT, roster: root.to_path_buf(), ..Kept::default() };
        read.texts.insert(root.to_path_buf(), text.to_owned());
        Self { kept, touched: vec![root.to_path_buf()], read }
    }

    /// The one name of the file that `place` leads to.
    pub fn canonical(&mut self, place: &Path) -> io::Result<PathBuf> {
        let found = match self.kept {
            Some(kept) => {
                let lead = kept.leads.get(place).cloned().unwrap_or_else(|| place.to_path_buf());
                kept.texts.contains_key(&lead).then_some(lead).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            None => place.canonicalize(),
        };
        self.touched.push(found.as_ref().map_or_else(|_| place.to_path_buf(), Clone::clone));
        if let Ok(found) = &found
            && found != place
        {
            self.read.leads.insert(place.to_path_buf(), found.clone());
        }
        found
    }

    /// Whether anything stands at `path`.
    pub fn is_there(&mut self, path: &Path) -> bool {
        self.touched.push(path.to_path_buf());
        match self.kept {
            Some(kept) => kept.texts.contains_key(path),
            None => path.symlink_metadata().is_ok(),
        }
    }

    /// Whether `path` is a plain file.
    pub fn is_plain(&self, path: &Path) -> bool {
        self.kept.is_some() || path.is_file()
    }

    /// The text at `path`.
    pub fn text(&mut self, path: &Path) -> Result<String, String> {
        let text = match self.kept {
            Some(kept) => {
                let lost = || format!("{}: the generation did not keep it", path.display());
                kept.texts.get(path).cloned().ok_or_else(lost)
            }
            None => from_disk(path),
        }?;
        self.read.texts.insert(path.to_path_buf(), text.clone());
        Ok(text)
    }

    /// The text of something built in: a generation keeps its own, because the next fleet may bring another.
    pub fn built_in(&mut self, name: &str, text: Option<&str>) -> Option<String> {
        let path = PathBuf::from(format!("built-in {name}"));
        let kept = self.kept.and_then(|kept| kept.texts.get(&path).cloned());
        let text = kept.or_else(|| text.map(str::to_owned))?;
        self.read.texts.insert(path, text.clone());
        Some(text)
    }
}

fn from_disk(path: &Path) -> Result<String, String> {
    let metadata = path.metadata().map_err(|error| format!("{}: {}", path.display(), why(&error)))?;
    if !metadata.is_file() || metadata.len() > CAP {
        return Err(format!("{} is not a plain file of at most {CAP} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{}: {}", path.display(), why(&error)))
}

/// Why, without the number that only a programmer reads.
pub fn why(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
