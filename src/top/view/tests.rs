//! What a person sees.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use super::draw;
use crate::driver::words::Row;
use crate::top::entry::Entry;
use crate::top::fixture::{NOW, crowd, decisions, entry, model, name, news, row, type_in};
use crate::top::keys::Key;
use crate::top::look::{Look, Weight};
use crate::top::model::{Action, Input, Model, News};

fn drawn(model: &Model) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(model.size.0, model.size.1)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    terminal
}

/// The screen as text, a row a line.
fn screen(model: &Model) -> String {
    drawn(model).backend().to_string()
}

fn two_hundred() -> Vec<Row> {
    let mut rows: Vec<_> = (0..200).map(|n| row(&format!("coder-{n}"), "working", 3_000 + n)).collect();
    rows[17] = row("coder-17", "stalled", 1_700);
    rows[150] = row("coder-150", "waiting-for-human", 150);
    rows
}

#[test]
fn a_small_fleet_at_the_usual_size() {
    insta::assert_snapshot!(screen(&model(crowd(), decisions(), (80, 24))));
}

#[test]
fn a_small_fleet_on_a_large_screen() {
    insta::assert_snapshot!(screen(&model(crowd(), decisions(), (120, 40))));
}

#[test]
fn a_small_fleet_on_a_tiny_screen() {
    insta::assert_snapshot!(screen(&model(crowd(), decisions(), (40, 12))));
}

#[test]
fn two_hundred_agents_are_scrolled() {
    let mut model = model(two_hundred(), decisions(), (80, 24));
    insta::assert_snapshot!("two_hundred_from_the_top", screen(&model));
    model.update(Input::Key(Key::End));
    insta::assert_snapshot!("two_hundred_from_the_end", screen(&model));
    model.update(Input::Key(Key::PageUp));
    type_in(&mut model, "e");
    insta::assert_snapshot!("two_hundred_without_decisions", screen(&model));
}

#[test]
fn a_filter_shows_what_it_leaves() {
    let mut model = model(two_hundred(), decisions(), (80, 24));
    type_in(&mut model, "/coder-15");
    insta::assert_snapshot!(screen(&model));
    type_in(&mut model, "x");
    assert!(screen(&model).contains("no agent matches"));
}

#[test]
fn a_model_that_is_not_the_first_is_told() {
    let mut row = row("coder", "working", 3_000);
    row.fell_back = Some("fell back from claude/opus to codex/\u{1b}gpt: overloaded".to_owned());
    let screen = screen(&model(vec![row], decisions(), (120, 24)));
    assert!(screen.contains("; it fell back from claude/opus to codex/"), "{screen}");
    assert!(screen.contains("gpt: overloaded") && !screen.contains('\u{1b}'), "{screen}");
}

#[test]
fn before_the_first_answer_and_without_one() {
    let mut model =
        Model::new(model(vec![], vec![], (80, 24)).fleet, Look { colour: false, unicode: true }, (80, 24));
    insta::assert_snapshot!("nothing_is_known_yet", screen(&model));
    let unread = Some("no supervisor has written down decisions of this fleet yet".to_owned());
    let status = Err("the supervisor does not run".to_owned());
    model.update(Input::News(News { at: NOW, status, feed: Vec::new(), anew: false, unread }));
    insta::assert_snapshot!("the_supervisor_never_ran", screen(&model));
}

#[test]
fn an_empty_fleet() {
    insta::assert_snapshot!(screen(&model(Vec::new(), Vec::new(), (80, 24))));
}

#[test]
fn a_lost_supervisor_is_said_and_comes_back() {
    let mut model = model(crowd(), decisions(), (80, 24));
    for age in [2_000, 12_000] {
        let status = Err("the supervisor does not run".to_owned());
        model.update(Input::News(News { at: NOW + age, status, feed: Vec::new(), anew: false, unread: None }));
    }
    insta::assert_snapshot!(screen(&model));
    model.update(Input::News(news(crowd(), Vec::new())));
    assert!(!screen(&model).contains("does not run"));
}

#[test]
fn trouble_of_the_whole_fleet_stands_above_all() {
    let mut told = news(crowd(), Vec::new());
    let status = told.status.as_mut().unwrap();
    status.journal_lost = Some("journal.db was damaged and is set aside".to_owned());
    status.problems = ["one", "two", "three"].map(|n| format!("problem {n}")).to_vec();
    let mut model = model(crowd(), decisions(), (80, 24));
    model.update(Input::News(told));
    let all = screen(&model);
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[1].contains("! nothing is stopped or restarted until `fleet clear --journal-lost`"), "{all}");
    assert!(lines[3].contains("! problem two (and 1 more)"), "{all}");
}

#[test]
fn long_names_and_wide_characters_keep_the_columns() {
    let mut rows = vec![
        row("a-name-of-thirty-two-characters1", "working", 3_000),
        row("a-name-of-thirty-two-characters2", "idle", 3_000),
        row("b", "stalled", 3_000),
        row("c", "working", 3_000),
    ];
    rows[0].last_line = Some("日本語のテキストが画面に出ている時の幅を正しく測る必要があります".to_owned());
    rows[1].last_line = Some("\u{1b}[31mred\u{202e}desrever\u{7} 👩\u{200d}🚀 done e\u{301}".to_owned());
    rows[3].last_line = Some(String::new());
    let feed = vec![Entry { agent: None, ..entry(3, "", "clock", Weight::Idle, "日本") }];
    for size in [(80, 24), (120, 40)] {
        let model = model(rows.clone(), feed.clone(), size);
        let text = screen(&model);
        insta::assert_snapshot!(format!("wide_characters_at_{}", size.0), text);
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']));
    }
}

#[test]
fn dialogs_stand_in_the_last_line() {
    let mut model = model(crowd(), decisions(), (80, 24));
    let bottom = |model: &Model| screen(model).lines().last().unwrap().to_owned();
    type_in(&mut model, "r");
    assert_eq!(bottom(&model).trim_end_matches([' ', '"']), "\" restart review-2? y/n");
    type_in(&mut model, "nscheck the größe");
    let typed = "\" send to review-2 (enter sends, esc does not): check the größe";
    assert_eq!(bottom(&model).trim_end_matches([' ', '"']), typed);
    for _ in 0..5 {
        model.update(Input::Key(Key::Left));
    }
    let mut terminal = drawn(&model);
    let label = " send to review-2 (enter sends, esc does not): ";
    assert_eq!(terminal.get_cursor_position().unwrap().x as usize, label.width() + "check the ".width());
    model.update(Input::Key(Key::End));
    type_in(&mut model, &" and the height".repeat(9));
    let text = bottom(&model);
    assert!(text.trim_end_matches(['"', ' ']).ends_with("and the height"), "{text}");
    model.update(Input::Key(Key::Esc));
    assert!(bottom(&model).contains("not sent"));
}

#[test]
fn an_outcome_stays_for_a_while() {
    let mut model = model(crowd(), decisions(), (80, 24));
    let Some(Action::Do(errand)) = type_in(&mut model, "xy") else { panic!("nothing to do") };
    let bottom = |model: &Model| screen(model).lines().last().unwrap().to_owned();
    assert!(bottom(&model).contains("under way: stop review-2"), "{}", bottom(&model));
    model.update(Input::Outcome(errand, Err("it does not\nanswer\u{1b}[0m".to_owned())));
    assert!(bottom(&model).contains("! stop review-2: it does not answer\u{fffd}[0m"), "{}", bottom(&model));
    let later = News { at: NOW + 61_000, ..news(crowd(), Vec::new()) };
    model.update(Input::News(later));
    assert!(bottom(&model).contains("? help"), "{}", bottom(&model));
}

#[test]
fn why_is_a_text_over_the_screen() {
    let mut model = model(crowd(), decisions(), (80, 24));
    type_in(&mut model, "w");
    assert!(screen(&model).contains("reading the journal"));
    let mut trail: Vec<Entry> =
        (0..30).map(|n| entry(n, "review-2", "working", Weight::Working, "output is coming")).collect();
    trail.extend(decisions());
    trail.last_mut().unwrap().reason =
        "it died 5 times within 1h, the last time with exit 101; its last line: thread \
                                        'main' panicked at src/ledger.rs:88:14: the ledger is older than the journal"
            .to_owned();
    trail.last_mut().unwrap().acts = vec!["snapshot".to_owned(), "notify".to_owned()];
    model.update(Input::Trail(name("review-2"), Ok(trail)));
    insta::assert_snapshot!(screen(&model));
    model.update(Input::Key(Key::Home));
    assert!(screen(&model).lines().nth(1).unwrap().contains("10:00:00"), "{}", screen(&model));
    // What is decided meanwhile moves nobody who reads.
    let new = entry(99, "review-2", "starting", Weight::Passing, "cleared");
    model.update(Input::News(news(crowd(), vec![new])));
    assert!(screen(&model).lines().nth(1).unwrap().contains("10:00:00"), "{}", screen(&model));
    model.update(Input::Key(Key::End));
    assert!(screen(&model).contains("cleared"));
    type_in(&mut model, "q");
    assert!(screen(&model).contains("AGENT"));
}

#[test]
fn help_fits_and_scrolls() {
    let mut large = model(crowd(), decisions(), (80, 28));
    type_in(&mut large, "?");
    insta::assert_snapshot!(screen(&large));
    let mut small = model(crowd(), decisions(), (40, 12));
    type_in(&mut small, "?G");
    assert!(screen(&small).contains("as wished"), "{}", screen(&small));
}

#[test]
fn outside_unicode_all_is_ascii() {
    let mut model = model(crowd(), decisions(), (80, 24));
    model.look.unicode = false;
    model.update(Input::News(news(crowd(), Vec::new())));
    for keys in ["", "w", "q?", "q/ä"] {
        type_in(&mut model, keys);
        let text = screen(&model);
        assert!(text.is_ascii(), "{text}");
    }
}

#[test]
fn colour_only_repeats_what_marks_say() {
    let mut model = model(crowd(), decisions(), (80, 24));
    let colours = |model: &Model| {
        let terminal = drawn(model);
        let cells = terminal.backend().buffer().content.clone();
        cells.into_iter().filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    let plain = screen(&model);
    assert_eq!(colours(&model), 0);
    model.look.colour = true;
    assert!(colours(&model) > 50);
    assert_eq!(screen(&model), plain);
    // The selected row is told by a mark and by reverse video.
    let terminal = drawn(&model);
    assert!(terminal.backend().buffer().cell((0, 2)).unwrap().modifier.contains(Modifier::REVERSED));
    assert_eq!(terminal.backend().buffer().cell((0, 2)).unwrap().symbol(), "▸");
}

/// Nothing is drawn outside, and nothing panics, whatever the size.
#[test]
fn every_size_is_drawn() {
    let mut open = Vec::new();
    for keys in ["", "s", "x", "w", "?", "/co"] {
        let mut model = model(crowd(), decisions(), (80, 24));
        type_in(&mut model, keys);
        if keys == "w" {
            model.update(Input::Trail(name("review-2"), Ok(decisions())));
        }
        open.push(model);
    }
    for model in &mut open {
        for columns in [0, 1, 2, 7, 19, 39, 61, 109, 110, 250] {
            for rows in [0, 1, 2, 3, 5, 8, 10, 18, 60] {
                model.update(Input::Size(columns, rows));
                model.update(Input::Key(Key::Down));
                drawn(model);
            }
        }
    }
}
