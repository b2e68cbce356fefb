//! Several people at one agent, each with a terminal of another size.

use fleet::script::Step;
use fleet::shim::client;

use super::attach::command;
use super::fake::PATIENCE;
use super::pty::{Pty, Screen};
use super::real::Agent;

fn size(agent: &Agent) -> (u16, u16) {
    let status = client::status(&agent.socket(), PATIENCE).unwrap();
    (status.columns, status.rows)
}

#[test]
fn each_sees_its_part_and_the_writer_sets_the_size() {
    let row: String = (0..5).map(|n| format!("{n:>2} tens  ")).collect();
    let agent = Agent::start(vec![Step::Print { text: row.clone() }, Step::Wait]);
    let shows = |text: String| move |screen: &Screen| screen.lines.first().is_some_and(|line| *line == text);
    let mut large = Pty::spawn(command(&agent.socket(), &[]), 120, 30);
    let whole = row.trim_end().to_owned();
    large.wait("the whole row", shows(whole.clone()));
    assert_eq!(size(&agent), (120, 30));
    // One who only looks gets what fits, and changes nothing.
    let mut small = Pty::spawn(command(&agent.socket(), &[("ATTACH_WATCH", "1")]), 40, 6);
    small.wait("the part that fits", shows(row[..40].trim_end().to_owned()));
    assert_eq!(size(&agent), (120, 30));
    small.type_in("not for the agent\r");
    // A second writer: the agent is as large as its terminal, and the first one sees it as it is now.
    let mut second = Pty::spawn(command(&agent.socket(), &[]), 60, 12);
    second.wait("the whole row", shows(whole.clone()));
    assert_eq!(size(&agent), (60, 12));
    large.wait("the same in the large terminal", shows(whole.clone()));
    small.wait("its part of it", shows(row[..40].trim_end().to_owned()));
    second.resize(80, 20);
    agent.is("as large as the second terminal", |status| (status.columns, status.rows) == (80, 20));
    // Whoever leaves gives the size back to the one who is still there.
    second.type_in("\x1c");
    assert_eq!(second.code(), 0);
    agent.is("as large as the first terminal", |status| (status.columns, status.rows) == (120, 30));
    large.wait("the whole row again", shows(whole));
    for pty in [&mut small, &mut large] {
        pty.type_in("\x1c");
        assert_eq!(pty.code(), 0);
    }
    let lines = client::screen(&agent.socket(), PATIENCE).unwrap().lines;
    assert!(!lines.iter().any(|line| line.contains("not for")), "{lines:?}");
}
