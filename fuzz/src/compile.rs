//! The compiler as a function of text, with the built-in runtimes and roles and no other file beside the roster.

use std::path::PathBuf;

use fleet::diagnostic::{Diagnostics, FileId, Sources};
use fleet::resolve::{self, Fleet, HostFacts, Inputs, builtin};
use fleet::roster::decode::role_file;
use fleet::roster::include::{Found, Trouble, Wanted};
use fleet::roster::{self, defaults};

/// A host that does not exist, so that results are the same on every machine.
#[must_use]
pub fn host() -> HostFacts {
    HostFacts {
        home: PathBuf::from("/home/ada"),
        hostname: "forge".to_owned(),
        data_base: PathBuf::from("/home/ada/.local/share/fleet"),
        state_base: PathBuf::from("/home/ada/.local/state/fleet"),
        runtime_base: Some(PathBuf::from("/run/user/1000/fleet")),
        unit_base: PathBuf::from("/home/ada/.config/systemd/user"),
        memory: Some(16 << 30),
    }
}

pub struct Compiled {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
    pub fleet: Option<Fleet>,
}

#[must_use]
pub fn compile(text: &str, host: &HostFacts) -> Compiled {
    let folder = PathBuf::from("/home/ada/shop");
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let root = sources.add("fleet.kdl", text);
    let mut inputs = Inputs { roster: folder.join("fleet.kdl"), folder: folder.clone(), ..Inputs::default() };
    inputs.folders.insert(root, folder.clone());
    let mut reader = |wanted: &Wanted<'_>, file: FileId| {
        let place = resolve::place(wanted.path, &inputs.folders[&wanted.from], &host.home);
        let name = place.strip_prefix(&folder).unwrap_or(&place).display().to_string();
        // The roster may include itself; nothing else is there.
        if place != folder.join("fleet.kdl") {
            return Err(Trouble::Absent(name));
        }
        inputs.folders.insert(file, folder.clone());
        Ok(Found { identity: place, name, text: text.to_owned() })
    };
    let read = roster::read(root, folder.join("fleet.kdl"), &mut sources, &mut reader, &mut diagnostics);
    let Some(roster) = read else { return Compiled { sources, diagnostics, fleet: None } };
    inputs.defaults = defaults::nodes(&mut sources);
    for name in resolve::role_names(&roster) {
        if let Some(text) = builtin::find(builtin::ROLES, name.as_str()) {
            let file = sources.add(format!("built-in roles/{name}.md"), text);
            inputs.folders.insert(file, folder.join("roles"));
            inputs.roles.insert(name, role_file::read(text, file, &mut diagnostics));
        }
    }
    let needs = resolve::needs(&roster, &inputs, host);
    for name in needs.runtimes {
        if let Some(text) = builtin::find(builtin::RUNTIMES, name.as_str()) {
            inputs.runtimes.insert(name.clone(), sources.add(format!("built-in runtimes/{name}.kdl"), text));
        }
    }
    for path in needs.prompts {
        inputs.prompts.insert(path, Err("no such file".to_owned()));
    }
    let fleet = resolve::resolve(&roster, &inputs, host, &sources, &mut diagnostics);
    Compiled { sources, diagnostics, fleet }
}
