//! A complete manifest, to be changed by a test.

use std::path::Path;

use fleet::ids::{AgentName, FleetId, UnitName};
use serde_json::{Value, json};

/// For the agent `name` of `fleet`, with nothing set that can be left out. Its roster and its working folder are `folder`'s own.
pub fn manifest(fleet: &FleetId, name: &str, folder: &Path, socket: &Path, argv: &[&str]) -> Value {
    json!({
        "format": 1, "fleet": fleet, "agent": name, "kind": "agent", "role": null,
        "unit": UnitName::agent(fleet, &AgentName::new(name).unwrap()), "roster": folder.join("fleet.kdl"),
        "folder": folder, "socket": socket,
        "launch": {
            "runtime": "test", "model": null, "effort": null, "argv": argv, "prompt_argv": [], "dir": folder,
            "env_keys": [], "env_digest": "0".repeat(64), "unset": [], "secrets": [], "role_digest": null, "files": {},
            "terminal": {"columns": 80, "rows": 24, "term": "xterm-256color", "scrollback": 0},
        },
        "policy": {
            "description": null, "prompt": null, "autostart": true,
            "restart": {"when": "never", "delay_ms": 0, "max_delay_ms": 0, "burst": 1, "within_ms": 1,
                "healthy_ms": 1},
            "limits": {"memory": null, "memory_high": null, "tasks": null, "cpu_percent": null},
            "stop_timeout_ms": 10_000, "log": {"size": 100_000_000, "keep": 1, "off": false}, "patterns": [],
            "delivery": {"busy_input": "refuse", "settle_ms": 150, "quit": null, "interrupt": null},
        },
    })
}
