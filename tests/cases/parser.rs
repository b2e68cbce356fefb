//! Whatever is thrown at the parser, it answers, and soon.

use proptest::prelude::*;

use super::compile::compile;

/// Pieces that rosters are made of, and pieces that break them.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("fleet \"a\" version=1\n".to_owned()),
        Just("agent \"x\" { role \"coder\"; runtime \"canary\" }\n".to_owned()),
        Just("env \"A\" \"b\"\n".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("/-".to_owned()),
        Just("\"".to_owned()),
        Just("\"\"\"\n".to_owned()),
        Just("#\"".to_owned()),
        Just("\\\n".to_owned()),
        Just("=".to_owned()),
        Just("(".to_owned()),
        Just("; ".to_owned()),
        Just("true ".to_owned()),
        Just("60s ".to_owned()),
        Just("./x ".to_owned()),
        Just("ü日本 ".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_it(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let compiled = compile(&text);
        // Rendering the findings must survive every place they point to.
        let shown = compiled.text();
        prop_assert!(compiled.fleet.is_some() || !shown.is_empty());
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_nesting_breaks_it(depth in 1usize..20_000, opening in prop_oneof![Just("a {"), Just("/*"), Just("/-a {"), Just("(a)")]) {
        let text = opening.repeat(depth);
        prop_assert!(compile(&text).fleet.is_none());
    }
}

#[test]
fn a_large_roster_is_read() {
    let mut text =
        String::from("fleet \"a\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\n");
    for number in 0..500 {
        text += &format!("agent \"worker-{number}\" {{ role \"coder\"; env \"NUMBER\" \"{number}\"; }}\n");
    }
    let compiled = compile(&text);
    assert_eq!(compiled.fleet.map(|fleet| fleet.agents.len()), Some(500));
}

#[test]
fn stray_closers_do_not_reach_the_parser() {
    let compiled = compile(&"}{ ]\n".repeat(10_000));
    assert!(compiled.fleet.is_none());
    assert_eq!(compiled.diagnostics.sorted().len(), 1, "{}", compiled.text());
}

/// What `kdl` takes for the end of a line ends it for the scan too: otherwise braces hide behind a comment from the limit
/// on depth, and overflow the parser's stack.
#[test]
fn no_line_end_hides_braces() {
    for end in ["\r", "\n", "\r\n", "\u{85}", "\u{b}", "\u{c}", "\u{2028}", "\u{2029}"] {
        for opening in [format!("// x{end}"), format!("a \\ // x{end}"), format!("a \"x{end}")] {
            let text = format!("{opening}{}", "a {".repeat(50_000));
            assert!(compile(&text).fleet.is_none(), "{opening:?}");
        }
    }
    let text = format!("a \"\"\"{}\"\"\"\n", "{".repeat(50_000));
    assert!(compile(&text).text().contains("F0104"));
}

#[test]
fn long_runs_of_one_character_take_no_time() {
    for piece in
        ["#", "\\", "/", "-", "\"", "'", ":", "=", ",", ";", "\u{201c}", "\u{201c}\u{201d}", "#!", "/-", "a=", "r#"]
    {
        let text = format!("a {}", piece.repeat(200_000 / piece.len()));
        let begun = std::time::Instant::now();
        assert!(compile(&text).fleet.is_none());
        assert!(begun.elapsed().as_secs() < 20, "{piece:?} takes {:?}", begun.elapsed());
    }
}
