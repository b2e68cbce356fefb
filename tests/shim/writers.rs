//! More than one person at the same terminal, at sizes of their own.

use std::collections::BTreeMap;

use crate::attach::{has, watch};
use crate::glass::Glass;
use crate::support::{Place, Shim, eventually};

fn sizes() -> Place {
    Place::shell("trap 'clear; stty size' WINCH; stty size; while :; do sleep 0.05; done")
}

fn size(shim: &Shim) -> (u64, u64) {
    let status = shim.status();
    (status["columns"].as_u64().unwrap(), status["rows"].as_u64().unwrap())
}

fn viewers(shim: &Shim, count: u32) {
    eventually(&format!("{count} viewers are in"), || (shim.status()["viewers"] == count).then_some(()));
}

/// The one that attached or resized last has its way, and both see the same.
#[test]
fn of_two_writers_the_last_to_say_sets_the_size() {
    let place = sizes();
    let shim = place.up();
    let mut first = (shim.attach("rw", 100, 30), Glass::new(100, 30));
    shim.shows("30 100");
    let mut second = (shim.attach("rw", 60, 20), Glass::new(60, 20));
    shim.shows("20 60");
    first.0.resize(90, 28);
    first.1 = Glass::new(90, 28);
    shim.shows("28 90");
    for (frames, glass) in [&mut first, &mut second] {
        watch(frames, glass, "the first one's size", has("28 90"));
        watch(frames, glass, "what is there", |glass| glass.lines()[..20] == shim.lines()[..20]);
    }
}

/// Who did not set the size changes nothing by leaving; when the one who set it leaves, it goes back to the other's.
#[test]
fn the_size_changes_only_when_the_one_who_set_it_leaves() {
    let place = sizes();
    let shim = place.up();
    let mut first = shim.attach("rw", 100, 30);
    shim.shows("30 100");
    let second = shim.attach("rw", 60, 20);
    shim.shows("20 60");
    first.resize(90, 28);
    shim.shows("28 90");
    let reader = shim.attach("ro", 40, 10);
    viewers(&shim, 3);
    drop(reader);
    viewers(&shim, 2);
    assert_eq!(size(&shim), (90, 28), "a reader left");
    let third = shim.attach("rw", 70, 21);
    shim.shows("21 70");
    first.resize(91, 29);
    shim.shows("29 91");
    drop(second);
    viewers(&shim, 2);
    assert_eq!(size(&shim), (91, 29), "another writer left");
    drop(first);
    shim.shows("21 70");
    drop(third);
    viewers(&shim, 0);
    assert_eq!(size(&shim), (70, 21), "the last one left");
}

/// Every frame of input reaches the agent whole and in its order, however many type at once.
#[test]
fn what_two_people_type_at_once_arrives_whole() {
    const LINES: usize = 400;
    let place = Place::new(&[
        "python3",
        "-c",
        "import os,tty\ntty.setraw(0)\nos.write(1,b'up')\nf=open('got','wb')\n\
         while True:\n d=os.read(0,65536)\n f.write(d); f.flush()\n if b'!' in d: break\n\
         os.write(1,b'DONE')\nos.read(0,1)\n",
    ]);
    let shim = place.up();
    shim.shows("up");
    let mut writers = [shim.attach("rw", 80, 24), shim.attach("rw", 60, 20)];
    viewers(&shim, 2);
    std::thread::scope(|scope| {
        for (who, writer) in ["a", "b"].into_iter().zip(&mut writers) {
            scope.spawn(move || {
                for n in 0..LINES {
                    writer.send(b'I', format!("<{who}{n}:{}漢>", who.repeat(n % 50)).as_bytes());
                }
            });
        }
    });
    let got = || std::fs::read_to_string(place.root.path().join("got")).unwrap_or_default();
    eventually("all of it arrived", || (got().matches('>').count() == 2 * LINES).then_some(()));
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let text = got();
    for line in text.split_inclusive('>') {
        let who = &line[1..2];
        let n = next.entry(who).or_default();
        assert_eq!(line, format!("<{who}{n}:{}漢>", who.repeat(*n % 50)));
        *n += 1;
    }
    assert_eq!(next, BTreeMap::from([("a", LINES), ("b", LINES)]));
    writers[1].send(b'I', b"!");
    shim.shows("DONE");
}

/// The last words of someone who leaves at once, with drawings still unread.
#[test]
fn what_was_typed_before_leaving_arrives() {
    let place = Place::shell("stty -echo; echo up; while read line; do echo \"got $line\"; done");
    let shim = place.up();
    shim.shows("up");
    for n in 0..200 {
        let mut writer = shim.attach("rw", 80, 24);
        if n % 4 == 0 {
            // The first frame is there and stays unread; else the shim may still be about to write it.
            eventually("it is in", || (shim.status()["viewers"] == 1).then_some(()));
        }
        writer.send(b'I', format!("word {n}\r").as_bytes());
        drop(writer);
        shim.shows(&format!("got word {n}"));
    }
    viewers(&shim, 0);
}
