//! Chains of models: only a model in use that leaves its chain, or whose own details change, costs a restart.

use std::path::PathBuf;

use fleet::ids::AgentName;
use fleet::manifest::{Fallback, Manifest, ModelName};
use fleet::plan::fields::Class;
use fleet::plan::{Action, AgentPlan, Process};
use fleet::units::ManagerKind;
use proptest::prelude::*;

use super::simulation::{Machine, Target};

const MODELS: [&str; 4] = [
    "use \"opus\" runtime=\"claude\"",
    "use \"sonnet\" runtime=\"claude\"",
    "use \"gpt-5.5\" runtime=\"codex\" effort=\"high\"",
    "use \"local/small\" runtime=\"opencode\"",
];

/// Fills the models of the chain in.
fn roster(models: &[&str], more: &str) -> String {
    let uses = models.join("; ");
    format!(
        "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nmodels \"deep\" {{ {uses}; }}\n\
         agent \"one\" {{ role \"coder\"; runtime \"claude\"; models \"deep\"; {more} }}\n"
    )
}

fn one() -> AgentName {
    AgentName::new("one").unwrap()
}

fn chain(manifest: &Manifest) -> Vec<ModelName> {
    std::iter::once(manifest.launch.name()).chain(manifest.fallbacks.iter().map(Fallback::name)).collect()
}

/// A machine whose one agent runs with the model at `place` of its chain, as its supervisor has noted.
fn falls_back(target: &Target, place: usize) -> Machine {
    let mut machine = Machine::new(ManagerKind::Local);
    assert!(machine.apply(target, usize::MAX));
    let manifest = machine.live.manifests[&one()].clone();
    let with = chain(&manifest)[place].clone();
    machine.live.runs.get_mut(&one()).unwrap().launch = manifest.using(&with).unwrap().into_owned().launch;
    if place > 0 {
        machine.live.models.insert(one(), with);
    }
    machine
}

fn agent(machine: &Machine, roster: &str) -> AgentPlan {
    machine.plan(&machine.compile(roster)).agents.into_iter().find(|agent| agent.name == one()).unwrap()
}

fn changed(agent: &AgentPlan, class: Class) -> Vec<&'static str> {
    agent.fields.iter().filter(|field| field.effect == class).map(|field| field.name).collect()
}

#[test]
fn whoever_runs_with_a_model_of_its_chain_is_as_it_shall_be() {
    let text = roster(&MODELS, "");
    let machine = Machine::new(ManagerKind::Local);
    let target = machine.compile(&text);
    for place in 0..MODELS.len() {
        let machine = falls_back(&target, place);
        let plan = machine.plan(&target);
        assert!(plan.is_empty(), "{place}: {:?}", plan.agents);
    }
}

#[test]
fn a_model_that_leaves_the_chain_is_restarted_if_it_is_in_use() {
    let machine = Machine::new(ManagerKind::Local);
    let target = machine.compile(&roster(&MODELS[..3], ""));
    for place in 0..3 {
        let machine = falls_back(&target, place);
        for left in 0..3 {
            let models: Vec<&str> = (0..3).filter(|at| *at != left).map(|at| MODELS[at]).collect();
            let agent = agent(&machine, &roster(&models, ""));
            if left == place {
                assert_eq!(agent.process, Process::Restart, "{place}: {agent:?}");
                assert!(
                    agent.reason.contains("left its chain; a restart loses the conversation"),
                    "{}",
                    agent.reason
                );
                assert!(changed(&agent, Class::Restart).contains(&"model"), "{agent:?}");
            } else {
                assert_ne!(agent.process, Process::Restart, "{place} without {left}: {agent:?}");
                assert_eq!(changed(&agent, Class::Restart), Vec::<&str>::new());
                assert!(changed(&agent, Class::Live).contains(&"falls back to"), "{agent:?}");
            }
        }
    }
}

#[test]
fn other_details_of_the_model_in_use_are_a_restart_and_those_of_others_none() {
    let machine = Machine::new(ManagerKind::Local);
    let before = roster(&MODELS[..3], "");
    let target = machine.compile(&before);
    let after = before.replace("effort=\"high\"", "effort=\"low\"");
    let in_use = agent(&falls_back(&target, 2), &after);
    assert_eq!((in_use.process, changed(&in_use, Class::Restart)), (Process::Restart, vec!["effort"]));
    assert!(in_use.reason.starts_with("it runs with other settings"), "{}", in_use.reason);
    let other = agent(&falls_back(&target, 1), &after);
    assert_eq!((other.action, other.process), (Action::Change, Process::Live), "{other:?}");
    assert_eq!(changed(&other, Class::Live), ["fall-back details"]);
}

#[test]
fn what_becomes_of_the_conversation_is_told_of_the_model_that_comes() {
    let machine = Machine::new(ManagerKind::Local);
    let target = machine.compile(&roster(&MODELS[..3], ""));
    let after = roster(&MODELS[..3], "env \"A\" \"1\";");
    let dir = PathBuf::from("/home/ada/shop");
    for (place, talk, words) in [
        (1, "claude", "a restart resumes the conversation"),
        (2, "codex", "a restart loses the conversation"),
        // Another CLI's.
        (1, "codex", "a restart loses the conversation"),
    ] {
        let mut machine = falls_back(&target, place);
        machine.live.conversations.insert(one(), (talk.to_owned(), dir.clone()));
        let agent = agent(&machine, &after);
        assert_eq!(agent.process, Process::Restart);
        assert!(agent.reason.ends_with(words), "{place} {talk}: {}", agent.reason);
    }
    // `fleet clear` has taken the note away: the next start is with the first.
    let mut cleared = falls_back(&target, 2);
    cleared.live.models.clear();
    cleared.live.conversations.insert(one(), ("claude".to_owned(), dir));
    assert!(cleared.plan(&target).is_empty());
    assert!(agent(&cleared, &after).reason.ends_with("a restart resumes the conversation"));
}

fn models() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(MODELS.to_vec(), 1..=MODELS.len()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever becomes of a chain: a restart if and only if the model in use left it, and then there is nothing more to do.
    #[test]
    fn only_a_model_in_use_matters(before in models(), after in models(), place in 0..MODELS.len()) {
        let place = place % before.len();
        let machine = Machine::new(ManagerKind::Local);
        let target = machine.compile(&roster(&before, ""));
        let mut machine = falls_back(&target, place);
        let runs = machine.live.runs[&one()].launch.name();
        let next = machine.compile(&roster(&after, ""));
        let plan = machine.plan(&next);
        let restarts = plan.agents[0].process == Process::Restart;
        prop_assert_eq!(restarts, !after.contains(&before[place]), "{:?}", plan.agents);
        prop_assert!(machine.apply(&next, usize::MAX) && machine.is_at(&next));
        let stays = machine.live.runs[&one()].launch.name() == runs;
        prop_assert_eq!(stays, !restarts);
    }
}
