//! What an agent that may `compose` can change in the roster by itself, and what not, change by change.

use fleet::resolve::envelope::{Side, breaches};

use crate::compile::{Compiled, compile, compile_with};

const ROSTER: &str = r#"fleet "shop" version=1
defaults { runtime "canary"; spend starts-per-day=5; }
spend concurrent=8
orchestrator "lead"
enhancer "mender"
role "chief" { may "compose"; }
role "tester" { may "review"; secret "TOKEN" from="file:token" as="env"; permissions "ask"; worktree readonly=#true; runtime "canary"; }
agent "chief" { role "chief"; }
agent "coder" count=2 { role "coder"; worktree; description "writes"; }
agent "deployer" { role "operations"; }
models "deep" { use "one"; use "two" runtime="claude"; }
compose max-agents=7 { roles "coder" "tester"; spend starts-per-day=10; }
"#;

fn side(compiled: &Compiled) -> Side<'_> {
    Side {
        roster: compiled.roster.as_ref().unwrap(),
        fleet: compiled.fleet.as_ref().unwrap_or_else(|| panic!("{}", compiled.text())),
        sources: &compiled.sources,
    }
}

/// What leaves the envelope when `from` is written as `to`.
fn said(from: &str, to: &str) -> Vec<String> {
    let after = ROSTER.replacen(from, to, 1);
    assert_ne!(after, ROSTER, "{from}");
    let (before, after) = (compile(ROSTER), compile(&after));
    breaches(side(&before), side(&after))
        .into_iter()
        .map(|found| format!("{}: {}", found.place, found.what))
        .collect()
}

/// The roster with another line at its end.
fn added(line: &str) -> Vec<String> {
    said("compose max", &format!("{line}\ncompose max"))
}

const NOTHING: &[&str] = &[];

#[test]
fn agents_of_the_roles_it_names_come_go_and_are_tuned() {
    assert_eq!(added("agent \"tester\" { role \"tester\"; }"), NOTHING);
    assert_eq!(
        added(
            "agent \"third\" { role \"coder\"; worktree; prompt \"Begin.\"; after \"coder\"; spend starts-per-day=10; }"
        ),
        NOTHING
    );
    assert_eq!(said("count=2", "count=3"), NOTHING);
    assert_eq!(said("count=2", "count=1"), NOTHING);
    assert_eq!(said("agent \"coder\" count=2 { role \"coder\"; worktree; description \"writes\"; }\n", ""), NOTHING);
    assert_eq!(
        said("description \"writes\"", "description \"writes well\"; autostart #false; prompt \"Go on.\""),
        NOTHING
    );
    assert_eq!(added("layout { window \"all\" { pane \"coder\"; }; }"), NOTHING);
    // Where things stand says nothing.
    assert_eq!(said("agent \"deployer\"", "// a word\n\n/- agent \"x\"\nagent \"deployer\""), NOTHING);
}

#[test]
fn others_stay_as_they_are() {
    assert_eq!(
        said("agent \"deployer\" { role \"operations\"; }\n", ""),
        [
            "fleet.kdl:10: `agent \"deployer\"` is taken out, and the envelope is for agents of the roles coder, tester, not for operations"
        ]
    );
    assert_eq!(
        said("agent \"chief\" { role \"chief\"; }", "agent \"chief\" count=2 { role \"chief\"; }"),
        [
            "fleet.kdl:8: `agent \"chief\"` is not as it was, and the envelope is for agents of the roles coder, tester, not for chief"
        ]
    );
    assert_eq!(
        added("agent \"second\" { role \"chief\"; }"),
        [
            "fleet.kdl:12: `agent \"second\"` is new, and the envelope is for agents of the roles coder, tester, not for chief"
        ]
    );
    assert_eq!(added("enhancer \"other\""), ["fleet.kdl:12: `enhancer \"other\"` is new"]);
    assert_eq!(
        said("orchestrator \"lead\"", "orchestrator \"lead\" { env \"A\" \"b\"; }"),
        ["fleet.kdl:4: `orchestrator \"lead\"` is not as it was"]
    );
}

#[test]
fn nobody_gets_other_rights() {
    let role = "fleet.kdl:9: `agent \"coder\"` gets another role, and with it other rights";
    assert_eq!(said("role \"coder\"", "role \"tester\"; runtime \"canary\""), [role]);
    for (setting, title) in [
        ("permissions \"ask\"", "`permissions \"ask\"`"),
        ("secret \"KEY\" from=\"env:KEY\" as=\"env\"", "`secret \"KEY\"`"),
        ("sandbox \"none\"", "`sandbox \"none\"`"),
        ("env \"PATH_TO\" \"x\"", "`env \"PATH_TO\"`"),
        ("path \"/usr/bin\"", "`path \"/usr/bin\"`"),
        ("limits memory=\"1G\"", "`limits`"),
        ("restart \"always\"", "`restart \"always\"`"),
        ("home \"own\"", "`home \"own\"`"),
        ("was \"old\"", "`was \"old\"`"),
        ("stall after=\"9h\"", "`stall`"),
        ("spend starts-per-day=9", "`spend`"),
    ] {
        let what = said("description \"writes\"", &format!("description \"writes\"; {setting}"));
        assert_eq!(what, [format!("fleet.kdl:9: `agent \"coder\"`: {title} is new")], "{setting}");
        let what = added(&format!("agent \"third\" {{ role \"coder\"; {setting}; }}"));
        if !setting.starts_with("spend") {
            assert_eq!(
                what,
                [format!("fleet.kdl:12: `agent \"third\"`: {title} is for its role to say")],
                "{setting}"
            );
        }
    }
    assert_eq!(said("worktree; ", ""), ["fleet.kdl:9: `agent \"coder\"`: `worktree` is taken out"]);
    assert_eq!(
        added("agent \"third\" { role \"tester\"; worktree readonly=#false; }"),
        ["fleet.kdl:12: `agent \"third\"`: `readonly=` is for its role to say"]
    );
}

#[test]
fn what_is_above_agents_stays_people_s() {
    for (from, to, what) in [
        ("may \"compose\"", "may \"compose\" \"code\"", "6: `role \"chief\"` is not as it was"),
        ("secret \"TOKEN\"", "secret \"TOKEN2\"", "7: `role \"tester\"` is not as it was"),
        ("from=\"file:token\"", "from=\"file:other\"", "7: `role \"tester\"` is not as it was"),
        ("starts-per-day=5", "starts-per-day=50", "2: `defaults` is not as it was"),
        ("concurrent=8", "concurrent=80", "3: `spend` is not as it was"),
        ("spend concurrent=8\n", "", "3: `spend` is taken out"),
        ("starts-per-day=10", "starts-per-day=100", "12: `compose` is not as it was"),
        ("max-agents=7", "max-agents=70", "12: `compose` is not as it was"),
        ("use \"one\"", "use \"other\"", "11: `models \"deep\"` is not as it was"),
        ("version=1", "version=1 supervise=#false", "1: `fleet \"shop\"` is not as it was"),
    ] {
        assert_eq!(said(from, to), [format!("fleet.kdl:{what}")], "{to}");
    }
    assert_eq!(added("floor \"exempt\" reason=\"x\""), ["fleet.kdl:12: `floor \"exempt\"` is new"]);
    assert_eq!(added("workspace \"/etc\""), ["fleet.kdl:12: `workspace \"/etc\"` is new"]);
}

#[test]
fn a_command_is_people_s_and_a_model_is_not() {
    let third = |settings: &str| added(&format!("agent \"third\" {{ role \"coder\"; {settings}; }}"));
    let command = "fleet.kdl:12: `agent \"third\"`: the command of its runtime is for people to say";
    assert_eq!(third("runtime \"canary\" { script { child \"1s\"; }; }"), [command]);
    assert_eq!(
        third("runtime \"command\" { argv \"sh\" \"-c\" \"id\"; }"),
        [command, "fleet.kdl:12: agent third: no agent of the fleet has the runtime command yet",]
    );
    assert_eq!(
        third("runtime \"claude\""),
        ["fleet.kdl:12: agent third: no agent of the fleet has the runtime claude yet"]
    );
    let claude = ROSTER.replace("\"coder\"; worktree", "\"coder\"; runtime \"claude\" model=\"one\"; worktree");
    let model = |model: &str| {
        let after = claude.replace("\"one\"; worktree", &format!("{model:?}; worktree"));
        let (before, after) = (compile(&claude), compile(&after));
        breaches(side(&before), side(&after)).into_iter().map(|found| found.what).collect::<Vec<_>>()
    };
    assert_eq!(model("two"), NOTHING);
    assert_eq!(model("--yes"), ["`agent \"coder\"`: `model=` looks like an option of a program"]);
    assert_eq!(
        third("prompt \" --yes\""),
        ["fleet.kdl:12: `agent \"third\"`: `prompt \" --yes\"` looks like an option of a program"]
    );
    assert_eq!(
        said("description \"writes\"", "runtime \"claude\""),
        [
            "fleet.kdl:9: agent coder-1: its runtime becomes claude instead of canary",
            "fleet.kdl:9: agent coder-2: its runtime becomes claude instead of canary",
        ]
    );
}

#[test]
fn a_prompt_does_not_show_a_file() {
    let prompt = r#"prompt file="secrets.txt""#;
    let after = ROSTER.replace("description \"writes\"", prompt);
    let (before, after) = (compile(ROSTER), compile_with(&after, &[("secrets.txt", "a secret")]));
    let found = breaches(side(&before), side(&after));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("would show it whatever stands there"), "{found:?}");
}

#[test]
fn there_are_no_more_agents_and_no_higher_caps_than_it_allows() {
    assert_eq!(
        added("agent \"third\" { role \"coder\"; spend starts-per-day=11; }"),
        ["fleet.kdl:12: agent third: `spend starts-per-day=` is 11, and the envelope allows 10"]
    );
    assert_eq!(
        added("agent \"third\" { role \"coder\"; spend messages-per-hour=11; }"),
        ["fleet.kdl:12: agent third: `spend messages-per-hour=` is for its role to say: the envelope names no most"]
    );
    let uncapped = ROSTER.replace("spend starts-per-day=5", "description \"x\"");
    let (before, after) = (compile(&uncapped), compile(&uncapped.replace("count=2", "count=3")));
    let found: Vec<String> = breaches(side(&before), side(&after)).into_iter().map(|found| found.what).collect();
    assert_eq!(found, ["agent coder-3: `spend starts-per-day=` is not there, and the envelope allows 10"]);
    // More than it allows does not even compile; the envelope that counts is the one that was there.
    let wide = ROSTER.replace("max-agents=7", "max-agents=70").replace("count=2", "count=5");
    let (before, after) = (compile(ROSTER), compile(&wide));
    let found: Vec<String> = breaches(side(&before), side(&after)).into_iter().map(|found| found.what).collect();
    assert_eq!(found, ["`compose` is not as it was", "the fleet would have 9 agents, and the envelope allows 7"]);
}

#[test]
fn a_name_is_not_passed_on_with_other_rights() {
    let found = said(
        "agent \"coder\" count=2 { role \"coder\"; worktree; description \"writes\"; }",
        "agent \"coder-1\" { role \"tester\"; }",
    );
    assert_eq!(found, ["fleet.kdl:9: there is an agent coder-1 already, with other rights"]);
}

#[test]
fn other_files_are_not_brought_in() {
    let files = [("more.kdl", "agent \"extra\" { role \"coder\"; }\n")];
    let with = |line: &str| format!("{ROSTER}{line}\n");
    let (before, after) = (compile(ROSTER), compile_with(&with("include \"more.kdl\""), &files));
    let found = breaches(side(&before), side(&after));
    assert_eq!((found.len(), found[0].what.as_str()), (1, "it includes another file, \"more.kdl\""), "{found:?}");
    // Nor one that is not there yet.
    let after = compile(&with("include \"later.kdl\" optional=#true"));
    assert_eq!(breaches(side(&before), side(&after)).len(), 1);
    let (before, after) = (compile_with(&with("include \"more.kdl\""), &files), compile(ROSTER));
    let found = breaches(side(&before), side(&after));
    assert!(found.iter().any(|found| found.what == "it no longer includes \"more.kdl\""), "{found:?}");
}

#[test]
fn without_an_envelope_nothing_may_change() {
    let none = ROSTER.replace("compose max-agents=7 { roles \"coder\" \"tester\"; spend starts-per-day=10; }", "");
    let (before, after) = (compile(&none), compile(&none.replace("count=2", "count=3")));
    let found = breaches(side(&before), side(&after));
    assert!(found.len() == 1 && found[0].what.contains("has no `compose`"), "{found:?}");
}
