//! Every code has a page whose wrong example gives the code, and whose right example gives nothing.

use std::path::PathBuf;

use fleet::diagnostic::Code;
use fleet::resolve::HostFacts;

use super::compile::{Compiled, compile_on, host};
use super::examples::{Example, examples};

fn compile(example: &Example) -> Compiled {
    let mut facts: HostFacts = host();
    if example.is("host=long-runtime") {
        facts.runtime_base = Some(PathBuf::from(format!("/run/user/1000/{}/fleet", "deep/".repeat(20))));
    }
    if example.is("host=odd-state") {
        facts.state_base = PathBuf::from("/home/ada/what's here/fleet");
    }
    let files: Vec<_> = example.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    compile_on(&facts, &example.text, &files)
}

#[test]
fn every_code_has_a_page_with_a_wrong_and_a_right_example() {
    for code in Code::ALL {
        let page = code.page();
        let title = format!("# {}: {}", code.number(), code.title());
        assert_eq!(page.lines().next(), Some(title.as_str()));
        assert!(page.lines().all(|line| line.chars().count() <= 120), "{code} has a line over 120 columns");
        let found = examples(page);
        let [wrong, right] = found.as_slice() else { panic!("{code} has {} examples", found.len()) };
        assert!(wrong.is("fails") && !right.is("fails"), "{code}: the wrong example stands first");
        let (before, after) = (page.find("\n## Wrong\n"), page.find("\n## Right\n"));
        assert!(before.is_some() && before < after, "{code} lacks its headings");
        // What only the machine tells is looked for with the real program, in `tests/cli`.
        if wrong.is("command=plan") {
            continue;
        }
        let compiled = compile(wrong);
        let codes: Vec<_> = compiled.diagnostics.sorted().iter().map(|found| found.code).collect();
        assert!(codes.contains(code), "{code}: the wrong example gives {codes:?}\n{}", compiled.text());
        assert!(codes.iter().all(|found| found == code), "{code}: it gives more\n{}", compiled.text());
        let compiled = compile(right);
        assert!(compiled.diagnostics.is_empty(), "{code}: the right example is wrong\n{}", compiled.text());
        assert!(compiled.fleet.is_some());
    }
}
