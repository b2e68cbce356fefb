//! What fleet asks of systemd, counted on the real bus.

use crate::support::As;
use crate::world::{Manager, World};

fn roster(agents: usize, description: &str) -> String {
    let mut text = String::from(
        "fleet \"many\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; }\n",
    );
    for number in 0..agents {
        text += &format!("agent \"a{number}\" {{ role \"coder\"; description \"{description}\"; }}\n");
    }
    text
}

/// However many agents there are: one question for a plan, one reload for an apply, none for nothing.
#[test]
fn questions_and_reloads_do_not_grow_with_the_fleet() {
    let world = World::new(As::User, Manager::Systemd);
    for agents in [2, 12] {
        world.roster(&roster(agents, "first"));
        let calls = world.bus_calls(&["apply", "--manager=systemd"], 0);
        assert_eq!(calls.get("Reload"), Some(&1), "{calls:?}");
        let asked =
            |calls: &std::collections::BTreeMap<String, u32>, name: &str| calls.get(name).copied().unwrap_or(0);
        let calls = world.bus_calls(&["plan"], 0);
        assert_eq!(asked(&calls, "ListUnitsByPatterns"), 1, "{calls:?}");
        let all: u32 = calls.values().sum();
        assert!(all <= 4, "a plan of {agents} agents makes {all} calls: {calls:?}");
        let calls = world.bus_calls(&["apply"], 0);
        assert_eq!(asked(&calls, "Reload") + asked(&calls, "StartUnit") + asked(&calls, "StopUnit"), 0, "{calls:?}");
        // A change that only the units see: one reload, and no process is touched.
        world.roster(&roster(agents, "second"));
        let calls = world.bus_calls(&["apply"], 0);
        assert_eq!(
            (asked(&calls, "Reload"), asked(&calls, "StartUnit"), asked(&calls, "StopUnit")),
            (1, 0, 0),
            "{calls:?}"
        );
    }
    world.fleet(&["destroy", "--yes"], 0);
}
