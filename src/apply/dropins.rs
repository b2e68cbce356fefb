//! The user's own drop-ins for fleet's units (systemd.unit(5)): they are respected, and a plan says that they are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ids::UnitName;
use crate::plan::live::DropIn;
use crate::system::fs;

/// Largest drop-in that is read, in bytes.
const CAP: u64 = 64 * 1024;

/// Every drop-in that systemd reads for one of `units`: in the user's folder of units, and what `systemctl set-property`
/// wrote, for this boot or for ever.
#[must_use]
pub fn find(unit_base: &Path, runtime_dir: Option<&Path>, units: &[UnitName]) -> Vec<DropIn> {
    let beside = unit_base.parent().map(|parent| parent.join("user.control"));
    let runtime = runtime_dir.map(|runtime| runtime.join("systemd"));
    let transient = runtime.iter().flat_map(|base| [base.join("user"), base.join("user.control")]);
    let bases = [Some(unit_base.to_path_buf()), beside].into_iter().flatten().chain(transient);
    let mut found: BTreeMap<PathBuf, DropIn> = BTreeMap::new();
    for base in bases {
        for folder in listing(&base, "d") {
            let Some(name) = folder.file_stem().and_then(|name| name.to_str()) else { continue };
            let touched: Vec<UnitName> = units.iter().filter(|unit| applies(name, unit.as_str())).cloned().collect();
            if touched.is_empty() {
                continue;
            }
            for path in listing(&folder, "conf") {
                let text = fs::read_optional(&path, CAP).ok().flatten().unwrap_or_default();
                let sets = directives(&String::from_utf8_lossy(&text));
                found.insert(path.clone(), DropIn { path, units: touched.clone(), sets });
            }
        }
    }
    found.into_values().collect()
}

/// Whether systemd reads `NAME.d` for `unit`: its own name, each of its prefixes that ends at a dash, or all of its type.
fn applies(name: &str, unit: &str) -> bool {
    let Some((stem, kind)) = unit.rsplit_once('.') else { return false };
    let prefix = name.strip_suffix(kind).and_then(|rest| rest.strip_suffix('.'));
    name == unit
        || name == kind
        || prefix.is_some_and(|prefix| prefix.ends_with('-') && stem.len() > prefix.len() && stem.starts_with(prefix))
}

/// The names of what a drop-in sets, in its order.
fn directives(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some((name, _)) = line.split_once('=') {
            let name = name.trim().to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// What is in `folder` under names that end in a dot and `end`.
fn listing(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named =
        entries.map(|entry| entry.file_name()).filter(|name| Path::new(name).extension().is_some_and(|e| e == end));
    let mut paths: Vec<PathBuf> = named.map(|name| folder.join(name)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_apply_as_systemd_reads_them() {
        let unit = "fleet-shop-a-b.service";
        for name in
            ["fleet-shop-a-b.service", "fleet-shop-a-.service", "fleet-shop-.service", "fleet-.service", "service"]
        {
            assert!(applies(name, unit), "{name}");
        }
        for name in
            ["fleet-shop-a.service", "fleet-sho-.service", "fleet-shop-a-b-.service", "target", "-.service", ""]
        {
            assert!(!applies(name, unit), "{name}");
        }
    }

    #[test]
    fn directives_are_named_once() {
        let text = "# MemoryMax=1\n[Service]\nMemoryMax=1G\n MemoryMax = 2G\nEnvironment=A=b\n";
        assert_eq!(directives(text), ["MemoryMax", "Environment"]);
    }
}
