//! The formatter: what it makes of rosters, and that it changes nothing but their looks.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fleet::diagnostic::{Diagnostics, FileId};
use fleet::resolve::builtin;
use fleet::roster::document::{self, RawNode};
use fleet::roster::scan;
use fleet::roster::syntax::format::{format, same_meaning};
use fleet::roster::syntax::lexer::lex;
use fleet::roster::syntax::tree::{Node, Tree};
use proptest::prelude::*;

use super::compile::compile;
use super::written;

fn parse(text: &str) -> Option<Vec<RawNode>> {
    document::parse(text, FileId(0), &mut Diagnostics::default()).map(|document| document.nodes)
}

/// The same without the texts whose slips are hidden from the parser.
fn parse_exactly(text: &str) -> Option<Vec<RawNode>> {
    let mut diagnostics = Diagnostics::default();
    let document = document::parse(text, FileId(0), &mut diagnostics);
    document.filter(|_| diagnostics.is_empty()).map(|document| document.nodes)
}

/// The words of every comment, in any order.
fn comments(text: &str) -> Vec<String> {
    let tokens = lex(text).into_iter().filter(|token| token.kind.is_comment());
    let mut found: Vec<_> =
        tokens.map(|token| token.span.of(text).trim().replace("\r\n", "\n").replace('\r', "\n")).collect();
    found.sort();
    found
}

#[track_caller]
fn becomes(before: &str, after: &str) {
    assert_eq!(format(before), after, "from {before:?}");
    assert_eq!(format(after), after, "not stable");
    let (one, other) = (parse(before).expect("not KDL"), parse(after).expect("no KDL any more"));
    assert!(same_meaning(&one, &other), "another meaning:\n{after}");
    assert_eq!(comments(before), comments(after));
}

#[test]
fn nodes_get_lines_and_entries_one_space() {
    becomes("a; b ;c", "a\nb\nc\n");
    becomes("a   1\t\"x\"  p  =  2 q= #true", "a 1 \"x\" p=2 q=#true\n");
    becomes("\u{feff}a\r\nb\rc\u{2028}d", "a\nb\nc\nd\n");
    becomes("a{b;c{\nd}}", "a {\n    b\n    c {\n        d\n    }\n}\n");
    becomes("a {\n\tb\n  c\n }", "a {\n    b\n    c\n}\n");
    becomes("", "");
    becomes(" \n\n\t", "");
}

#[test]
fn blank_lines_are_the_authors_but_one_in_a_row() {
    becomes("\n\na\n\n\n\nb\nc\n\n", "a\n\nb\nc\n");
    becomes("a {\n\n  b\n\n\n  c\n\n}", "a {\n    b\n\n    c\n}\n");
    becomes("a\n \t\n// c\n\n\n// d\nb", "a\n\n// c\n\n// d\nb\n");
    becomes("a {    // c\n\n  b\n}", "a {    // c\n    b\n}\n");
}

#[test]
fn a_block_on_one_line_stays_there_if_it_fits() {
    becomes("w \"core\" {pane \"lead\";pane \"mender\";}", "w \"core\" { pane \"lead\"; pane \"mender\" }\n");
    becomes("a{}\nb { }\nc {\n\n}\nd { e {} }", "a {}\nb {}\nc {}\nd { e {} }\n");
    becomes("a { /* x */ b /* y */; /* z */ c }", "a { /* x */ b /* y */; /* z */ c }\n");
    becomes("a { /* only */ }", "a { /* only */ }\n");
    // 100 columns, then 101; a comment behind it does not count.
    let fits = format!("abc {{ b {{ c }}; {} }}", "ü".repeat(83));
    assert_eq!(fits.chars().count(), 100);
    becomes(&format!("{fits} // c"), &format!("{fits}    // c\n"));
    let broken = format!("abcd {{\n    b {{ c }}\n    {}\n}}    // c\n", "ü".repeat(83));
    becomes(&format!("{} // c", fits.replace("abc", "abcd")), &broken);
    // A text of several lines is no one line, and neither is a disabled node with another behind it.
    becomes("a { b \"\"\"\n  x\n  \"\"\"; c }", "a {\n    b \"\"\"\n  x\n  \"\"\"\n    c\n}\n");
    becomes("a { /-b {} c }", "a {\n    /-b {}\n    c\n}\n");
    becomes("a { b; /- c }", "a { b; /-c }\n");
}

#[test]
fn comments_stay_with_what_they_stand_by() {
    becomes("a //x\nb; // y \n  // z\t\nc", "a    //x\nb    // y\n// z\nc\n");
    becomes("a { //x\n b }// y", "a {    //x\n    b\n}    // y\n");
    becomes("a {\n // x\n}", "a {\n    // x\n}\n");
    becomes("a {\n b\n // x\n\n // y\n}\n// z", "a {\n    b\n    // x\n\n    // y\n}\n// z\n");
    becomes("/* x */ a /* y */ 1 /* z */ // end", "/* x */ a /* y */ 1 /* z */    // end\n");
    becomes("/* x */ // y\n  /* 1\n 2 */\na", "/* x */ // y\n/* 1\n 2 */\na\n");
    becomes("a; /* x */ b; /* y */\nc", "a\n/* x */ b /* y */\nc\n");
    becomes("a b /* x */ = /* y */ 1", "a /* x */ /* y */ b=1\n");
}

#[test]
fn what_is_disabled_stays_disabled() {
    becomes("/- a 1", "/-a 1\n");
    becomes("/- // why\n /* x */ a", "// why\n/* x */ /-a\n");
    becomes("a /- b /-  c=1 d /- { e; } { f }", "a /-b /-c=1 d /-{ e } { f }\n");
    becomes("a /-\n // why\n b c", "a \\    // why\n    /-b c\n");
    becomes("a /- /-b c d", "a /-b /-c d\n");
    becomes("a {} /-b", "a {}\n/-b\n");
    becomes("/-a {} /-b\nc", "/-a {}\n/-b\nc\n");
    becomes("a { b } /- {\n c\n}", "a { b } /-{\n    c\n}\n");
}

#[test]
fn continuations_stay_one_level_deeper() {
    becomes("a \\\n b \\ // c\n  d", "a \\\n    b \\    // c\n    d\n");
    becomes("x {\n a 1 \\\n\\\n b=2 {\n c\n }\n}", "x {\n    a 1 \\\n        b=2 {\n        c\n    }\n}\n");
    becomes("a b \\\n = \\ // c\n 1", "a \\    // c\n    b=1\n");
    becomes("a \\\n\nb", "a\nb\n");
    becomes("a \\ // c\n; b", "a    // c\nb\n");
    becomes("\\\na \\", "a\n");
}

#[test]
fn texts_are_copied() {
    for text in [
        "a \"\\u{41}\\n\" #\"r\\\"# ##\"a\"#b\"## 0x1F 1_000 -1.50e3 bare\n",
        "a {\n    b \"\"\"\n  one\n\ttwo   \n\n  three\n  \"\"\"\n    c #\"\"\"\nx\n\"\"\"# 1\n}\n",
        "a \"one \\\n  two\"\n",
    ] {
        assert_eq!(format(text), text);
    }
    becomes("a \"\"\"\r\n  x\r\r\n  y\r\n  \"\"\"", "a \"\"\"\n  x\n\n  y\n  \"\"\"\n");
}

#[test]
fn what_is_no_roster_comes_back_as_it_is() {
    for text in
        ["a  {", "a  }", "a  \"", "a  (t)1", "a  /* ", "/-", "a  =", "a  b=", "{ }", "a  /-", "a  \\ b", "5  x"]
    {
        assert_eq!(format(text), text);
    }
}

/// The rosters and runtimes that come with fleet, and those of the corpus: all files of fleet's own are formatted.
#[test]
fn what_comes_with_fleet_is_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["presets", "runtimes"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            // A mark on a line of its own stands for lines; as a comment it may stand anywhere.
            let marked: String = text
                .lines()
                .map(|line| match line.strip_prefix('%') {
                    Some(_) => format!("// {line}\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            let formatted = format(&marked);
            let flush: String = formatted
                .lines()
                .map(|line| match line.trim_start().strip_prefix("// %") {
                    Some(mark) => format!("%{mark}\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            assert_eq!(flush, text, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "the built-in files are gone");
}

#[test]
fn the_rosters_of_the_documentation_are_formatted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```kdl\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert_eq!(format(block), block, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "the documentation shows no roster");
}

/// No text takes the square of its length, which for some of these was minutes.
#[test]
fn the_longest_texts_are_formatted_soon() {
    let agent = "agent \"a\" { role \"coder\"; env \"A\" /* x */ \"b\"; after \"c\" } // y\n";
    for piece in ["#", "a {", "{", "}", "/-", "/*", "\"", "#\"", "a=", "\\\n", "a;", "a ", "//\n", "/**/", agent] {
        let text = piece.repeat(scan::MAX_BYTES / piece.len());
        let start = Instant::now();
        let formatted = format(&text);
        assert!(start.elapsed() < Duration::from_secs(20), "{piece:?} takes {:?}", start.elapsed());
        assert!(formatted == text || Tree::new(&text).sound);
    }
}

/// Found by [`no_text_breaks_it`]: what the parser was given had one line end where the roster has two.
#[test]
fn a_lone_carriage_return_ends_its_own_line() {
    for text in ["a{\"\"\\\r \n\"\"}", "a \\//x\r // y\nb", "a \\\r\t\nb"] {
        keeps(text, &parse_exactly(text).unwrap()).unwrap();
    }
}

#[test]
fn the_presets_and_the_corpus_keep_their_meaning() {
    let mut texts: Vec<_> = builtin::PRESETS
        .iter()
        .map(|(name, preset)| {
            let text = preset
                .replace("%ID%", "shop")
                .replace("%FOUND%\n", "")
                .replace("%RUNTIME%", "claude")
                .replace("%SETTINGS%\n", "  path   \"/opt/bin\"\n")
                .replace("%CODER%\n", "\truntime \"codex\"\n");
            ((*name).to_owned(), text)
        })
        .collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/good")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "kdl") {
            texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(texts.len() > 9, "the corpus is gone");
    for (name, text) in texts {
        // Any roster survives being written badly.
        let bad = text.replace("    ", "\t").replace(" {\n", "{\r\n\n\n");
        for text in [text, bad] {
            let (before, after) = (compile(&text), compile(&format(&text)));
            assert!(before.fleet.is_some(), "{name}: {}", before.text());
            assert_eq!(before.artifacts(Some(252)), after.artifacts(Some(252)), "{name}");
        }
    }
}

#[test]
fn the_runtimes_keep_their_meaning() {
    for (name, text) in builtin::RUNTIMES {
        let bad = text.replace("    ", "\t").replace('\n', "\r\n");
        let (before, after) = (parse(text).unwrap(), parse(&format(&bad)).unwrap());
        assert!(same_meaning(&before, &after), "{name}");
        assert_eq!(&format(&bad), text, "{name}");
    }
}

/// The nodes that count, as the document has them.
fn live(nodes: &[Node]) -> impl Iterator<Item = &Node> {
    nodes.iter().filter(|node| node.slashdash.is_none())
}

fn agree(tree: &Tree, nodes: &[Node], raw: &[RawNode]) {
    assert_eq!(live(nodes).count(), raw.len(), "{}", tree.text);
    for (node, raw) in live(nodes).zip(raw) {
        assert_eq!(node.name.start, raw.span.start);
        assert_eq!(node.name.end, raw.span.end);
        assert!(tree.node_at(raw.span.start).is_some_and(|found| found.span == node.span));
        let arguments: Vec<_> = node.arguments().map(|entry| (entry.value.start, entry.value.end)).collect();
        let wanted: Vec<_> = raw.arguments.iter().map(|(_, span)| (span.start, span.end)).collect();
        assert_eq!(arguments, wanted, "{}", tree.text);
        let properties: Vec<_> = node.properties().map(|entry| (entry.start(), entry.value.end)).collect();
        let wanted: Vec<_> = raw.properties.iter().map(|property| (property.span.start, property.span.end)).collect();
        assert_eq!(properties, wanted, "{}", tree.text);
        for (start, _) in arguments.iter().chain(&properties) {
            assert!(node.entry_at(*start).is_some_and(|entry| !entry.disabled));
        }
        assert_eq!(node.children.is_some(), raw.children.is_some());
        if let (Some(block), Some(children)) = (&node.children, &raw.children) {
            agree(tree, &block.nodes, children);
        }
    }
}

/// All that must hold of a text the parser accepts.
fn keeps(text: &str, before: &[RawNode]) -> Result<(), TestCaseError> {
    let tree = Tree::new(text);
    prop_assert!(tree.sound);
    agree(&tree, &tree.nodes, before);
    let formatted = format(text);
    let after = parse(&formatted);
    prop_assert!(after.is_some(), "no KDL any more:\n{}", formatted);
    prop_assert!(same_meaning(before, &after.unwrap()), "another meaning:\n{}", formatted);
    prop_assert_eq!(comments(text), comments(&formatted));
    prop_assert_eq!(format(&formatted), formatted);
    Ok(())
}

/// Pieces that a text may break or go on with.
fn piece() -> impl Strategy<Value = String> {
    let known: &[&str] = &[
        "/-", "//", "/*", "*/", "{", "}", ";", "\\", "\\\n", "\n", "\r", "=", "\"", "\"\"\"\n", "#", "#\"", " ", "a",
        "1",
    ];
    prop_oneof![2 => prop::sample::select(known).prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_looks_change(text in written::roster()) {
        let before = parse(&text);
        prop_assert!(before.is_some(), "the generator wrote no KDL: {}", compile(&text).text());
        keeps(&text, &before.unwrap())?;
    }

    #[test]
    fn no_text_breaks_it(
        text in written::roster(), changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, piece()), 0..4)
    ) {
        let mut text = text;
        for (at, length, piece) in changes {
            let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let at = at.index(places.len());
            text.replace_range(places[at]..places[(at + length).min(places.len() - 1)], &piece);
        }
        let mut at = 0;
        for token in lex(&text) {
            prop_assert!(token.span.start == at && token.span.end > at);
            at = token.span.end;
        }
        prop_assert_eq!(at, text.len());
        let formatted = format(&text);
        match parse_exactly(&text) {
            Some(before) => keeps(&text, &before)?,
            None => prop_assert!(formatted == text || Tree::new(&text).sound),
        }
    }
}
