//! A move to the other service manager, killed anywhere, is finished by the same command: everybody runs once, under the new one.

use fleet::system::proc::identify;

use crate::kills::{Way, killed_at, points_of, roster, shim, some, strs, world};
use crate::world::{Manager, World};

const NAMES: [&str; 3] = ["keep", "edit", "left"];

fn shims(world: &World) -> Vec<u32> {
    NAMES.iter().map(|name| shim(world, name)).collect()
}

fn move_there_and_back(supervised: bool) {
    let world = world(Manager::Systemd);
    world.roster(&roster(supervised, "red", "left"));
    world.apply(&[], 0);
    let command = |kind: &str| format!("apply --yes --restart=now --manager={kind}");
    let plan = |kind: &str| format!("plan --detailed-exitcode --manager={kind}");
    // How it looks where nothing was ever killed.
    let way = |kind: &str| {
        let words = command(kind);
        world.fleet(&words.split(' ').collect::<Vec<_>>(), 0);
        Way::here(&world, &words, &plan(kind))
    };
    let ways = [way("local"), way("systemd")].map(|way| (points_of(&world, &strs(&way.command), true), way));
    let most = ways.iter().map(|(points, _)| points.len()).max().unwrap();
    let (first, step) = some(most / 10);
    let (mut killed, mut all) = (0, 0);
    for at in (first..most).step_by(step) {
        for (points, way) in &ways {
            // The shorter of the two is gone to its end once more, to come to the other side.
            let point = points.get(at).unwrap_or(&points[0]);
            let before = shims(&world);
            killed += usize::from(killed_at(&world, point, &strs(&way.command)));
            all += 1;
            way.finish(&world, point);
            let now = shims(&world);
            let runs = |pid: &u32| identify(*pid).is_some();
            assert!(now.iter().all(runs), "killed at {point:?}: {now:?} do not all run");
            let old: Vec<_> = before.iter().filter(|pid| !now.contains(pid) && runs(pid)).collect();
            assert!(old.is_empty(), "killed at {point:?}: {old:?} run beside {now:?}");
            let status = world.status();
            assert_eq!(status["supervisor"]["pid"].is_u64(), supervised, "killed at {point:?}: {status}");
        }
    }
    // A supervisor that is waited for is asked as often as it takes: of 214 points 26 did not come again.
    assert!(killed + 6 + all / 6 > all, "only {killed} of {all} kills came about");
    world.fleet(&["destroy", "--yes"], 0);
}

#[test]
fn a_move_killed_at_any_effect_is_finished_by_the_same_command() {
    move_there_and_back(false);
}

#[test]
fn a_supervised_move_killed_at_any_effect_is_finished_by_the_same_command() {
    move_there_and_back(true);
}
