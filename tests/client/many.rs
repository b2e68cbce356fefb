//! A thousand shims at once.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fleet::shim::client::{self, ClientError};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};

use super::fake::{PATIENCE, Shim, status_line};

#[test]
fn a_thousand_answer_in_order_on_one_thread() {
    const AGENTS: usize = 1000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= 4096, "this test holds 3,000 descriptors: raise the hard limit (ulimit -Hn), it is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, 4096.min(hard), hard).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..AGENTS).map(|n| folder.path().join(format!("{n}.sock"))).collect();
    let shims: Vec<Shim> = paths.iter().map(|path| Shim::at(path)).collect();
    thread::scope(|scope| {
        // From the last to the first: the order of the answers is not the order of the questions.
        scope.spawn(|| {
            for (number, shim) in shims.iter().enumerate().rev() {
                assert_eq!(shim.answer(&status_line(&number.to_string())).0, "status");
            }
        });
        let answers = client::status_all(&paths, PATIENCE);
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer.as_ref().unwrap().title, number.to_string());
        }
        assert_eq!(answers.len(), AGENTS);
    });
}

#[test]
fn the_silent_the_dead_and_the_missing_cost_the_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let silent = Shim::at(&path("silent"));
    let shim = Shim::at(&path("fine"));
    drop(UnixListener::bind(path("dead")).unwrap());
    let paths = [path("silent"), path("missing"), path("fine"), path("dead")];
    thread::scope(|scope| {
        scope.spawn(|| shim.answer(&status_line("fine")));
        let answers = client::status_all(&paths, Duration::from_millis(500));
        assert!(matches!(answers[0], Err(ClientError::TimedOut { .. })), "{:?}", answers[0]);
        assert!(matches!(answers[1], Err(ClientError::NotRunning { .. })), "{:?}", answers[1]);
        assert_eq!(answers[2].as_ref().unwrap().title, "fine");
        assert!(matches!(answers[3], Err(ClientError::Dead { .. })), "{:?}", answers[3]);
    });
    drop(silent);
    assert!(client::status_all(&[], PATIENCE).is_empty());
}

#[test]
fn a_shim_with_a_full_queue_is_tried_again_until_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full");
    let address = UnixAddr::new(&path).unwrap();
    let open = || socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(listener.as_raw_fd(), &address).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let mut queued = Vec::new();
    let full = loop {
        let stream = open();
        match connect(stream.as_raw_fd(), &address) {
            Ok(()) => queued.push(UnixStream::from(stream)),
            Err(errno) => break errno,
        }
    };
    assert_eq!(full, Errno::EAGAIN);
    let error = client::status(&path, Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");

    let listener = UnixListener::from(listener);
    thread::scope(|scope| {
        let started = Instant::now();
        let asked = scope.spawn(|| client::status(&path, PATIENCE));
        for _ in 0..queued.len() {
            drop(listener.accept().unwrap());
        }
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, status_line("at last").as_bytes()).unwrap();
        assert_eq!(asked.join().unwrap().unwrap().title, "at last");
        assert!(started.elapsed() < PATIENCE);
    });
}
