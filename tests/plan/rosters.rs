//! Random rosters that are right.

use proptest::prelude::*;

/// One agent of a random roster.
#[derive(Debug, Clone)]
pub struct Agent {
    name: usize,
    count: Option<u32>,
    colour: u8,
    description: u8,
    memory: Option<u8>,
    autostart: bool,
    after_first: bool,
}

pub fn agent() -> impl Strategy<Value = Agent> {
    let count = prop_oneof![3 => Just(None), 1 => (1u32..4).prop_map(Some)];
    (0usize..6, count, 0u8..3, 0u8..3, prop::option::of(1u8..4), any::<bool>(), any::<bool>()).prop_map(
        |(name, count, colour, description, memory, autostart, after_first)| Agent {
            name,
            count,
            colour,
            description,
            memory,
            autostart,
            after_first,
        },
    )
}

pub fn roster() -> impl Strategy<Value = String> {
    (prop::collection::vec(agent(), 1..6), any::<bool>()).prop_map(|(agents, supervised)| text(&agents, supervised))
}

fn text(agents: &[Agent], supervised: bool) -> String {
    let mut out = format!(
        "fleet \"shop\" version=1 supervise=#{supervised}\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\"; }}\n"
    );
    let mut seen: Vec<usize> = Vec::new();
    for agent in agents {
        if seen.contains(&agent.name) {
            continue;
        }
        let count = agent.count.map(|count| format!(" count={count}")).unwrap_or_default();
        out += &format!("agent \"a{}\"{count} {{ role \"coder\"; env \"COLOUR\" \"{}\"; ", agent.name, agent.colour);
        out += &format!("description \"d{}\"; autostart #{}; ", agent.description, agent.autostart);
        if let Some(memory) = agent.memory {
            out += &format!("limits memory=\"{memory}G\"; ");
        }
        if let Some(first) = seen.first().filter(|_| agent.after_first) {
            out += &format!("after \"a{first}\"; ");
        }
        out += "}\n";
        seen.push(agent.name);
    }
    out
}
