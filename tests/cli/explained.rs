//! The examples of codes that only a machine can tell, with the real program.

use std::fs;

use fleet::diagnostic::Code;

use super::bench::Bench;
use super::examples::{Example, examples};

fn plan(example: &Example) -> (Vec<String>, String) {
    let bench = Bench::with(&example.text);
    for (name, text) in &example.files {
        let path = bench.work.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let said = bench.run(&["plan", "--manager", "local", "--json"]);
    let codes = said.out.lines().filter_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["code"].as_str().map(str::to_owned)
    });
    (codes.collect(), said.all())
}

#[test]
fn examples_about_the_machine_say_what_they_promise() {
    let mut seen = 0;
    for code in Code::ALL {
        let found = examples(code.page());
        if !found[0].is("command=plan") {
            continue;
        }
        seen += 1;
        let (codes, said) = plan(&found[0]);
        assert!(codes.iter().any(|found| found == code.number()), "{code}: {said}");
        let (codes, said) = plan(&found[1]);
        assert!(codes.is_empty(), "{code}: the right example is wrong: {said}");
    }
    assert_eq!(seen, 4, "F0401, F0402, F0404 and F0405 are found by plan");
}
