//! What keys and news do.

use super::*;
use crate::top::fixture::{crowd, decisions, model, name, type_in};

fn small() -> Model {
    model(crowd(), decisions(), (80, 24))
}

fn errand(verb: Verb, agent: &str) -> Action {
    Action::Do(Errand { verb, agent: name(agent) })
}

#[test]
fn keys_ask_for_what_help_says() {
    let mut model = small();
    type_in(&mut model, "o");
    assert_eq!(model.current().unwrap().name.as_str(), "coder-1");
    assert_eq!(type_in(&mut model, "a"), Some(Action::Attach(name("coder-1"))));
    assert_eq!(model.update(Input::Key(Key::Enter)), Some(Action::Attach(name("coder-1"))));
    assert_eq!(type_in(&mut model, "ju"), Some(errand(Verb::Start, "coder-2")));
    assert_eq!(type_in(&mut model, "w"), Some(Action::Why(name("coder-2"))));
    assert_eq!(type_in(&mut model, "wq"), Some(Action::Quit));
    assert_eq!(model.update(Input::Key(Key::Ctrl('c'))), Some(Action::Quit));
}

#[test]
fn what_ends_work_is_asked_for_first() {
    for (key, verb) in [("x", Verb::Stop), ("r", Verb::Restart), ("c", Verb::Clear)] {
        let mut model = small();
        assert_eq!(type_in(&mut model, key), None);
        // Neither a stray key nor a pasted text agrees.
        assert_eq!(type_in(&mut model, "x r"), None);
        assert_eq!(model.update(Input::Key(Key::Enter)), None);
        assert_eq!(model.update(Input::Key(Key::Paste("y".to_owned()))), None);
        assert_eq!(type_in(&mut model, "n"), None);
        assert_eq!(type_in(&mut model, "y"), None);
        assert_eq!(type_in(&mut model, &format!("{key}y")), Some(errand(verb, "review-2")));
    }
}

#[test]
fn the_question_is_about_the_agent_it_was_asked_for() {
    let mut model = small();
    type_in(&mut model, "x");
    let mut rows = crowd();
    rows[8] = crate::top::fixture::row("review-2", "idle", 3_599);
    model.update(Input::News(crate::top::fixture::news(rows, Vec::new())));
    assert_eq!(model.current().unwrap().name.as_str(), "coder-2", "another one is first now");
    assert_eq!(type_in(&mut model, "y"), Some(errand(Verb::Stop, "review-2")));
}

#[test]
fn a_message_is_sent_once_it_says_something() {
    let mut model = small();
    type_in(&mut model, "s");
    assert_eq!(model.update(Input::Key(Key::Enter)), None);
    type_in(&mut model, "-q now");
    model.update(Input::Key(Key::Paste("\nand then\n".to_owned())));
    let action = model.update(Input::Key(Key::Enter));
    assert_eq!(action, Some(errand(Verb::Send("-q now and then".to_owned()), "review-2")));
    assert_eq!(model.mode, Mode::List);
    type_in(&mut model, "sq");
    assert_eq!(model.update(Input::Key(Key::Ctrl('c'))), None, "a question is dropped before the program is");
    assert_eq!(model.mode, Mode::List);
}

#[test]
fn without_agents_nothing_is_done() {
    let mut model = model(Vec::new(), Vec::new(), (80, 24));
    for key in ["a", "s", "x", "r", "u", "c", "w"] {
        assert_eq!(type_in(&mut model, key), None, "{key}");
        assert_eq!(model.mode, Mode::List, "{key}");
        assert!(model.note.is_some());
    }
}

#[test]
fn the_feed_is_bounded_and_begins_anew_with_another_journal() {
    let mut model = small();
    for _ in 0..200 {
        model.update(Input::News(crate::top::fixture::news(crowd(), decisions())));
    }
    assert_eq!(model.feed.len(), FEED);
    let news = News { anew: true, ..crate::top::fixture::news(crowd(), decisions()) };
    model.update(Input::News(news));
    assert_eq!(model.feed, decisions());
}
