//! `fleet init`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::args::{Init, Profile};
use crate::cli::error::{CliError, Exit};
use crate::cli::load::ROSTER;
use crate::cli::ui::Ui;
use crate::diagnostic::suggest;
use crate::ids::{FLEET_ID_MAX, FleetId};
use crate::resolve::{builtin, place};
use crate::system::{fs, proc};

/// Agent CLIs that are looked for, best known first.
const CLIS: &[&str] = &["claude", "codex", "opencode"];
/// Folders every agent's PATH holds anyway.
const USUAL: &[&str] = &["/usr/local/bin", "/usr/bin", "/bin"];

/// What is written, and where.
pub(super) struct Place {
    /// The folder, without links.
    pub folder: PathBuf,
    pub path: PathBuf,
    pub id: FleetId,
}

/// What this shell finds.
pub(super) struct Installed {
    pub clis: BTreeMap<&'static str, PathBuf>,
    pub node: Option<PathBuf>,
}

pub fn run(ui: &Ui, args: &Init) -> Result<Exit, CliError> {
    let folder = args.folder.canonicalize().map_err(|error| {
        let message = format!("cannot write into {}: {error}", args.folder.display());
        CliError::failed(message, "make the folder first, or name another")
    })?;
    let id = id(args, &folder)?;
    let path = folder.join(ROSTER);
    if path.symlink_metadata().is_ok() && !args.dry_run {
        let message = format!("{} exists and is not overwritten", path.display());
        return Err(CliError::refused(
            message,
            "edit it, or move it away first; --dry-run prints what would be written",
        ));
    }
    if args.from_tmux {
        return super::from_tmux::run(ui, args, &Place { folder, path, id });
    }
    let Installed { clis: found, node } = installed();
    let text = fill(args.profile, &id, &found, node.as_deref());
    if args.dry_run {
        ui.out(&text);
        return Ok(Exit::Ok);
    }
    fs::write_atomic(&path, text.as_bytes(), 0o644)?;
    ui.out(&format!("Wrote {} (profile {}, fleet {id}).", path.display(), args.profile.name()));
    if args.profile != Profile::LocalCanary {
        ui.out(&match found.keys().collect::<Vec<_>>().as_slice() {
            [] => "No agent CLI was found, so its agents are scripted canaries; the file says how to change that."
                .to_owned(),
            names => format!("Agent CLIs found: {}.", suggest::list(names)),
        });
    }
    ui.out("Next: `fleet plan`, then `fleet apply`.");
    Ok(Exit::Ok)
}

/// Looks along this shell's PATH.
pub(super) fn installed() -> Installed {
    let shell_path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| proc::find_program(name, &shell_path);
    Installed { clis: CLIS.iter().filter_map(|name| Some((*name, find(name)?))).collect(), node: find("node") }
}

/// The id asked for, or one made from the folder's name.
fn id(args: &Init, folder: &Path) -> Result<FleetId, CliError> {
    if let Some(text) = &args.id {
        return FleetId::new(text).map_err(|error| {
            CliError::usage(
                format!("`{text}` is not a fleet id: {error}"),
                format!("write lower-case letters and digits, at most {FLEET_ID_MAX}"),
            )
        });
    }
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.trim_start_matches(|c: char| c.is_ascii_digit());
    let short: String = letters.chars().take(FLEET_ID_MAX).collect();
    FleetId::new(&short).map_err(|_| {
        let message = format!("no fleet id can be made from the folder's name `{name}`");
        CliError::usage(message, "choose one with --id, as in `fleet init --id shop`")
    })
}

/// A preset with what was found on this machine.
fn fill(profile: Profile, id: &FleetId, found: &BTreeMap<&str, PathBuf>, node: Option<&Path>) -> String {
    let preset = builtin::find(builtin::PRESETS, profile.name()).unwrap_or_default();
    let main = CLIS.iter().find(|name| found.contains_key(*name)).copied().unwrap_or("canary");
    // Coders use the second CLI where there is one: two vendors rarely have the same bad day.
    let coder = if found.contains_key("codex") { "codex" } else { main };
    let comment = if found.is_empty() {
        "// No agent CLI was found on this machine (looked for claude, codex and opencode), so these agents are scripted\n\
         // canaries. Install one, then write its name instead of \"canary\" and add its folder with `path`.\n"
            .to_owned()
    } else {
        String::new()
    };
    let settings =
        folders(&[main, coder], found, node).map(|folders| format!("    path {folders}\n")).unwrap_or_default();
    let coder = if coder == main { String::new() } else { format!("    runtime \"{coder}\"\n") };
    preset
        .replace("%ID%", id.as_str())
        .replace("%FOUND%\n", &comment)
        .replace("%RUNTIME%", main)
        .replace("%SETTINGS%\n", &settings)
        .replace("%CODER%\n", &coder)
}

/// The folders that a detached agent would not find by itself, as words of `path`.
pub(super) fn folders(names: &[&str], found: &BTreeMap<&str, PathBuf>, node: Option<&Path>) -> Option<String> {
    let programs = names.iter().filter_map(|name| found.get(name).map(PathBuf::as_path));
    let mut folders: Vec<String> = Vec::new();
    // Several CLIs are scripts of node's, which has to be found too.
    for folder in programs.chain(node.filter(|_| !found.is_empty())).filter_map(Path::parent) {
        let text = place(&folder.display().to_string(), Path::new("/"), Path::new("/")).display().to_string();
        let quotable = !text.contains(['"', '\\']) && !text.chars().any(char::is_control);
        if quotable && !USUAL.contains(&text.as_str()) && !folders.contains(&text) {
            folders.push(text);
        }
    }
    let words: Vec<_> = folders.iter().map(|folder| format!("\"{folder}\"")).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn folders_name_fleets() {
        let args = |id: Option<&str>| Init {
            profile: Profile::Minimal,
            id: id.map(str::to_owned),
            from_tmux: false,
            tmux_socket: None,
            dry_run: true,
            folder: PathBuf::from("."),
        };
        let named = |folder: &str| id(&args(None), Path::new(folder)).map(|id| id.to_string());
        assert_eq!(named("/x/My-Shop_2").unwrap(), "myshop2");
        assert_eq!(named("/x/2024-notes").unwrap(), "notes");
        assert!(named("/").is_err());
        assert!(named("/x/日本").is_err());
        assert!(id(&args(Some("a-b")), Path::new("/x")).is_err());
    }

    #[test]
    fn nothing_of_a_template_is_left() {
        for profile in Profile::value_variants() {
            for found in [
                BTreeMap::new(),
                BTreeMap::from([
                    ("codex", PathBuf::from("/opt/x/codex")),
                    ("claude", PathBuf::from("/usr/bin/claude")),
                ]),
            ] {
                let text =
                    fill(*profile, &FleetId::new("shop").unwrap(), &found, Some(Path::new("/opt/node/bin/node")));
                assert!(!text.contains('%'), "{text}");
            }
        }
    }
}
