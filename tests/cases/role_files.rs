//! Settings in a role file count as they do in the roster.

use super::compile::compile_with;

#[test]
fn secrets_and_delays_of_a_role_file_are_known_to_the_whole_fleet() {
    let role = "---\nmay \"code\"\nsecret \"TOKEN\" from=\"env:CANARY_TOKEN\"\nrestart max-delay=\"20m\" within=\"2h\"\n---\nDo it.\n";
    let roster = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\n\
                  agent \"one\" { role \"mine\"; }\nagent \"two\" { role \"coder\"; }\n";
    let compiled = compile_with(roster, &[("roles/mine.md", role)]);
    let fleet = compiled.fleet.as_ref().unwrap_or_else(|| panic!("{}", compiled.text()));
    let two = fleet.agents.iter().find(|agent| agent.name.as_str() == "two").unwrap();
    assert_eq!(two.unset, ["CANARY_TOKEN"], "an agent inherits another one's secret");
    assert!(fleet.grows_delays);
}

#[test]
fn a_base_whose_file_has_mistakes_is_not_called_unknown() {
    let roster = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\n\
                  role \"mine\" extends=\"base\"\nagent \"one\" { role \"mine\"; }\n";
    let said = compile_with(roster, &[("roles/base.md", "no header\n")]).text();
    assert!(said.contains("F0319") && !said.contains("F0306"), "{said}");
}

#[test]
fn a_long_chain_of_roles_reaches_its_end() {
    let mut roster = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\n\
                      role \"r0\" { may \"code\"; env \"DEEP\" \"yes\"; }\nagent \"one\" { role \"r40\"; }\n"
        .to_owned();
    for number in 1..=40 {
        roster += &format!("role \"r{number}\" extends=\"r{}\"\n", number - 1);
    }
    let compiled = compile_with(&roster, &[]);
    let fleet = compiled.fleet.as_ref().unwrap_or_else(|| panic!("{}", compiled.text()));
    assert_eq!(fleet.agents[0].env.get("DEEP").map(String::as_str), Some("yes"));
}
