//! What is kept, and what comes back.

use fleet::journal::rows::TrailRow;
use fleet::supervise::decision::Act;
use fleet::supervise::event::{AgentEvent, Delivered, EffectResult, Event, Probe, Reading, Request, Shows};
use fleet::supervise::message::MessageState;
use serde_json::json;

use crate::support::{NOW, agent, decision, event, folder, memory, message, notify, reader, sound, with_effects};

#[test]
fn what_was_appended_is_read_back_in_order() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let start = Act::Start { agent: agent("coder"), fresh: true };
    let decided = with_effects(decision("coder", "it died"), &[(1, start), (2, notify("coder died"))]);
    let appended = journal.append(NOW, &[event("coder", 1), event("lead", 1)], &[decided]).unwrap();
    assert_eq!((appended.rows, appended.seq), (3, 3));
    journal.append(NOW + 5, &[Event::Effect { id: 1, result: EffectResult::Done }], &[]).unwrap();

    // While the journal is open for writing.
    let reader = reader(folder.path());
    let trail = reader.trail(Some("coder"), 10).unwrap();
    let kinds: Vec<&str> = trail
        .iter()
        .map(|row| match row {
            TrailRow::Event(row) => row.kind.as_str(),
            TrailRow::Decision(row) => row.rule.as_str(),
        })
        .collect();
    assert_eq!(kinds, ["running", "state", "effect"]);
    assert_eq!(reader.trail(None, 2).unwrap().iter().map(TrailRow::seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(reader.tail(2, None, 1).unwrap().iter().map(TrailRow::seq).collect::<Vec<_>>(), [3]);
    assert_eq!(reader.last_seq().unwrap(), 4);

    let decisions = reader.decisions(0, Some("coder"), 10).unwrap();
    let [started, told] = decisions[0].effects.as_slice() else { panic!("{decisions:?}") };
    assert_eq!((started.state.as_str(), started.answered), ("done", Some(NOW + 5)));
    assert_eq!(started.act, json!({"act": "start", "agent": "coder", "fresh": true}));
    assert_eq!((told.state.as_str(), told.answered), ("pending", None));
    let notices = reader.notices(true, 10).unwrap();
    assert_eq!((notices[0].id, notices[0].text.as_str(), notices[0].level.as_str()), (2, "coder died", "warning"));
    assert_eq!(reader.events(NOW + 1, None, 10).unwrap().len(), 1);

    assert_eq!(reader.unread().unwrap(), 1);
    journal.mark_read(&[2]).unwrap();
    assert_eq!(reader.unread().unwrap(), 0);
    assert_eq!(reader.notices(true, 10).unwrap(), []);
    assert!(reader.notices(false, 10).unwrap()[0].read);
}

#[test]
fn a_starting_supervisor_is_told_what_its_predecessor_knew() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let mut first = with_effects(decision("coder", "to be typed"), &[(7, notify("x"))]);
    first.memory = Some(memory(3));
    first.messages = [MessageState::Queued, MessageState::Sending, MessageState::Confirmed]
        .into_iter()
        .enumerate()
        .map(|(number, state)| message(&format!("m-{number}"), "coder", state))
        .collect();
    journal.append(NOW, &[], &[first]).unwrap();
    drop(journal);

    let opened = sound(folder.path());
    let recovered = opened.recovered;
    assert_eq!(recovered.memories[&agent("coder")].attempt, 3);
    assert_eq!(recovered.queued, [message("m-0", "coder", MessageState::Queued)]);
    let [interrupted] = recovered.interrupted.as_slice() else { panic!("{recovered:?}") };
    assert_eq!((interrupted.id.as_str(), interrupted.state), ("m-1", MessageState::Unknown));
    assert_eq!(recovered.next_effect, 8);
    assert_eq!(recovered.pending[0].effect.id, 7);
    assert_eq!(recovered.pending[0].agent, Some(agent("coder")));
    assert_eq!(recovered.paused, None);
    assert_eq!(opened.journal.message("m-1").unwrap().unwrap(), *interrupted);

    // Killed before the machine heard of it: the effect still waits for its answer.
    drop(opened.journal);
    let mut opened = sound(folder.path());
    assert_eq!((opened.recovered.interrupted.len(), opened.recovered.pending.len()), (0, 1));
    opened.journal.append(NOW, &opened.recovered.answers(), &[]).unwrap();
    drop(opened.journal);
    let opened = sound(folder.path());
    assert_eq!(opened.recovered.pending, []);
    assert_eq!(reader(folder.path()).decisions(0, None, 1).unwrap()[0].effects[0].state, "unknown");
}

#[test]
fn telemetry_and_repeats_have_no_row() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let about = |what: AgentEvent| Event::Agent { agent: agent("coder"), what };
    let noise = [about(AgentEvent::Activity { bytes: 9 }), Event::Relisted];
    assert_eq!(journal.append(NOW, &noise, &[]).unwrap().rows, 0);
    let relist = [event("coder", 1), about(AgentEvent::RestartPending { pending: false })];
    assert_eq!(journal.append(NOW, &relist, &[]).unwrap().rows, 2);
    assert_eq!(journal.append(NOW, &relist, &[]).unwrap().rows, 0);
    // Another run, and then the first one again, are both news.
    assert_eq!(journal.append(NOW, &[event("coder", 2)], &[]).unwrap().rows, 1);
    assert_eq!(journal.append(NOW, &[event("coder", 1)], &[]).unwrap().rows, 1);
    assert_eq!(reader(folder.path()).events(0, None, 100).unwrap().len(), 4);
    // The same question, asked anew after the agent went on.
    let screen = |shows| {
        let reading = Reading { digest: "d".to_owned(), shows, last_line: String::new(), settled: true };
        [about(AgentEvent::Screen { reading })]
    };
    let question = || screen(Shows::Dialog { text: "trust this folder?".to_owned() });
    assert_eq!(journal.append(NOW, &question(), &[]).unwrap().rows, 1);
    assert_eq!(journal.append(NOW, &question(), &[]).unwrap().rows, 0);
    assert_eq!(journal.append(NOW, &screen(Shows::Busy), &[]).unwrap().rows, 0);
    assert_eq!(journal.append(NOW, &question(), &[]).unwrap().rows, 1);
}

#[test]
fn an_effect_is_answered_once() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let looked = with_effects(decision("coder", "look"), &[(1, Act::Probe { agent: agent("coder") })]);
    let asked = with_effects(decision("coder", "say"), &[(2, Act::Digest { agent: agent("lead") })]);
    journal.append(NOW, &[], &[looked, asked]).unwrap();
    let answer = |id, result| [Event::Effect { id, result }];
    // What a probe found stands with its effect, not in the history.
    let probe = Probe { cpu_ms: Some(5), ..Probe::default() };
    assert_eq!(journal.append(NOW, &answer(1, EffectResult::Probed { probe }), &[]).unwrap().rows, 0);
    let refused = EffectResult::Delivered { outcome: Delivered::Refused, why: None };
    assert_eq!(journal.append(NOW, &answer(2, refused), &[]).unwrap().rows, 1);
    assert_eq!(journal.append(NOW, &answer(2, EffectResult::Done), &[]).unwrap().rows, 0);
    assert_eq!(journal.append(NOW, &answer(99, EffectResult::Done), &[]).unwrap().rows, 0);
    let effects: Vec<_> =
        reader(folder.path()).decisions(0, None, 10).unwrap().into_iter().flat_map(|row| row.effects).collect();
    assert_eq!((effects[0].state.as_str(), effects[1].state.as_str()), ("done", "failed"));
    assert_eq!(effects[0].result.as_ref().unwrap()["probe"]["cpu_ms"], 5);
    // The answer is filed under the agent that the effect acted on.
    assert_eq!(reader(folder.path()).events(0, Some("lead"), 10).unwrap()[0].kind, "effect");
}

#[test]
fn a_message_that_ended_never_waits_again() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let mut said = |state| {
        let mut said = decision("coder", "message");
        said.messages = vec![message("m-1", "coder", state)];
        journal.append(NOW, &[], &[said]).unwrap();
        journal.message("m-1").unwrap().unwrap().state
    };
    assert_eq!(said(MessageState::Queued), MessageState::Queued);
    assert_eq!(said(MessageState::Sending), MessageState::Sending);
    assert_eq!(said(MessageState::Unknown), MessageState::Unknown);
    assert_eq!(said(MessageState::Queued), MessageState::Unknown);
    assert_eq!(said(MessageState::Confirmed), MessageState::Confirmed);
    assert_eq!(reader(folder.path()).messages(Some("coder"), 10).unwrap().len(), 1);
    assert_eq!(reader(folder.path()).message("m-1").unwrap().unwrap().state, MessageState::Confirmed);
    assert_eq!(reader(folder.path()).message("m-2").unwrap(), None);
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let told = |id| with_effects(decision("coder", "tell"), &[(id, notify("x"))]);
    journal.append(NOW, &[], &[told(1)]).unwrap();
    // Number 1 is taken: the second decision cannot be kept.
    journal.append(NOW, &[event("coder", 1)], &[told(2), told(1)]).unwrap_err();
    assert_eq!(reader(folder.path()).last_seq().unwrap(), 1);
    // Neither was the event taken for one that was kept.
    assert_eq!(journal.append(NOW, &[event("coder", 1)], &[told(2)]).unwrap().rows, 2);
}

#[test]
fn the_pause_ends_when_somebody_says_so() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    journal.append(NOW, &[Event::JournalLost { why: "torn".to_owned() }], &[]).unwrap();
    assert_eq!(reader(folder.path()).paused().unwrap().as_deref(), Some("torn"));
    drop(journal);
    let mut opened = sound(folder.path());
    assert_eq!(opened.recovered.paused.as_deref(), Some("torn"));
    opened.journal.append(NOW, &[Event::Request { request: Request::ClearJournalLost }], &[]).unwrap();
    assert_eq!(reader(folder.path()).paused().unwrap(), None);
}

#[test]
fn proposals_are_kept_once_and_closed_once() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let content = json!({"text": "raise `after`"});
    assert!(journal.propose(NOW, "p-1", &agent("mender"), "roster", &content).unwrap());
    assert!(!journal.propose(NOW, "p-1", &agent("mender"), "roster", &content).unwrap());
    assert!(journal.close_proposal(NOW + 1, "p-1", "accepted").unwrap());
    assert!(!journal.close_proposal(NOW + 2, "p-1", "refused").unwrap());
    let proposals = reader(folder.path()).proposals(10).unwrap();
    assert_eq!((proposals.len(), proposals[0].state.as_str()), (1, "accepted"));
    assert_eq!(proposals[0].proposal, content);
}

#[test]
fn agents_that_are_gone_are_forgotten() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    for name in ["coder", "lead"] {
        let mut known = decision(name, "x");
        known.memory = Some(memory(1));
        journal.append(NOW, &[], &[known]).unwrap();
    }
    journal.forget_all_but(&[agent("lead")]).unwrap();
    assert_eq!(reader(folder.path()).memories().unwrap().into_keys().collect::<Vec<_>>(), [agent("lead")]);
}

#[test]
fn pruning_keeps_what_is_not_over() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let mut open = with_effects(decision("coder", "waits for its answer"), &[(1, notify("unread"))]);
    open.messages =
        vec![message("m-1", "coder", MessageState::Queued), message("m-2", "coder", MessageState::Confirmed)];
    journal.append(NOW, &[], &[open]).unwrap();
    for number in 0..600 {
        let done = with_effects(decision("coder", "over"), &[(number + 2, notify("read"))]);
        let answer = Event::Effect { id: number + 2, result: EffectResult::Done };
        journal.append(NOW, &[event("coder", number)], &[done]).unwrap();
        journal.append(NOW, &[answer], &[]).unwrap();
    }
    journal.mark_read(&(2..602).collect::<Vec<_>>()).unwrap();
    let size = || std::fs::metadata(folder.path().join("journal.db")).unwrap().len();
    drop(journal);
    let before = size();
    let mut journal = sound(folder.path()).journal;
    assert!(!journal.prune(NOW).unwrap(), "nothing is too old or too much yet");
    while journal.prune_to(NOW, 300).unwrap() {}
    let reader = reader(folder.path());
    assert_eq!(reader.trail(None, 10_000).unwrap().len(), 301);
    while journal.prune(NOW + 31 * 24 * 3_600_000).unwrap() {}
    let left = reader.trail(None, 10_000).unwrap();
    assert_eq!(left.iter().map(TrailRow::seq).collect::<Vec<_>>(), [1]);
    assert_eq!(reader.notices(false, 10_000).unwrap().iter().map(|notice| notice.id).collect::<Vec<_>>(), [1]);
    let ids: Vec<String> = reader.messages(None, 10).unwrap().into_iter().map(|message| message.id).collect();
    assert_eq!(ids, ["m-1"]);
    // The last to close it shortens the file.
    drop((reader, journal));
    assert!(size() < before / 2, "{} of {before}", size());
    // Numbers go on where they were.
    let mut opened = sound(folder.path());
    assert_eq!(opened.recovered.next_effect, 602);
    assert_eq!(opened.journal.append(NOW, &[event("coder", 1)], &[]).unwrap().seq, 1802);
}

/// Of a run that the supervisor before knew, and of a shim that answers, nobody is told again with each start of a supervisor.
#[test]
fn a_new_supervisor_keeps_no_news_of_what_was_known() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let run = event("coder", 1);
    let Event::Agent { what: AgentEvent::Running { run: known }, .. } = run.clone() else { unreachable!() };
    let mut found = decision("coder", "found running");
    found.memory = Some(Box::new(fleet::supervise::memory::Memory { run: Some(known), ..*memory(0) }));
    assert_eq!(journal.append(NOW, std::slice::from_ref(&run), &[found]).unwrap().rows, 2);
    drop(journal);
    let mut journal = sound(folder.path()).journal;
    let reachable = |reachable| Event::Agent {
        agent: agent("coder"),
        what: AgentEvent::Reachable { reachable, why: String::new() },
    };
    assert_eq!(journal.append(NOW, &[run.clone(), reachable(true)], &[]).unwrap().rows, 0);
    assert_eq!(journal.append(NOW, &[reachable(false)], &[]).unwrap().rows, 1);
    assert_eq!(journal.append(NOW, &[reachable(true)], &[]).unwrap().rows, 1);
    assert_eq!(journal.append(NOW, &[event("coder", 2), run], &[]).unwrap().rows, 2);
}
