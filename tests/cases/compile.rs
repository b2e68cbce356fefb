//! The compiler as a function of text, with a host made up for the tests.

use std::path::PathBuf;

use fleet::diagnostic::render::{self, Style};
use fleet::diagnostic::{Diagnostics, Sources};
use fleet::render::{Artifact, Target};
use fleet::resolve::{self, Fleet, HostFacts, Inputs, builtin};
use fleet::roster;
use fleet::roster::decode::role_file;

/// A host that does not exist, so that results are the same on every machine.
pub fn host() -> HostFacts {
    HostFacts {
        home: PathBuf::from("/home/ada"),
        hostname: "forge".to_owned(),
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

/// Compiles a roster that stands in `/home/ada/shop`, with the built-in runtimes and roles.
pub fn compile(text: &str) -> Compiled {
    compile_with(text, &[])
}

/// The same with role files beside the roster, by the role's name.
pub fn compile_with(text: &str, roles: &[(&'static str, &'static str)]) -> Compiled {
    let host = host();
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("fleet.kdl", text);
    let Some(roster) = roster::read(text, file, &mut diagnostics) else {
        return Compiled { sources, diagnostics, fleet: None };
    };
    let folder = PathBuf::from("/home/ada/shop");
    let mut inputs = Inputs { roster: folder.join("fleet.kdl"), folder, ..Inputs::default() };
    for name in resolve::role_names(&roster) {
        let own = roles.iter().find(|(role, _)| *role == name.as_str()).map(|(_, text)| *text);
        let (place, text) = match own {
            Some(text) => ("", Some(text)),
            None => ("built-in ", builtin::find(builtin::ROLES, name.as_str())),
        };
        if let Some(text) = text {
            let file = sources.add(format!("{place}roles/{name}.md"), text);
            inputs.roles.insert(name, role_file::read(text, file, &mut diagnostics));
        }
    }
    let needs = resolve::needs(&roster, &inputs.roles);
    for name in needs.runtimes {
        if let Some(text) = builtin::find(builtin::RUNTIMES, name.as_str()) {
            let file = sources.add(format!("built-in runtimes/{name}.kdl"), text);
            inputs.runtimes.insert(name, file);
        }
    }
    for path in needs.prompts {
        inputs.prompts.insert(path, Err("no such file".to_owned()));
    }
    let fleet = resolve::resolve(&roster, &inputs, &host, &sources, &mut diagnostics);
    Compiled { sources, diagnostics, fleet }
}
