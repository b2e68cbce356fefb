//! The compiler as a function of text, with a host made up for the tests.

use std::path::{Path, PathBuf};

use fleet::diagnostic::render::{self, Style};
use fleet::diagnostic::{Diagnostics, FileId, Sources};
use fleet::render::{Artifact, Target};
use fleet::resolve::{self, Fleet, HostFacts, Inputs, builtin};
use fleet::roster::decode::role_file;
use fleet::roster::include::{Found, Trouble, Wanted};
use fleet::roster::model::Roster;
use fleet::roster::{self, defaults};

/// A host that does not exist, so that results are the same on every machine.
pub fn host() -> HostFacts {
    HostFacts {
        home: PathBuf::from("/home/ada"),
        hostname: "forge".to_owned(),
        state_base: PathBuf::from("/home/ada/.local/state/fleet"),
        data_base: PathBuf::from("/home/ada/.local/share/fleet"),
        runtime_base: Some(PathBuf::from("/run/user/1000/fleet")),
        unit_base: PathBuf::from("/home/ada/.config/systemd/user"),
        memory: Some(16 << 30),
    }
}

pub struct Compiled {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
    pub roster: Option<Roster>,
    pub inputs: Inputs,
    pub fleet: Option<Fleet>,
}

impl Compiled {
    /// Every finding, as a person reads it without colour.
    pub fn text(&self) -> String {
        let mut sources = self.sources.clone();
        for span in self.diagnostics.concealed() {
            sources.conceal(*span);
        }
        let style = Style { colour: false, unicode: true, width: 100 };
        self.diagnostics
            .sorted()
            .iter()
            .map(|found| render::text(found, &sources, style))
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn artifacts(&self, systemd: Option<u32>) -> Vec<Artifact> {
        let fleet = self.fleet.as_ref().unwrap_or_else(|| panic!("{}", self.text()));
        fleet::render::render(fleet, Target { systemd })
    }
}

/// Where the roster stands.
const FOLDER: &str = "/home/ada/shop";

/// Compiles a roster that stands in `/home/ada/shop`, with the built-in runtimes and roles.
pub fn compile(text: &str) -> Compiled {
    compile_with(text, &[])
}

/// The same with other files in its folder, by their relative path: included files, roles, runtimes and prompts.
pub fn compile_with(text: &str, files: &[(&str, &str)]) -> Compiled {
    compile_on(&host(), text, files)
}

/// The same on another host.
pub fn compile_on(host: &HostFacts, text: &str, files: &[(&str, &str)]) -> Compiled {
    let folder = PathBuf::from(FOLDER);
    let find = |place: &Path| {
        let inside = place.strip_prefix(FOLDER).ok()?.to_str()?;
        files.iter().find(|(path, _)| *path == inside).map(|(_, text)| (*text).to_owned())
    };
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let root = sources.add("fleet.kdl", text);
    let mut inputs = Inputs { roster: folder.join("fleet.kdl"), folder: folder.clone(), ..Inputs::default() };
    inputs.folders.insert(root, folder.clone());
    let mut reader = |wanted: &Wanted<'_>, file: FileId| {
        let place = resolve::place(wanted.path, &inputs.folders[&wanted.from], &host.home);
        let name = place.strip_prefix(FOLDER).unwrap_or(&place).display().to_string();
        if !place.starts_with(FOLDER) && !wanted.path.starts_with('/') {
            return Err(Trouble::Outside(name));
        }
        let text = if place == folder.join("fleet.kdl") { Some(text.to_owned()) } else { find(&place) };
        let Some(text) = text else { return Err(Trouble::Absent(name)) };
        inputs.folders.insert(file, place.parent().unwrap().to_path_buf());
        Ok(Found { identity: place, name, text })
    };
    let read = roster::read(root, folder.join("fleet.kdl"), &mut sources, &mut reader, &mut diagnostics);
    let Some(roster) = read else {
        return Compiled { sources, diagnostics, roster: None, inputs, fleet: None };
    };
    inputs.defaults = defaults::nodes(&mut sources);
    let own_or = |kind: &str, name: &str, extension: &str, table| {
        let relative = format!("{kind}/{name}.{extension}");
        let own = find(&folder.join(&relative)).map(|text| (relative.clone(), text));
        own.or_else(|| builtin::find(table, name).map(|text| (format!("built-in {relative}"), text.to_owned())))
    };
    for name in resolve::role_names(&roster) {
        if let Some((shown, text)) = own_or("roles", name.as_str(), "md", builtin::ROLES) {
            let file = sources.add(shown, text.clone());
            inputs.folders.insert(file, folder.join("roles"));
            inputs.roles.insert(name, role_file::read(&text, file, &mut diagnostics));
        }
    }
    let needs = resolve::needs(&roster, &inputs, host);
    for name in needs.runtimes {
        if let Some((shown, text)) = own_or("runtimes", name.as_str(), "kdl", builtin::RUNTIMES) {
            inputs.runtimes.insert(name, sources.add(shown, text));
        }
    }
    for path in needs.prompts {
        let text = find(&path).map(|text| text.trim().to_owned());
        inputs.prompts.insert(path, text.ok_or_else(|| "no such file".to_owned()));
    }
    let fleet = resolve::resolve(&roster, &inputs, host, &sources, &mut diagnostics);
    Compiled { sources, diagnostics, roster: Some(roster), inputs, fleet }
}
