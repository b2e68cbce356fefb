//! `attach`: viewers, drawn from the model.

use std::time::{Duration, Instant};

use alacritty_terminal::term::TermMode;
use fleet::shim::protocol::Frame;

use crate::glass::Glass;
use crate::support::{Frames, Place, code, eventually};

/// Feeds frames to a terminal until it shows what is wanted.
pub fn watch(frames: &mut Frames, glass: &mut Glass, what: &str, wanted: impl Fn(&Glass) -> bool) {
    let limit = Instant::now() + crate::support::PATIENCE;
    while !wanted(glass) {
        assert!(Instant::now() < limit, "never shown: {what}\n{}", glass.lines().join("\n"));
        let Some(frame) = frames.next() else { panic!("the shim closed before it showed {what}") };
        if frame.kind == b'O' {
            glass.feed(&frame.payload);
        }
    }
}

pub fn has(text: &str) -> impl Fn(&Glass) -> bool {
    move |glass| glass.lines().iter().any(|line| line.contains(text))
}

/// The rest of a viewer's frames; how the agent ended, as the last one says.
fn to_the_end(frames: &mut Frames, glass: &mut Glass) -> Option<Frame> {
    let mut last = None;
    while let Some(frame) = frames.next() {
        if frame.kind == b'O' {
            glass.feed(&frame.payload);
        }
        last = Some(frame);
    }
    last.filter(|frame| frame.kind == b'X')
}

/// Writes what a drawing program might: colours, attributes, wide characters, marks, regions, insertions, both screens.
const PAINTER: &str = r#"
import os, random, sys, time
seed, count = int(sys.argv[1]), int(sys.argv[2])
r = random.Random(seed)
words = ["word", "ünï", "漢字", "e\u0301a\u0308", "👩\u200d🚀", "─┼─", "x" * 30, "\t", "日本語テキスト"]
def piece():
    k = r.randrange(16)
    if k < 5: return r.choice(words)
    if k == 5: return f"\x1b[{r.randrange(1, 26)};{r.randrange(1, 82)}H"
    if k == 6: return f"\x1b[{r.choice([0, 1, 2, 3, 4, 7, 9, 21, 22, 24, 27, 39, 49])}m"
    if k == 7: return f"\x1b[{r.choice([3, 4])}8;5;{r.randrange(256)}m"
    if k == 8: return f"\x1b[{r.choice([3, 4])}8;2;{r.randrange(256)};{r.randrange(256)};{r.randrange(256)}m"
    if k == 9: return f"\x1b[{r.randrange(3)}{r.choice('JK')}"
    if k == 10: return "\r\n" * r.randrange(3)
    if k == 11: return f"\x1b[{r.randrange(1, 4)}{r.choice('LMP@XSTABCD')}"
    if k == 12: return f"\x1b[{r.randrange(1, 10)};{r.randrange(12, 25)}r"
    if k == 13: return r.choice(["\x1b[?1049h", "\x1b[?1049l", "\x1b[?25l", "\x1b[?25h", "\x1b[?7l", "\x1b[?7h", "\x1b[r"])
    if k == 14: return f"\x1b[{r.choice([31, 42, 93, 104])}m" + r.choice(["\x1b[4:3m", "\x1b[58:2::9:8:7m", "\x1b[1 q", "\x1b[5 q"])
    return f"\x1b]2;title {r.randrange(1000)}\x07"
for n in range(count):
    os.write(1, "".join(piece() for _ in range(r.randrange(1, 30))).encode())
    if n % 10 == 0: time.sleep(0.004)
os.write(1, b"\x1b[?25h\x1b[24;1H\x1b[0mpainted\x1b[K")
os.read(0, 1)
"#;

/// What a terminal of this size shows after the agent's whole output.
fn replay(place: &Place, columns: usize, rows: usize) -> Glass {
    let mut glass = Glass::new(columns, rows);
    glass.feed(&std::fs::read(place.folder().join("log")).unwrap());
    glass
}

#[test]
fn a_viewer_shows_cell_for_cell_what_the_agent_drew() {
    for seed in 0..6 {
        let place = Place::new(&["python3", "-c", PAINTER, &seed.to_string(), "150"]);
        let shim = place.up();
        let mut from_start = (shim.attach("ro", 80, 24), Glass::new(80, 24));
        watch(&mut from_start.0, &mut from_start.1, "painted", has("painted"));
        shim.shows("painted");
        let mut late = (shim.attach("rw", 80, 24), Glass::new(80, 24));
        watch(&mut late.0, &mut late.1, "painted", has("painted"));
        let direct = replay(&place, 80, 24);
        for (name, (frames, glass)) in [("from the start", &mut from_start), ("late", &mut late)] {
            let same = format!("the cells of seed {seed}, {name}");
            watch(frames, glass, &same, |glass| glass.cells() == direct.cells());
            assert_eq!(glass.cursor(), direct.cursor(), "seed {seed}, {name}");
            assert_eq!(glass.title(), direct.title(), "seed {seed}, {name}");
            assert_eq!(glass.answers(), 0, "seed {seed}, {name}");
        }
    }
}

#[test]
fn the_size_follows_the_writer_and_stays() {
    let place = Place::shell("trap 'clear; stty size' WINCH; stty size; while :; do sleep 0.05; done");
    let shim = place.up();
    shim.shows("24 80");
    let mut reader = shim.attach("ro", 100, 30);
    let mut writer = shim.attach("rw", 120, 40);
    shim.shows("40 120");
    writer.resize(60, 20);
    shim.shows("20 60");
    reader.resize(200, 50);
    reader.send(b'I', b"\x03");
    writer.send(b'D', b"");
    eventually("the writer is gone", || (shim.status()["viewers"] == 1).then_some(()));
    assert_eq!((&shim.status()["columns"], &shim.status()["rows"]), (&60.into(), &20.into()));
    assert!(shim.lines()[0].contains("20 60"), "the reader's Ctrl-C was not dropped: {:?}", shim.lines());
}

#[test]
fn when_a_small_writer_leaves_the_size_is_that_of_who_is_still_there() {
    let place = Place::shell("trap 'clear; stty size' WINCH; stty size; while :; do sleep 0.05; done");
    let shim = place.up();
    let _large = shim.attach("rw", 120, 40);
    shim.shows("40 120");
    let mut small = shim.attach("rw", 30, 10);
    shim.shows("10 30");
    small.send(b'D', b"");
    shim.shows("40 120");
    // Also when it does not say goodbye.
    let small = shim.attach("rw", 30, 10);
    shim.shows("10 30");
    drop(small);
    shim.shows("40 120");
}

#[test]
fn a_smaller_viewer_sees_the_part_around_the_cursor() {
    let place = Place::shell(
        "for i in $(seq 1 23); do printf '%02d-%077d\\r\\n' $i $i; done; printf '\\033[2;3H'; read a; printf '\\033[20;70H漢'; read b",
    );
    let shim = place.up();
    let mut viewer = shim.attach("ro", 30, 10);
    let mut glass = Glass::new(30, 10);
    watch(&mut viewer, &mut glass, "line 10", has("10-000"));
    assert_eq!(glass.lines()[0], format!("01-{}", "0".repeat(27)));
    assert_eq!(glass.cursor(), (1, 2));
    let mut writer = shim.attach("rw", 80, 24);
    writer.send(b'I', b"\r");
    watch(&mut viewer, &mut glass, "the far corner", has("漢"));
    assert_eq!(glass.lines().len(), 10);
    let (row, column) = glass.cursor();
    assert!((0..10).contains(&row) && column < 30);
    assert!(glass.lines()[usize::try_from(row).unwrap()].contains('漢'), "{:?}", glass.lines());
}

#[test]
fn modes_are_for_those_who_type() {
    let place = Place::shell(
        "printf '\\033[?1h\\033=\\033[?1002h\\033[?1006h\\033[?1004h\\033[?2004hset'; read a; printf '\\033[?1002l\\033[?2004lreset'; read b",
    );
    let shim = place.up();
    shim.shows("set");
    let mut reader = (shim.attach("ro", 80, 24), Glass::new(80, 24));
    let mut writer = (shim.attach("rw", 80, 24), Glass::new(80, 24));
    let forwarded = TermMode::APP_CURSOR
        | TermMode::APP_KEYPAD
        | TermMode::MOUSE_DRAG
        | TermMode::SGR_MOUSE
        | TermMode::FOCUS_IN_OUT
        | TermMode::BRACKETED_PASTE;
    watch(&mut reader.0, &mut reader.1, "set", has("set"));
    watch(&mut writer.0, &mut writer.1, "set", has("set"));
    assert_eq!(writer.1.mode() & forwarded, forwarded);
    assert_eq!(reader.1.mode() & forwarded, TermMode::empty());
    writer.0.send(b'I', b"\r");
    watch(&mut writer.0, &mut writer.1, "reset", has("reset"));
    assert_eq!(writer.1.mode() & (TermMode::MOUSE_DRAG | TermMode::BRACKETED_PASTE), TermMode::empty());
    assert_eq!(writer.1.mode() & TermMode::APP_CURSOR, TermMode::APP_CURSOR);
}

#[test]
fn what_is_typed_arrives_and_the_end_is_shown() {
    let place = Place::shell("read line; printf 'got <%s>' \"$line\"; exit 3");
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    let mut glass = Glass::new(80, 24);
    viewer.send(b'I', "ünï 漢字\r".as_bytes());
    let exit = to_the_end(&mut viewer, &mut glass).expect("an exit frame");
    assert_eq!(exit.payload, br#"{"code":3,"signal":null}"#);
    assert!(glass.lines()[1].replace(' ', "").contains("got<ünï漢字>"), "{:?}", glass.lines());
    assert_eq!(code(shim.wait().0), Some(3));
}

#[test]
fn viewers_that_never_read_cost_nothing_and_see_the_right_screen_when_they_do() {
    let place =
        Place::shell("read a; yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 8000000; echo; echo end; read b");
    let shim = place.up();
    let mut deaf: Vec<Frames> = (0..3).map(|_| shim.attach("ro", 80, 24)).collect();
    let mut writer = shim.attach("rw", 80, 24);
    eventually("all are in", || (shim.status()["viewers"] == 4).then_some(()));
    let before = shim.peak_kb();
    writer.send(b'I', b"\r");
    let mut sent = 0;
    let mut glass = Glass::new(80, 24);
    while !has("end")(&glass) {
        let frame = writer.next().unwrap();
        sent += frame.payload.len();
        glass.feed(&frame.payload);
    }
    assert!(sent < 4_000_000, "{sent} bytes sent for 8,000,000 bytes of output");
    assert!(shim.peak_kb() - before < 4000, "{} kB more", shim.peak_kb() - before);
    for viewer in &mut deaf {
        let mut glass = Glass::new(80, 24);
        watch(viewer, &mut glass, "end", has("end"));
    }
}

/// One frame in 16 ms at most, and none of a half-drawn screen.
#[test]
fn frames_are_paced_and_wait_for_the_program_to_finish_its_own() {
    let place = Place::new(&[
        "python3",
        "-c",
        "import os,time\nos.read(0,1)\n\
         for n in range(40):\n os.write(1,b'\\x1b[?2026h\\x1b[Hhalf %d'%n)\n time.sleep(.01)\n os.write(1,b'\\x1b[Hfull %d\\x1b[?2026l'%n)\n\
         os.write(1,b'\\x1b[?2026h\\x1b[2J\\x1b[Hendless')\nos.read(0,1)\n",
    ]);
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    let mut glass = Glass::new(80, 24);
    watch(&mut viewer, &mut glass, "anything", |_| true);
    let begun = Instant::now();
    viewer.send(b'I', b"\r");
    let mut frames = 0;
    while !has("endless")(&glass) {
        let frame = viewer.next().unwrap();
        frames += 1;
        glass.feed(&frame.payload);
        assert!(!has("half")(&glass), "{:?}", glass.lines()[0]);
    }
    let most = begun.elapsed().as_millis() / Duration::from_millis(16).as_millis() + 2;
    assert!(frames <= most, "{frames} frames in {:?}", begun.elapsed());
}
