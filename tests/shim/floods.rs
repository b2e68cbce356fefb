//! Output made to hurt: without end, without measure, or meant for the viewer's own terminal.

use nix::sys::signal::Signal;

use crate::attach::{has, watch};
use crate::glass::Glass;
use crate::support::{Place, Shim, eventually};

/// What every agent here begins with: `w` writes all of it, `done` says that it was read.
const PRELUDE: &str = r"
import os, sys, time, tty
tty.setraw(0)
def w(data):
    while data: data = data[os.write(1, data):]
def done():
    w(b'\x1b[r\x1b[0m\x1b[2J\x1b[HDONE')
    # Answers to queries may be on their way.
    while b'!' not in os.read(0, 9999): pass
";

fn writing(body: &str) -> Place {
    Place::new(&["python3", "-c", &format!("{PRELUDE}{body}\ndone()\n")])
}

/// Starts the agent and lets it write when the shim has been measured. Gives what the shim had to spend on it: memory in
/// kB and processor time in milliseconds.
fn cost(body: &str) -> (Place, Shim, u64, u64) {
    let place = writing(&format!("w(b'up')\nos.read(0, 1)\n{body}"));
    let shim = place.up();
    shim.shows("up");
    let mut writer = shim.attach("rw", 80, 24);
    eventually("the viewer is in", || (shim.status()["viewers"] == 1).then_some(()));
    let (memory, time) = (shim.peak_kb(), shim.cpu_ms());
    writer.send(b'I', b"x");
    drop(writer);
    shim.shows("DONE");
    let (memory, time) = (shim.peak_kb() - memory, shim.cpu_ms() - time);
    (place, shim, memory, time)
}

/// Trap: a string sequence that never ends is neither held nor looked at twice.
#[test]
fn a_sequence_without_end_costs_no_memory_and_less_time_than_text() {
    let (_, _, _, as_text) = cost("for n in range(16): w(b'x' * 1000000)");
    for opening in ["]0;", "]52;c;", "P", "P+q", "_G", "^", "X", "["] {
        let filler = if opening == "[" { "1;" } else { "xx" };
        let (_, _, memory, time) =
            cost(&format!("w(b'\\x1b{opening}')\nfor n in range(16): w(b'{filler}' * 500000)\nw(b'\\x18')"));
        assert!(memory < 2000, "{opening}: {memory} kB");
        assert!(time <= as_text, "{opening}: {time} ms, and {as_text} ms for as much text");
    }
}

/// A number in a sequence is not the work it asks for: 48 kB of these held the shim up for a quarter of a minute.
#[test]
fn repetitions_are_no_longer_than_the_screen() {
    let (_, _, _, time) = cost(r"w(b'x' + b'\x1b[65535b' * 6000)");
    assert!(time < 4000, "{time} ms");
    for last in "@ABCDEFGIJKLMPSTXZ`adefg".chars() {
        let (_, _, _, time) = cost(&format!(r"w(b'x' + b'\x1b[99999999999999999999;65535;-1{last}' * 500)"));
        assert!(time < 1000, "{last}: {time} ms");
    }
}

/// What a program can have kept for each cell, and for each title it puts aside, has an end.
#[test]
fn nothing_piles_up_in_the_model() {
    for (what, body) in [
        (
            "marks on one cell",
            r"w(b'x')
for n in range(4): w('\u0301'.encode() * 500000)",
        ),
        (
            "marks on a cell come back to",
            r"w(b'x')
for n in range(40): w(('\u0301'*9 + '漢\x1b[1;2H').encode() * 3000)",
        ),
        ("repeated marks", r"w('x\u0301'.encode() + b'\x1b[65535b' * 2000)"),
        ("links", r"for n in range(1920): w(b'\x1b]8;;http://%d/' % n + b'y' * 8000 + b'\x07x')"),
        ("titles", r"for n in range(5000): w(b'\x1b]2;%d' % n + b't' * 8000 + b'\x07\x1b[22t')"),
        ("keyboard modes", r"w(b'\x1b[>1u\x1b[=3;1u' * 5000)"),
        ("tab stops", r"w(b'\x1bH\x1b[C' * 20000)"),
        ("the other screen", r"w(b'\x1b[?1049h\x1b[?47h\x1b[?1047hx\x1b[?1049l' * 5000)"),
        ("saved cursors", r"w(b'\x1b7\x1b[s' * 50000)"),
        ("colours", r"for n in range(256): w(b'\x1b]4;%d;rgb:1/2/3\x07' % n * 50)"),
    ] {
        let (_place, shim, memory, _) = cost(body);
        assert!(memory < 7000, "{what}: {memory} kB");
        assert_eq!(shim.lines()[0], "DONE", "{what}");
        shim.signal(Signal::SIGTERM);
        let (_, stderr) = shim.wait();
        assert!(!stderr.contains("failed") && !stderr.contains("panicked"), "{what}: {stderr}");
    }
}

/// Every control sequence in a stream, and what stands between them.
fn sequences(bytes: &[u8]) -> (Vec<String>, String) {
    let text = String::from_utf8_lossy(bytes);
    let (mut found, mut plain) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            plain.push(c);
            continue;
        }
        let mut sequence = String::from(chars.next().unwrap_or(' '));
        let (is_csi, is_string) = (sequence == "[", "]P_^X".contains(&sequence));
        for c in chars.by_ref().take(if is_csi || is_string { usize::MAX } else { 0 }) {
            sequence.push(c);
            if (is_csi && ('@'..='~').contains(&c)) || (is_string && (c == '\x07' || c == '\\')) {
                break;
            }
        }
        found.push(sequence);
    }
    (found, plain)
}

/// Of all that an agent can write, its viewers' terminals get what draws a screen and nothing else: no clipboard, no
/// notification, no file, no query, no image, no window operation.
#[test]
fn a_viewers_terminal_gets_nothing_but_drawing() {
    let place = writing(
        r"
w(b'\x1b]52;c;cm0gLXJmIC8=\x07\x1b]52;c;?\x1b\\\x1b]8;;http://evil\x07link\x1b]8;;\x07\x1b]9;note\x07\x1b]777;notify;a;b\x07')
w(b'\x1b]1337;File=inline=1:AAAA\x07\x1b]99;;x\x07\x1b]7;file:///etc\x07\x1b]133;A\x07\x1b]4;1;rgb:0/0/0\x07\x1b]10;#fff\x07\x1b]11;?\x07')
w(b'\x1b]50;font\x07\x1b]104\x07\x1b]22;pointer\x07\x1b]1;icon\x07\x1b]0;a\x07\x1b]2;ti\xc2\x9dtle\x1b\\')
w(b'\x1bPq#0;2;0;0;0~-\x1b\\\x1bP+q544e\x1b\\\x1bP$qm\x1b\\\x1b_Gi=1,a=q;AAAA\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\')
w(b'\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[?996n\x1b[>q\x1b[?u\x1b[>1u\x1b[?2026$p\x1b[14t\x1b[16t\x1b[18t\x1b[21t\x1b[x')
w(b'\x1b[3;0;0t\x1b[8;5;5t\x1b[2t\x1b[22;0t\x1b[23;0t\x1b[5i\x1b[4i\x1b[!p\x1b#8\x1b[?5h\x1b[?3h\x1b[>4;2m\x1b Z\x1bZ\x05\x0e\x0f\x07')
w('e\u0301\u202e\u009b31m\u0090q\u009c'.encode())
w(b'\x1b[?1049h\x1b[?1049l' * 50 + b'\x1b[?1000h\x1b[?1003h\x1b[?2004h\x1b[?25l')
",
    );
    let shim = place.up();
    let mut viewers = [(shim.attach("rw", 80, 24), Vec::new()), (shim.attach("ro", 60, 20), Vec::new())];
    shim.shows("DONE");
    viewers[0].0.send(b'I', b"!");
    for (frames, bytes) in &mut viewers {
        while let Some(frame) = frames.next() {
            if frame.kind == b'O' {
                bytes.extend(frame.payload);
            }
        }
    }
    for (who, (_, bytes)) in viewers.iter().enumerate() {
        let (found, plain) = sequences(bytes);
        assert!(plain.contains("DONE"), "{plain}");
        assert!(!plain.contains(|c: char| c.is_control() && c != '\x07'), "{plain:?}");
        for sequence in found {
            let last = sequence.chars().last().unwrap();
            let parameters = sequence.get(1..sequence.len() - 1).unwrap_or_default();
            let numbers = parameters.chars().all(|c| c.is_ascii_digit() || ";:".contains(c));
            let drawing = match sequence.chars().next().unwrap() {
                '[' if "HJKmG".contains(last) => numbers,
                '[' if last == 'r' => parameters.is_empty(),
                '[' if last == 'q' => parameters.ends_with(' '),
                '[' if "hl".contains(last) => {
                    let shown = ["?25", "?2026"].contains(&parameters);
                    let typed = ["?1", "?1000", "?1002", "?1003", "?1004", "?1005", "?1006", "?2004"];
                    shown || (who == 0 && typed.contains(&parameters))
                }
                ']' => sequence.starts_with("]2;") && !sequence[3..sequence.len() - 1].contains(char::is_control),
                _ => false,
            };
            assert!(drawing, "viewer {who} got ESC {sequence:?}");
        }
    }
}

/// Trap: characters and sequences cut by reads, invalid ones, a megabyte without an end of line, a wide character that
/// meets the last column, marks. What the agent wrote piece by piece looks as if it had come at once.
#[test]
fn output_in_small_pieces_is_the_same_screen() {
    let body = r"
text = ('ünï äaöbücä 漢字 e\u0301 👩\u200d🚀 \x1b[31;1mred\x1b[0m \x1b]2;a ünï title\x07\x1b[7mx\x1b[m\r\n' + 'y' * 79 + '漢|\r\n').encode()
text += b'\xff\xc3(\xe2\x82 \xf0\x9f bad\x1b[40Gat\x1b[0;1;38;5;200mcolour\x1b[m'
for step in range(1, 7):
    w(b'\x1b[%d;1H' % (step * 4 - 3))
    if not sys.argv[1:]: step = len(text)
    for n in range(0, len(text), step):
        w(text[n:n+step])
        time.sleep(0.001)
w(b'end')
os.read(0, 1)
w(b'\x1b[H' + b'z' * 1000010 + b'over')
os.read(0, 1)
";
    let mut screens = Vec::new();
    for argument in [&["slowly"][..], &[]] {
        let program = format!("{PRELUDE}{body}");
        let place = Place::new(&[&["python3", "-c", program.as_str()], argument].concat());
        let shim = place.up();
        let mut viewer = (shim.attach("rw", 80, 24), Glass::new(80, 24));
        shim.shows("end");
        watch(&mut viewer.0, &mut viewer.1, "end", has("end"));
        let mut direct = Glass::new(80, 24);
        direct.feed(&std::fs::read(place.folder().join("log")).unwrap());
        assert_eq!(viewer.1.cells(), direct.cells());
        assert_eq!(viewer.1.title(), "a ünï title");
        screens.push((shim.lines(), viewer.1.cells()));
        viewer.0.send(b'I', b"x");
        shim.shows("zzover");
    }
    assert_eq!(screens[0], screens[1]);
}

/// Trap: a terminal one column wide makes the model panic. Nobody can ask for one, in the manifest or later.
#[test]
fn one_column_is_never_given() {
    let wide = "w('漢字'.encode() * 40)";
    let mut place = writing(&format!("{wide}\nos.read(0, 1)\n{wide}\nos.read(0, 1)"));
    place.manifest["launch"]["terminal"]["columns"] = 1.into();
    place.manifest["launch"]["terminal"]["rows"] = 0.into();
    let shim = place.up();
    shim.shows("字");
    assert_eq!((&shim.status()["columns"], &shim.status()["rows"]), (&2.into(), &1.into()));
    let mut viewer = shim.attach("rw", 1, 1);
    viewer.resize(0, 0);
    let before = shim.status()["bytes"].as_u64();
    viewer.send(b'I', b"x");
    eventually("it has drawn again", || (shim.status()["bytes"].as_u64() > before).then_some(()));
    // Two columns have no room for the last word.
    viewer.resize(80, 24);
    viewer.send(b'I', b"x");
    shim.shows("DONE");
    viewer.send(b'I', b"!");
    let (_, stderr) = shim.wait();
    assert_eq!(stderr, "");
}

/// However often the size changes while the agent draws: the last one counts, for the model and the terminal alike.
#[test]
fn a_storm_of_sizes_ends_with_the_last_one() {
    let place = Place::new(&[
        "python3",
        "-c",
        &format!(
            "{PRELUDE}
import select
while not select.select([0], [], [], 0)[0]:
    w('\\x1b[?1049h漢字\\x1b[20;70Hx\\x1b[?1049lüüü\\r\\n'.encode() * 20)
os.read(0, 1)
w(b'\\x1b[2J\\x1b[H%d by %d' % os.get_terminal_size(0))
os.read(0, 1)
"
        ),
    ]);
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    eventually("it draws", || (shim.status()["bytes"].as_u64() > Some(0)).then_some(()));
    for n in 0..1500_u16 {
        viewer.resize(1 + n * 7 % 300, 1 + n * 13 % 90);
    }
    viewer.resize(91, 33);
    eventually("the last size is there", || (shim.status()["columns"] == 91).then_some(()));
    viewer.send(b'I', b"x");
    shim.shows("91 by 33");
    assert_eq!(shim.lines().len(), 33);
    assert!(shim.peak_kb() < 25_000, "{} kB", shim.peak_kb());
    viewer.send(b'I', b"x");
    let (_, stderr) = shim.wait();
    assert_eq!(stderr, "");
}
