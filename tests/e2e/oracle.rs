//! What a real manager makes of awkward values: the unit it shows and the environment it starts must be what the roster
//! says, for state folders and values that mean something else in the files they pass through.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

/// Blanks, a specifier, a variable and letters beyond ASCII. Quotes are refused: systemd takes none in a program's path.
const FOLDER: &str = "st ate%h $HOME ü";

const VALUES: &[(&str, &str)] = &[
    ("PERCENT", "%n %% %h 100%"),
    ("DOLLAR", "$HOME ${HOME} $$"),
    ("QUOTES", "a \"b\" 'c' `d`"),
    ("BACKSLASH", "\\ \\n \\x41 end\\"),
    ("SPACES", "  lead and trail  "),
    ("UNICODE", "grün 日本 🚢"),
    ("EMPTY", ""),
    ("HASH", "# no comment ; nor this"),
    ("EQUALS", "a=b=c"),
];

#[test]
fn root_gets_what_the_roster_says() {
    if As::all().contains(&As::Root) {
        for kind in [Manager::Systemd, Manager::Local] {
            values_arrive(&World::new(As::Root, kind));
        }
    }
}

#[test]
fn an_ordinary_user_gets_what_the_roster_says() {
    for kind in [Manager::Systemd, Manager::Local] {
        values_arrive(&World::new(As::User, kind));
    }
}

fn values_arrive(world: &World) {
    let state = world.manager.variable("XDG_STATE_HOME").join(FOLDER);
    let out = world.folder.join("seen");
    let variables: String =
        VALUES.iter().map(|(name, value)| format!("    env \"{name}\" {}\n", quoted(value))).collect();
    let script = format!(
        "env -0 >'{0}.new' && printf '%s\\0' \"$@\" >'{0}.words' && mv '{0}.new' '{0}'; exec sleep 1000",
        out.display()
    );
    world.roster(&format!(
        "fleet \"odd\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nagent \"one\" {{\n    role \"coder\"\n    description {}\n\
         {variables}    limits memory=\"300M\" memory-high=\"200M\" tasks=77 cpu=\"150%\"\n    stop-timeout \"7s\"\n    restart \"always\" delay=\"3s\"\n\
             runtime \"command\" {{ argv \"sh\" \"-c\" {} \"sh\" {} {} \"\"; }}\n}}\n",
        quoted("50% \"done\" $HOME %n \\"),
        quoted(&script),
        quoted("%n $HOME \"q\" 'p' \\"),
        quoted("two\nlines"),
    ));
    let fleet = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("XDG_STATE_HOME", &state);
        let said = output(&mut command, LONG);
        let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success(), "{arguments:?}: {text}");
        text
    };
    fleet(&["apply", &format!("--manager={}", world.kind.word())]);
    wait_for("the agent has written what it sees", || out.exists());
    let environment = zero_separated(&out);
    let environment: BTreeMap<&str, &str> = environment.iter().filter_map(|entry| entry.split_once('=')).collect();
    for (name, value) in VALUES {
        assert_eq!(environment.get(name), Some(value), "{name} under {:?}", world.kind);
    }
    assert_eq!(environment.get("FLEET_AGENT"), Some(&"one"));
    let words = zero_separated(&PathBuf::from(format!("{}.words", out.display())));
    assert_eq!(words, ["%n $HOME \"q\" 'p' \\", "two\nlines", ""]);
    if world.kind == Manager::Systemd {
        unit_is_as_meant(world, &state);
    }
    fleet(&["destroy", "--yes"]);
}

fn unit_is_as_meant(world: &World, state: &std::path::Path) {
    let folder = state.join("fleet/odd");
    let show = |name: &str| {
        let mut command = world.manager.command("systemctl");
        command.args(["--user", "show", "fleet-odd-one.service", "--value", "--property", name]);
        String::from_utf8(output(&mut command, LONG).stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(show("LoadState"), "loaded");
    assert_eq!(show("Description"), "one of fleet odd: 50% \"done\" $HOME %n");
    let (shim, manifest) = (folder.join("bin/fleet-shim"), folder.join("agents/one/manifest.json"));
    assert!(show("ExecStart").contains(&format!("path={} ;", shim.display())), "{}", show("ExecStart"));
    let env = folder.join("agents/one/env");
    assert!(
        show("EnvironmentFiles").contains(&format!("{} (ignore_errors=no)", env.display())),
        "{}",
        show("EnvironmentFiles")
    );
    for (name, value) in [
        ("MemoryMax", "314572800"),
        ("MemoryHigh", "209715200"),
        ("TasksMax", "77"),
        ("CPUQuotaPerSecUSec", "1.500000s"),
        ("TimeoutStopUSec", "17s"),
        ("RestartUSec", "3s"),
        ("Restart", "always"),
        ("KillMode", "mixed"),
        ("OOMPolicy", "continue"),
        ("Type", "notify"),
        ("Slice", "fleet-odd.slice"),
        ("StartLimitBurst", "5"),
        ("StartLimitIntervalUSec", "1h"),
        ("NeedDaemonReload", "no"),
    ] {
        assert_eq!(show(name), value, "{name}");
    }
    // The limits are the control group's own, not only the unit's words.
    let pid = world.status_of(state, "one")["pid"].as_u64().unwrap();
    // systemd fills in variables only when it starts the program, so `show` still has the `$$`; the process has not.
    let words = zero_separated(&PathBuf::from(format!("/proc/{pid}/cmdline")));
    assert_eq!(words, [shim.display().to_string(), manifest.display().to_string()]);
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(cgroup.contains("fleet-odd.slice/fleet-odd-one.service"), "{cgroup}");
}

fn zero_separated(path: &std::path::Path) -> Vec<String> {
    let text = String::from_utf8(fs::read(path).unwrap()).unwrap();
    text.strip_suffix('\0').unwrap().split('\0').map(str::to_owned).collect()
}

/// A text as KDL writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
