//! A hundred megabytes at once: the agent keeps its pace, the shim its memory, the log its bytes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc;
use serde_json::json;

use crate::attach::{has, watch};
use crate::glass::Glass;
use crate::logs::limit_files_of;
use crate::support::{Place, Shim, code, eventually};

/// How long a hundred megabytes may take on a loaded machine, with a shim that was not optimised.
const LONG: Duration = Duration::from_mins(2);

/// An agent that writes this many numbered lines when it is told to, then waits once more.
fn counting(lines: usize) -> Place {
    Place::new(&[
        "python3",
        "-c",
        "import os,sys,tty\ntty.setraw(0)\nos.write(1,b'up\\r\\n')\nos.read(0,1)\n\
         def w(d):\n while d: d=d[os.write(1,d):]\n\
         n,end=0,int(sys.argv[1])\n\
         while n<end:\n m=min(n+2000,end); w(b''.join(b'line %010d of many, each as long as all others\\r\\n'%i for i in range(n,m))); n=m\n\
         w(b'DONE'); os.read(0,1); sys.exit(3)\n",
        &lines.to_string(),
    ])
}

fn line(number: usize) -> String {
    format!("line {number:010} of many, each as long as all others\r\n")
}

/// The last `length` bytes of what [`counting`] writes.
fn end_of_output(lines: usize, length: usize) -> Vec<u8> {
    let skipped = ("up\r\n".len() + lines * line(0).len() + "DONE".len()).checked_sub(length).unwrap();
    let skipped = skipped.checked_sub("up\r\n".len()).expect("the beginning was rotated away");
    let first = skipped / line(0).len();
    let text: String = (first..lines).map(line).chain(["DONE".to_owned()]).collect();
    text.into_bytes().split_off(skipped % line(0).len())
}

fn in_time(what: &str, mut look: impl FnMut() -> bool) {
    let limit = Instant::now() + LONG;
    while !look() {
        assert!(Instant::now() < limit, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn written(shim: &Shim) -> u64 {
    shim.status()["bytes"].as_u64().unwrap()
}

/// `log` and its elder siblings, oldest first.
fn logs(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<(u32, PathBuf)> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix("log")?.to_owned();
            let number = name.strip_prefix('.').map_or(Some(0), |number| number.parse().ok())?;
            Some((number, path))
        })
        .collect();
    files.sort();
    files.into_iter().rev().map(|(_, path)| path).collect()
}

fn content(files: &[PathBuf]) -> Vec<u8> {
    files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
}

/// With a log that is rotated a hundred times meanwhile, and viewers that never read.
#[test]
fn a_hundred_megabytes_cost_neither_pace_nor_memory_nor_a_byte() {
    const LINES: usize = 1_900_000;
    let (size, keep) = (1_000_000, 3);
    let mut place = counting(LINES);
    place.manifest["policy"]["log"] = json!({"size": size, "keep": keep, "off": false});
    let shim = place.up();
    shim.shows("up");
    let mut deaf: Vec<_> = (0..3).map(|_| shim.attach("ro", 80, 24)).collect();
    let mut writer = shim.attach("rw", 80, 24);
    eventually("all are in", || (shim.status()["viewers"] == 4).then_some(()));
    let before = shim.peak_kb();
    writer.send(b'I', b"x");
    let total = (b"up\r\n".len() + LINES * line(0).len() + b"DONE".len()) as u64;
    assert!(total > 100_000_000);
    let (mut longest, mut looks) = (Duration::ZERO, 0);
    in_time("all of it is written", || {
        let asked = Instant::now();
        let bytes = written(&shim);
        longest = longest.max(asked.elapsed());
        looks += 1;
        let files = logs(&place.folder());
        assert!(files.len() <= keep + 1, "{files:?}");
        for file in files {
            // It may be renamed away meanwhile.
            let length = file.metadata().map_or(0, |meta| meta.len());
            assert!(length <= size, "{}: {length} bytes", file.display());
        }
        bytes == total
    });
    assert!(looks > 20, "{looks} looks are no proof");
    assert!(longest < Duration::from_secs(2), "an answer took {longest:?}");
    let more = shim.peak_kb() - before;
    assert!(more < 4000, "{more} kB more");
    let files = logs(&place.folder());
    assert_eq!(files.len(), keep + 1, "{files:?}");
    let kept = content(&files);
    assert!(kept.len() as u64 > size * keep as u64 * 9 / 10, "{} bytes kept", kept.len());
    assert!(kept == end_of_output(LINES, kept.len()), "what is kept is not the end of what was written");
    for viewer in &mut deaf {
        let mut glass = Glass::new(80, 24);
        watch(viewer, &mut glass, "the end", has("DONE"));
        assert_eq!(glass.lines(), shim.lines());
    }
    writer.send(b'I', b"x");
    assert_eq!(code(shim.wait().0), Some(3));
    assert_eq!(place.exit_record()["bytes"], total);
}

/// Files that an earlier policy kept do not stay for ever when fewer are to be kept.
#[test]
fn rotation_leaves_no_more_files_than_asked_for() {
    const LINES: usize = 40_000;
    let mut place = counting(LINES);
    place.manifest["policy"]["log"] = json!({"size": 100_000, "keep": 2, "off": false});
    for name in ["log.1", "log.2", "log.3", "log.4", "log.5"] {
        std::fs::write(place.folder().join(name), "of an earlier run\n").unwrap();
    }
    std::fs::write(place.folder().join("log.txt"), "a person's own").unwrap();
    let shim = place.up();
    shim.shows("up");
    shim.attach("rw", 80, 24).send(b'I', b"x");
    shim.shows("DONE");
    let names: Vec<_> = logs(&place.folder()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["log.2", "log.1", "log"]);
    assert!(place.folder().join("log.txt").exists());
    let kept = content(&logs(&place.folder()));
    assert!(kept == end_of_output(LINES, kept.len()));
}

/// A disk that fills up and is emptied while the agent writes: each byte is in the log or in the number that stands for
/// it, and the agent does not notice.
#[test]
fn what_a_full_disk_loses_under_load_is_counted() {
    const LINES: usize = 400_000;
    let mut place = counting(LINES);
    place.manifest["policy"]["log"] = json!({"size": 3_000_000, "keep": 20, "off": false});
    let shim = place.up();
    shim.shows("up");
    shim.attach("rw", 80, 24).send(b'I', b"x");
    let total = ("up\r\n".len() + LINES * line(0).len() + "DONE".len()) as u64;
    for part in 1..5 {
        in_time("the disk fills", || written(&shim) > total * part / 5);
        // Not at a boundary of writes: one of them fits in part.
        let limit = place.folder().join("log").metadata().map_or(0, |meta| meta.len()) + 123_457;
        limit_files_of(&shim, if part % 2 == 1 { limit } else { libc::RLIM_INFINITY });
    }
    in_time("all is written", || written(&shim) == total);
    shim.attach("rw", 80, 24).send(b'I', b"x");
    let (status, stderr) = shim.wait();
    assert_eq!(code(status), Some(3));
    assert_eq!(stderr.matches("output is not kept").count(), 1, "{stderr}");
    let log = String::from_utf8(content(&logs(&place.folder()))).unwrap();
    let (mut kept, mut lost, mut gaps) = (0, 0, 0);
    let mut rest = log.as_str();
    while let Some((before, after)) = rest.split_once("\r\n[fleet: ") {
        kept += before.len() as u64;
        let (number, after) = after.split_once(" bytes of output are missing here: ").unwrap();
        lost += number.parse::<u64>().unwrap();
        gaps += 1;
        rest = after.split_once("]\r\n").unwrap().1;
    }
    kept += rest.len() as u64;
    assert!(gaps > 0 && lost > 0, "the limit was never met");
    assert_eq!(kept + lost, total, "{kept} bytes kept, {lost} said to be lost in {gaps} gaps");
    assert!(log.ends_with("DONE"));
}

/// Someone removes the agent's folder, or closes it, while the agent writes.
#[test]
fn without_its_folder_the_agent_goes_on() {
    const LINES: usize = 100_000;
    for (what, closed) in [("removed", false), ("replaced", true)] {
        let mut place = counting(LINES);
        place.manifest["policy"]["log"] = json!({"size": 200_000, "keep": 2, "off": false});
        let shim = place.up();
        shim.shows("up");
        shim.attach("rw", 80, 24).send(b'I', b"x");
        in_time("the log is rotated", || logs(&place.folder()).len() == 3);
        let aside = place.root.path().join("aside");
        std::fs::rename(place.folder(), &aside).unwrap();
        if closed {
            std::fs::write(place.folder(), "no folder").unwrap();
        }
        shim.shows("DONE");
        shim.attach("rw", 80, 24).send(b'I', b"x");
        let (status, stderr) = shim.wait();
        assert_eq!(code(status), Some(3), "{what}");
        assert_eq!(stderr.matches("output is not kept").count(), 1, "{what}: {stderr}");
        assert!(stderr.contains("exit.json"), "{what}: {stderr}");
    }
}
