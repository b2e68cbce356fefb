//! The unit writer against a real service manager: what it has loaded is what the typed values say, and nothing else
//! differs from a unit with harmless values.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use fleet::ids::UnitName;
use fleet::manifest::RestartWhen;
use fleet::render::{FileKind, Target, render};
use fleet::resolve::{Agent, Fleet};
use fleet_fuzz::bytes::Bytes;
use fleet_fuzz::manager::{Manager, Properties};
use fleet_fuzz::roster;
use libfuzzer_sys::fuzz_target;
use zbus::Variant;

/// Agents of one input, which share one reload.
const MOST: u8 = 6;

/// Other units of the same kind differ here too: their names, and what the manager counts or notes down.
const ALWAYS_OWN: &[&str] = &["Id", "Names", "FragmentPath", "InvocationID"];

fuzz_target!(|data: &[u8]| {
    let (manager, harmless) = oracle();
    let mut bytes = Bytes::new(data, "/tmp/fleet-fuzz-canary");
    let host = roster::host(&mut bytes, &manager.folder, &manager.units);
    let Ok(fleet) = roster::fleet(&mut bytes, &host, MOST) else { return };
    load(manager, &fleet, |seen| {
        for agent in &fleet.agents {
            let unit = agent.unit(&fleet.id).to_string();
            compare(&fleet, agent, &seen[&unit], harmless);
        }
        for unit in [UnitName::slice(&fleet.id), UnitName::target(&fleet.id)] {
            assert!(words(&seen[unit.as_str()], "Description").starts_with("fleet odd: "));
            assert_eq!(words(&seen[unit.as_str()], "LoadState"), "loaded");
        }
        errors(manager, &fleet);
    });
});

/// The manager, and what it says of a unit with harmless values.
fn oracle() -> &'static (Manager, Properties) {
    static ORACLE: OnceLock<(Manager, Properties)> = OnceLock::new();
    ORACLE.get_or_init(|| {
        let manager = Manager::start();
        let host = roster::host(&mut Bytes::new(&[], ""), &manager.folder, &manager.units);
        let fleet = roster::fleet(&mut Bytes::new(&[], ""), &host, 1).unwrap_or_else(|said| panic!("{said}"));
        let mut harmless = Properties::new();
        load(&manager, &fleet, |seen| harmless.clone_from(&seen["fleet-odd-a0.service"]));
        compare(&fleet, &fleet.agents[0], &harmless, &harmless);
        (manager, harmless)
    })
}

/// Writes the units, loads them, and takes them away again.
fn load(manager: &Manager, fleet: &Fleet, mut look: impl FnMut(&BTreeMap<String, Properties>)) {
    let files: Vec<_> = render(fleet, Target { systemd: Some(manager.version) })
        .into_iter()
        .filter(|artifact| artifact.kind == FileKind::Unit)
        .collect();
    for file in &files {
        // To look at a find: FLEET_FUZZ_SHOW=1 cargo fuzz run --sanitizer none unit FILE
        if std::env::var_os("FLEET_FUZZ_SHOW").is_some() {
            eprintln!("==== {}\n{}", file.path.display(), file.text);
        }
        fs::write(&file.path, file.text.as_bytes()).expect("a unit file");
    }
    manager.reload();
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("a unit's name").to_owned();
    let units: Vec<String> = files.iter().map(|file| name(&file.path)).collect();
    for unit in &units {
        manager.hold(unit);
    }
    look(&units.iter().map(|unit| (unit.clone(), manager.properties(unit))).collect());
    for (file, unit) in files.iter().zip(&units) {
        manager.release(unit);
        fs::remove_file(&file.path).expect("the unit file is ours");
    }
}

fn compare(fleet: &Fleet, agent: &Agent, seen: &Properties, harmless: &Properties) {
    let policy = &agent.policy;
    let folder = tidy(&fleet.paths.agent(&agent.name));
    let first = fleet.paths.bin().join("fleet-shim").display().to_string();
    let program = tidy(Path::new(&first));
    // Variables are filled in when the program is started, so a `$` is still two here.
    let manifest = fleet.paths.agent(&agent.name).join("manifest.json").display().to_string().replace('$', "$$");
    // What is longer than systemd can count is for ever.
    let micro = |ms: u64| ms.checked_mul(1000).filter(|micro| *micro < 1 << 63).unwrap_or(u64::MAX);
    let limit = |limit: Option<u64>| limit.unwrap_or(u64::MAX).to_string();
    let meant: &[(&str, String)] = &[
        ("LoadState", quote("loaded")),
        ("LoadError", format!("({}, {})", quote(""), quote(""))),
        ("NeedDaemonReload", "false".into()),
        ("Description", quote(&description(fleet, agent))),
        ("PartOf", format!("[{}]", quote("fleet-odd.target"))),
        ("Slice", quote("fleet-odd.slice")),
        (
            "Restart",
            quote(match policy.restart.when {
                RestartWhen::Never => "no",
                RestartWhen::OnFailure => "on-failure",
                RestartWhen::Always => "always",
            }),
        ),
        ("RestartUSec", micro(policy.restart.delay_ms).to_string()),
        ("StartLimitIntervalUSec", micro(policy.restart.within_ms).to_string()),
        ("StartLimitBurst", policy.restart.burst.to_string()),
        ("TimeoutStopUSec", micro(policy.stop_timeout_ms.saturating_add(10_000)).to_string()),
        ("TimeoutAbortUSec", micro(policy.stop_timeout_ms.saturating_add(10_000)).to_string()),
        ("MemoryMax", limit(policy.limits.memory)),
        ("MemoryHigh", limit(policy.limits.memory_high)),
        ("CPUQuotaPerSecUSec", limit(policy.limits.cpu_percent.map(|cpu| u64::from(cpu) * 10_000))),
        (
            "EnvironmentFiles",
            format!(
                "[({}, false), ({}, true)]",
                quote(&format!("{folder}/env")),
                quote(&format!("{folder}/local.env"))
            ),
        ),
        (
            "ExecStart",
            format!("[({}, [{}, {}], false, 0, 0, 0, 0, 0, 0, 0)]", quote(&program), quote(&first), quote(&manifest)),
        ),
        (
            "ExecStartEx",
            format!("[({}, [{}, {}], [], 0, 0, 0, 0, 0, 0, 0)]", quote(&program), quote(&first), quote(&manifest)),
        ),
        ("Type", quote("notify")),
        ("KillMode", quote("mixed")),
        ("OOMPolicy", quote("continue")),
        ("StandardOutput", quote("append")),
        ("StandardError", quote("append")),
    ];
    for (name, value) in meant {
        assert_eq!(&plain(&seen[*name]), value, "{name} of {}", agent.name);
    }
    if let Some(tasks) = policy.limits.tasks {
        assert_eq!(plain(&seen["TasksMax"]), tasks.to_string(), "TasksMax of {}", agent.name);
    } else {
        assert_eq!(seen["TasksMax"], harmless["TasksMax"], "TasksMax of {}", agent.name);
    }
    let mut after: Vec<String> = agent.after.iter().map(|name| format!("\"fleet-odd-{name}.service\"")).collect();
    after.extend(list(&harmless["After"]));
    after.sort();
    let mut found = list(&seen["After"]);
    found.sort();
    assert_eq!(found, after, "After of {}", agent.name);
    for (name, value) in seen {
        let checked = meant.iter().any(|(known, _)| known == name) || matches!(name.as_str(), "TasksMax" | "After");
        // `After=` of a later agent stands in an earlier one as `Before=`, and nowhere else.
        let own = ALWAYS_OWN.contains(&name.as_str()) || name == "Before" || name.contains("Timestamp");
        if !checked && !own {
            // The order of units in a list has no meaning.
            let sorted = |value: &Variant| {
                let mut items = list(value);
                items.sort();
                (items.is_empty()).then(|| plain(value)).ok_or(items)
            };
            assert_eq!(sorted(value), sorted(&harmless[name]), "{name} of {}", agent.name);
        }
    }
    assert_eq!(seen.len(), harmless.len());
    let other = |name: &String| !name.starts_with("\"fleet-odd-a") && !list(&harmless["Before"]).contains(name);
    assert_eq!(list(&seen["Before"]).into_iter().find(other), None, "Before of {}", agent.name);
}

/// Where errors go stands on no bus, only in the manager's dump.
fn errors(manager: &Manager, fleet: &Fleet) {
    let units: Vec<String> = fleet.agents.iter().map(|agent| agent.unit(&fleet.id).to_string()).collect();
    let dump = manager.dump(&units);
    for agent in &fleet.agents {
        let file = format!("{}/shim.err", tidy(&fleet.paths.agent(&agent.name)));
        for name in ["StandardOutputFileToAppend", "StandardErrorFileToAppend"] {
            let line = format!("\t{name}: {file}\n");
            assert_eq!(dump.matches(&line).count(), 1, "{name} of {} is not {file}:\n{dump}", agent.name);
        }
    }
}

/// What people shall read: the description on one line, cut where systemd's list would be.
fn description(fleet: &Fleet, agent: &Agent) -> String {
    let (name, id) = (&agent.name, &fleet.id);
    let text = match &agent.policy.description {
        Some(text) => format!("{name} of fleet {id}: {text}"),
        None => format!("{name} of fleet {id}: coder ({})", agent.runtime),
    };
    roster::one_line(&text)
}

/// systemd writes paths without what means nothing in them.
fn tidy(path: &Path) -> String {
    let parts: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    parts.display().to_string()
}

fn words(properties: &Properties, name: &str) -> String {
    match &*properties[name] {
        Variant::Str(text) => text.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

fn quote(text: &str) -> String {
    format!("{text:?}")
}

fn list(value: &Variant) -> Vec<String> {
    let Variant::Array(items) = value else { return Vec::new() };
    items.iter().map(plain).collect()
}

/// A value without the names of its types.
fn plain(value: &Variant) -> String {
    let all = |items: Vec<String>| items.join(", ");
    match value {
        Variant::Str(text) => quote(text.as_str()),
        Variant::Bool(flag) => flag.to_string(),
        Variant::I32(number) => number.to_string(),
        Variant::U32(number) => number.to_string(),
        Variant::U64(number) => number.to_string(),
        Variant::Array(items) => format!("[{}]", all(items.iter().map(plain).collect())),
        Variant::Structure(fields) => format!("({})", all(fields.fields().iter().map(plain).collect())),
        Variant::Variant(inner) => plain(inner),
        other => format!("{other:?}"),
    }
}
