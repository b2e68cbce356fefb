//! Clients and agents that misbehave. Neither gets in the way of the other.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::{Place, Shim, code, eventually};

/// Milliseconds from Enter to the agent's answer, with whatever else is connected.
fn round_trip(shim: &Shim, word: &str) -> u128 {
    let mut viewer = shim.attach("rw", 80, 24);
    let asked = Instant::now();
    viewer.send(b'I', format!("{word}\r").as_bytes());
    shim.shows(&format!("got {word}"));
    asked.elapsed().as_millis()
}

fn echo() -> Place {
    Place::shell("stty -echo; while read line; do echo \"got $line\"; done; exit 0")
}

#[test]
fn slow_and_silent_clients_hold_up_nobody() {
    let place = echo();
    let shim = place.up();
    let mut silent: Vec<_> = (0..20).map(|_| shim.connect()).collect();
    for stream in &mut silent[..10] {
        stream.write_all(b"fleet-shim 1 sta").unwrap();
    }
    let deaf: Vec<_> = (0..20).map(|_| shim.attach("ro", 80, 24)).collect();
    round_trip(&shim, "one");
    drop(silent);
    drop(deaf);
    eventually("they are gone", || (shim.status()["viewers"] == 0).then_some(()));
}

#[test]
fn a_request_that_never_comes_is_not_waited_for() {
    let place = echo();
    let shim = place.up();
    let mut stream = shim.connect();
    stream.write_all(b"fleet-shim 1 status\n").unwrap();
    let asked = Instant::now();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() && (8..15).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
}

#[test]
fn the_number_of_clients_is_limited() {
    let place = echo();
    let shim = place.up();
    let mut streams: Vec<_> = (0..80).map(|_| shim.connect()).collect();
    let refused = streams
        .iter_mut()
        .skip(64)
        .filter(|stream| {
            let mut answer = String::new();
            (&**stream).read_to_string(&mut answer).unwrap();
            answer.contains("\"busy\"")
        })
        .count();
    assert_eq!(refused, 16);
    drop(streams);
    eventually("there is room again", || {
        let mut stream = shim.connect();
        let mut answer = String::new();
        let asked = stream.write_all(b"fleet-shim 1 status\n{}\n").and_then(|()| stream.read_to_string(&mut answer));
        (asked.is_ok() && answer.contains("agent_pid")).then_some(())
    });
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let place = echo();
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.stream.get_mut().write_all(&[b'I', 0xff, 0xff, 0xff, 0xff, 1, 2, 3]).unwrap();
    while viewer.next().is_some() {}
    let mut noise = shim.connect();
    noise.write_all(&[0xff; 4096]).unwrap();
    noise.write_all(b"\n").unwrap();
    let mut answer = String::new();
    noise.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("bad-request"), "{answer}");
    let mut unknown = shim.attach("rw", 80, 24);
    unknown.send(b'?', b"a frame of a later version");
    unknown.send(b'R', b"odd");
    round_trip(&shim, "alive");
}

#[test]
fn any_size_can_be_asked_for() {
    let place = echo();
    let shim = place.up();
    for (columns, rows, real) in [(0, 0, (2, 1)), (1, 1, (2, 1)), (65535, 65535, (1000, 1000)), (80, 24, (80, 24))] {
        let mut viewer = shim.attach("rw", columns, rows);
        viewer.next();
        let status = shim.status();
        assert_eq!((&status["columns"], &status["rows"]), (&json!(real.0), &json!(real.1)));
        viewer.resize(columns, rows);
    }
    round_trip(&shim, "alive");
}

/// An agent that reads nothing: what is typed waits within limits, and the shim still does its work.
#[test]
fn an_agent_that_does_not_read_is_no_trap() {
    let place = Place::shell("stty raw -echo; trap 'exit 4' TERM; echo up; while :; do sleep 1000 & wait; done");
    let shim = place.up();
    shim.shows("up");
    let mut viewer = shim.attach("rw", 80, 24);
    for _ in 0..40 {
        viewer.send(b'I', &vec![b'x'; 64 << 10]);
    }
    let answer = shim.ask("send", &json!({"text": "hello"}));
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("does not read"), "{answer}");
    let peak = shim.peak_kb();
    assert!(peak < 60_000, "{peak} kB");
    shim.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(code(shim.wait().0), Some(4));
}

/// Trap: all descriptors of the terminal closed while the agent lives is a permanent hang-up for a naive reader.
#[test]
fn an_agent_without_a_terminal_is_neither_lost_nor_polled() {
    let place = Place::shell(
        "echo before; exec 0<&- 1>&- 2>&-; sleep 1; echo after > /dev/tty; exec sleep 1000 >/dev/null 2>&1 </dev/null",
    );
    let shim = place.up();
    shim.shows("before");
    let before = shim.switches();
    eventually("it wrote again", || place.read("log").contains("after").then_some(()));
    assert!(shim.switches() - before <= 10, "{} wake-ups", shim.switches() - before);
}

/// Trap: queries must be answered by the shim, in order, and reach no viewer.
#[test]
fn no_query_reaches_a_viewer() {
    let place = Place::new(&[
        "python3",
        "-c",
        "import os,tty,select\ntty.setraw(0)\n\
         q=b'\\x1b[>q\\x1b[c\\x1b[>c\\x1b[5n\\x1b[6n\\x1b]11;?\\x07\\x1b]10;?\\x1b\\\\\\x1b[16t\\x1b[14t\\x1b[18t\\x1bP+q544e\\x1b\\\\\\x1b[?2026$p\\x1b[?996n\\x1b[?u'\n\
         os.write(1,q)\nb=b''\n\
         while select.select([0],[],[],1)[0]: b+=os.read(0,9999)\n\
         open('answers','wb').write(b)\nos.write(1,b'\\x1b[2J\\x1b[Hdone')\nos.read(0,1)\n",
    ]);
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    shim.shows("done");
    viewer.send(b'I', b"x");
    let mut shown = Vec::new();
    while let Some(frame) = viewer.next() {
        shown.extend(frame.payload);
    }
    let answers = std::fs::read(place.root.path().join("answers")).unwrap();
    let answers = String::from_utf8(answers).unwrap().replace('\x1b', "^");
    assert_eq!(
        answers,
        "^P>|fleet(0.1)^\\^[?6c^[>0;2600;1c^[0n^[1;1R^]11;rgb:1818/1818/1818\x07^]10;rgb:d8d8/d8d8/d8d8^\\^[6;16;8t\
         ^[4;384;640t^[8;24;80t^P0+r^\\^[?2026;2$y^[?997;1n"
    );
    let shown = String::from_utf8_lossy(&shown).replace('\x1b', "^");
    for query in ["^[>q", "^[c", "^[>c", "5n", "6n", "996n", "^]1", "16t", "14t", "18t", "^P", "$p", "^[?u"] {
        assert!(!shown.contains(query), "{query} in {shown}");
    }
}

/// The folder keeps other users out; should it ever not, the shim does.
#[test]
fn another_user_is_denied() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can become someone else; `only_the_same_user_and_root_are_let_in` holds for everyone.
        return;
    }
    let place = echo();
    let shim = place.up();
    for (path, mode) in
        [(place.root.path().to_path_buf(), 0o711), (place.root.path().join("r"), 0o711), (place.socket(), 0o666)]
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let client = "import os,socket,sys\nos.setgid(65534)\nos.setuid(65534)\ns=socket.socket(socket.AF_UNIX)\n\
                  s.connect(sys.argv[1])\ns.sendall(b'fleet-shim 1 screen\\n{}\\n')\nprint(s.recv(999).decode())";
    let output = Command::new("python3").args(["-c", client]).arg(place.socket()).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("\"denied\""), "{answer} {}", String::from_utf8_lossy(&output.stderr));
    round_trip(&shim, "alive");
}

#[test]
fn a_viewer_that_does_not_read_does_not_hold_up_the_end() {
    // More than a socket's buffer takes, in one frame.
    let place = Place::new(&[
        "python3",
        "-c",
        "import os,tty\ntty.setraw(0)\nos.write(1,b'up')\nos.read(0,1)\n\
         for r in range(1000): os.write(1,(''.join('\\x1b[38;2;%d;%d;%dmx'%(c%256,r%256,7) for c in range(1000))+'\\r\\n').encode())\n",
    ]);
    let shim = place.up();
    shim.shows("up");
    let mut viewer = shim.attach("rw", 1000, 1000);
    viewer.send(b'I', b"x");
    let (status, _) = shim.wait();
    assert_eq!(code(status), Some(0));
    drop(viewer);
}
