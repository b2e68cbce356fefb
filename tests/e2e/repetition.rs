//! An agent that makes the same call again and again is said to be stuck, with the evidence, and lives on.

use crate::support::As;
use crate::watched::{HEAD, Watched, command};
use crate::world::{Manager, World};

#[test]
fn the_same_call_of_a_tool_again_and_again_is_a_stall_with_its_evidence() {
    let world = World::new(As::User, Manager::Local);
    let bin = world.program().parent().unwrap().display().to_string();
    let hook = |command: &str| {
        format!(
            "printf '{{\"hook_event_name\":\"PreToolUse\",\"tool_name\":\"Bash\",\"tool_input\":{{\"command\":\"{command}\"}}}}' \
             | fleet heartbeat --state tool --from-hook; date +%N; sleep 0.2"
        )
    };
    let circles = format!("while :; do {}; done", hook("make"));
    let works = format!("while :; do {}; {}; done", hook("make"), hook("vi"));
    let more = format!("stall after=\"6s\"; path \"{bin}\" \"/usr/bin\" \"/bin\";");
    world.roster(&format!("{HEAD}{}{}", command("circles", &more, &circles), command("works", &more, &works)));
    world.apply(&["--yes"], 0);
    let watched = Watched { world };
    watched.wait_decided("circles", "repetition", "the same call of Bash ");
    assert_eq!(watched.world.agent("circles")["state"], "stalled");
    // Three times its stall time later it is still warned of only: it is no dead one.
    let before = watched.world.pid("circles");
    watched.wait_decided("circles", "stall", "not restarted: it speaks, though it says the same again and again");
    assert_eq!(watched.world.pid("circles"), before);
    assert_eq!(watched.count("works", "repetition", ""), 0, "{:?}", watched.decided("works"));
    // What it was called with is nobody's business.
    let state = watched.state().join("agents/circles/heartbeat");
    let word = std::fs::read_to_string(state).unwrap();
    assert!(word.contains("\"call\":\"Bash ") && !word.contains("make"), "{word}");
    watched.world.fleet(&["destroy", "--yes"], 0);
}
