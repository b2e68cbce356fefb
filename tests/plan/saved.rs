//! Saved plans: whole or refused, and honest about what has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet::plan::saved::{Circumstances, Saved};
use fleet::units::ManagerKind;

use super::simulation::Machine;

const ROSTER: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\nagent \"a\" { role \"coder\"; }\nagent \"b\" { role \"coder\"; }\n";

fn take_down(machine: &Machine, roster: &str, host: &str) -> Saved {
    let target = machine.compile(roster);
    let inputs = BTreeMap::from([(PathBuf::from("/home/ada/shop/fleet.kdl"), roster.to_owned())]);
    let about = Circumstances {
        id: "one".to_owned(),
        made: "2026-01-01T00:00:00Z".to_owned(),
        host: host.to_owned(),
        user: "ada".to_owned(),
        only: &[],
        exclude: &[],
        inputs: &inputs,
        home: Path::new("/home/ada"),
    };
    Saved::new(&machine.plan(&target), &machine.live, machine.ledger.as_ref(), &about)
}

#[test]
fn a_plan_comes_back_as_it_was_written() {
    let saved = take_down(&Machine::new(ManagerKind::Systemd), ROSTER, "forge");
    assert_eq!(Saved::parse(saved.file().as_bytes()), Ok(saved.clone()));
    assert_eq!(saved.differences(&saved), Vec::<String>::new());
}

/// Every single bit of it.
#[test]
fn a_flipped_bit_is_found() {
    let saved = take_down(&Machine::new(ManagerKind::Systemd), ROSTER, "forge");
    let file = saved.file().into_bytes();
    let mut flipped = file.clone();
    for at in 0..file.len() {
        // Every bit of the first lines, where the structure is; one of each byte of the rest, for the test's own time.
        let bits = if at < 200 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            flipped[at] = file[at] ^ (1 << bit);
            assert!(Saved::parse(&flipped).is_err(), "bit {bit} of byte {at}");
        }
        flipped[at] = file[at];
    }
    for end in [0, 1, 20, 100, file.len() / 2, file.len() - 1] {
        assert!(Saved::parse(&file[..end]).is_err(), "cut at {end}");
    }
    let newer = String::from_utf8(file).unwrap().replacen("fleet-plan 1 ", "fleet-plan 2 ", 1);
    assert!(Saved::parse(newer.as_bytes()).unwrap_err().contains("format 2"));
}

#[test]
fn whatever_changed_is_named() {
    let empty = Machine::new(ManagerKind::Systemd);
    let saved = take_down(&empty, ROSTER, "forge");
    let said = |now: &Saved| saved.differences(now).join("; ");
    assert!(said(&take_down(&empty, ROSTER, "anvil")).contains("made on forge, and this is anvil"));
    let of_bob = Saved { user: "bob".to_owned(), ..take_down(&empty, ROSTER, "forge") };
    assert!(said(&of_bob).contains("made by the user ada, and this is bob"));
    assert!(said(&take_down(&empty, &ROSTER.replace("\"b\"", "\"c\""), "forge")).contains("fleet.kdl has changed"));
    let local = Machine::new(ManagerKind::Local);
    assert!(said(&take_down(&local, ROSTER, "forge")).contains("service manager"));
    let mut applied = empty.clone();
    applied.apply(&applied.compile(ROSTER), usize::MAX);
    assert!(said(&take_down(&applied, ROSTER, "forge")).contains("generation 0, and is now at 1"));

    let saved = take_down(&applied, ROSTER, "forge");
    let said = |now: &Saved| saved.differences(now).join("; ");
    let mut killed = applied.clone();
    killed.live.runs.remove("a");
    assert!(said(&take_down(&killed, ROSTER, "forge")).contains("a was: running (pid"));
    let mut restarted = applied.clone();
    restarted.start(&fleet::ids::AgentName::new("a").unwrap());
    assert!(said(&take_down(&restarted, ROSTER, "forge")).contains("and is: running (pid"));
    let mut edited = applied.clone();
    let unit = edited.live.files.keys().find(|path| path.ends_with("fleet-shop-a.service")).unwrap().clone();
    edited.live.files.remove(&unit);
    assert!(said(&take_down(&edited, ROSTER, "forge")).contains("fleet-shop-a.service was to be untouched"));
    let mut held = applied.clone();
    held.ledger.as_mut().unwrap().agents.get_mut("b").unwrap().desired = fleet::plan::Desired::Held;
    assert!(said(&take_down(&held, ROSTER, "forge")).contains("start, stop, or an apply"));
}
