//! A map whose keys are paths by their bytes. `Path` compares itself part by part, and thousands of paths that begin alike
//! are slow to tell apart in any order: they are hashed. Two spellings of one path are two keys: fleet spells each in one way.

#![expect(clippy::disallowed_types, reason = "whoever asks for all paths gets them in the order of their bytes")]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
struct Spelled(PathBuf);

impl PartialEq for Spelled {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_os_str() == other.0.as_os_str()
    }
}

impl Eq for Spelled {}

impl Hash for Spelled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_os_str().hash(state);
    }
}

impl Borrow<OsStr> for Spelled {
    fn borrow(&self) -> &OsStr {
        self.0.as_os_str()
    }
}

/// What is known of each path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByPath<T>(HashMap<Spelled, T>);

impl<T> Default for ByPath<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByPath<T> {
    /// What is known of `path`.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&T> {
        self.0.get(path.as_os_str())
    }

    /// Whether anything is known of `path`.
    #[must_use]
    pub fn contains_key(&self, path: &Path) -> bool {
        self.0.contains_key(path.as_os_str())
    }

    /// Puts down what is known of `path`, and returns what was.
    pub fn insert(&mut self, path: PathBuf, value: T) -> Option<T> {
        self.0.insert(Spelled(path), value)
    }

    /// Takes `path` out.
    pub fn remove(&mut self, path: &Path) -> Option<T> {
        self.0.remove(path.as_os_str())
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Every path and what is known of it, in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&PathBuf, &T)> {
        let mut all: Vec<_> = self.0.iter().map(|(path, value)| (&path.0, value)).collect();
        all.sort_unstable_by_key(|(path, _)| path.as_os_str());
        all.into_iter()
    }

    /// Every path, in the order of their bytes.
    pub fn keys(&self) -> impl Iterator<Item = &PathBuf> {
        self.iter().map(|(path, _)| path)
    }
}

impl<T> Extend<(PathBuf, T)> for ByPath<T> {
    fn extend<I: IntoIterator<Item = (PathBuf, T)>>(&mut self, more: I) {
        self.0.extend(more.into_iter().map(|(path, value)| (Spelled(path), value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_the_order_is_that_of_bytes() {
        let mut map = ByPath::default();
        map.insert("/a/b".into(), 1);
        map.extend([("/a-b".into(), 2), ("/a/b".into(), 3), ("/a".into(), 4)]);
        let all: Vec<_> = map.iter().map(|(path, value)| (path.to_str().unwrap(), *value)).collect();
        assert_eq!(all, [("/a", 4), ("/a-b", 2), ("/a/b", 3)]);
        assert_eq!(map.get(Path::new("/a/b")), Some(&3));
        assert_eq!(map.remove(Path::new("/a")), Some(4));
        assert!(!map.contains_key(Path::new("/a")));
    }
}
