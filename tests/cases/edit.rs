//! Edits of one place: what they make of a text, and that they mean only what they say.

use fleet::diagnostic::{Diagnostics, FileId};
use fleet::roster::document::{self, RawNode, RawValue};
use fleet::roster::syntax::edit::{self, Edit, apply, quote};
use fleet::roster::syntax::format::same_meaning;
use fleet::roster::syntax::tree::{Node, Tree};
use proptest::prelude::*;

use super::written;

fn parse(text: &str) -> Option<Vec<RawNode>> {
    document::parse(text, FileId(0), &mut Diagnostics::default()).map(|document| document.nodes)
}

/// The nodes that count, outer before inner, each with its way down from the top.
fn all<'a>(nodes: &'a [Node], way: &[usize], found: &mut Vec<(Vec<usize>, &'a Node)>) {
    for (index, node) in nodes.iter().filter(|node| node.slashdash.is_none()).enumerate() {
        let way = [way, &[index]].concat();
        found.push((way.clone(), node));
        if let Some(block) = &node.children {
            all(&block.nodes, &way, found);
        }
    }
}

fn named<'a>(tree: &'a Tree, name: &str) -> &'a Node {
    let mut found = Vec::new();
    all(&tree.nodes, &[], &mut found);
    found.into_iter().map(|(_, node)| node).find(|node| node.name.of(tree.text) == name).expect("no such node")
}

/// Applies what `change` says about the node called `b`.
#[track_caller]
fn edits(before: &str, change: impl Fn(&Tree, &Node) -> Edit, after: &str) {
    let tree = Tree::new(before);
    let edit = change(&tree, named(&tree, "b"));
    assert_eq!(apply(before, &[edit]), after, "from {before:?}");
    assert!(parse(after).is_some(), "no KDL any more: {after:?}");
}

#[test]
fn a_node_goes_with_its_lines_and_comments() {
    let removed = |before: &str, after: &str| edits(before, edit::remove_node, after);
    removed("a\nb 1 // x\nc\n", "a\nc\n");
    removed("a // x\n// y\n  /* z */\nb {\n  d\n}\nc\n", "a // x\nc\n");
    removed("a\n\n// y\nb\n\nc\n", "a\n\nc\n");
    removed("// of the file\n\n// y\nb\n\nc\n", "// of the file\n\nc\n");
    removed("a\n\nb\n", "a\n");
    removed("a\nb", "a\n");
    removed("\u{feff}b\r\n\r\nc\r\n", "\u{feff}c\r\n");
    removed("a {\r\n\tc\r\n\r\n\tb\r\n}\r\n", "a {\r\n\tc\r\n}\r\n");
    removed("a {\n    b\n\n    c\n}\n", "a {\n    c\n}\n");
    removed("a {\n    b\n}\n", "a {\n}\n");
    removed("a\nb \\\n  1 \\ // x\n\nc\n", "a\nc\n");
}

#[test]
fn a_node_that_shares_its_line_goes_alone() {
    let removed = |before: &str, after: &str| edits(before, edit::remove_node, after);
    removed("a { b; c }\n", "a { c }\n");
    removed("a { c; b }\n", "a { c }\n");
    removed("a { c; b; }\n", "a { c; }\n");
    removed("a { c; b; d }\n", "a { c; d }\n");
    removed("a { b }\n", "a { }\n");
    removed("a {b}\n", "a {}\n");
    removed("a { c; /* x */ b }\n", "a { c; /* x */ }\n");
    removed("a { c; b; /-d }\n", "a { c; /-d }\n");
    removed("// x\na; b // y\n", "// x\na // y\n");
    removed("// x\nb; a // y\n", "// x\na // y\n");
    removed("a { b // x\n c\n}\n", "a { // x\n c\n}\n");
}

#[test]
fn entries_go_with_the_blank_before_them() {
    let removed = |before: &str, number: usize, after: &str| {
        edits(before, |tree, node| edit::remove_entry(tree, node, &node.entries[number]), after);
    };
    removed("b 1 2 3 // x\n", 0, "b 2 3 // x\n");
    removed("b 1 2  3 // x\n", 2, "b 1 2 // x\n");
    removed("b 1 p = 2{ c }\n", 1, "b 1 { c }\n");
    removed("b 1 p=2 { c }\n", 1, "b 1 { c }\n");
    removed("b 1 \\\n  2\nc", 1, "b 1\nc");
    removed("b 1 \\\n  2 3", 1, "b 1 \\\n  3");
    removed("b 1 /* x */ 2\nc", 1, "b 1 /* x */\nc");
}

#[test]
fn a_value_is_replaced_in_its_place() {
    let replace = |_: &Tree, node: &Node| edit::replace_value(&node.entries[0], &quote("n \"e\"\n\u{1b}\u{2028}\\w"));
    edits("b /- 1 2", replace, "b /- \"n \\\"e\\\"\\n\\u{1b}\\u{2028}\\\\w\" 2");
    edits("b p = #\"o\"# 2", replace, "b p = \"n \\\"e\\\"\\n\\u{1b}\\u{2028}\\\\w\" 2");
}

#[test]
fn children_are_put_behind_the_others() {
    let append = |before: &str, after: &str| edits(before, |tree, node| edit::append_child(tree, node, "x 1"), after);
    append("b 1 // y\nc\n", "b 1 {\n    x 1\n} // y\nc\n");
    append("a {\r\n\tb\r\n}\r\n", "a {\r\n\tb {\r\n\t    x 1\r\n\t}\r\n}\r\n");
    append("a { b; c }", "a { b; c }".replace("b;", "b { x 1 };").as_str());
    append("a { c; b {} }", "a { c; b { x 1 } }");
    append("b {}\n", "b {\n    x 1\n}\n");
    append("b {\n}\n", "b {\n    x 1\n}\n");
    append("b { c }\n", "b { c; x 1 }\n");
    append("b { c; }\n", "b { c; x 1; }\n");
    append("b { /-c }\n", "b { /-c\n    x 1\n}\n");
    append("b { /* y */ }\n", "b { /* y */\n    x 1\n}\n");
    append("  b {\n    c // y\n  }\n", "  b {\n    c // y\n      x 1\n  }\n");
    append("b {\n    c\n    // y\n}\n", "b {\n    c\n    // y\n    x 1\n}\n");
    append("b {\n    c }\n", "b {\n    c\n    x 1\n}\n");
    append("b {\n    c \\ // y\n}\n", "b {\n    c \\ // y\n\n    x 1\n}\n");
    let lines = |tree: &Tree, node: &Node| edit::append_child(tree, node, "x \"\"\"\n  t\n\n  \"\"\" {\n    y\n}\n");
    edits("b {\n}", lines, "b {\n    x \"\"\"\n      t\n\n      \"\"\" {\n        y\n    }\n}");
    edits("b { c }", lines, "b { c\n    x \"\"\"\n      t\n\n      \"\"\" {\n        y\n    }\n}");
}

#[test]
fn nodes_are_put_behind_others_with_a_blank_line() {
    let insert =
        |before: &str, after: &str| edits(before, |tree, node| edit::insert_after(tree, node, "// y\nx"), after);
    insert("b // z\n\nc\n", "b // z\n\n// y\nx\n\nc\n");
    insert("b\nc\n", "b\n\n// y\nx\n\nc\n");
    insert("b; c {\n}\nd\n", "b; c {\n}\n\n// y\nx\n\nd\n");
    insert("b\r\n\r\n\r\n", "b\r\n\r\n// y\r\nx\r\n");
    insert("b", "b\n\n// y\nx\n");
    let append = |before: &str, after: &str| {
        assert_eq!(apply(before, &[edit::append_node(&Tree::new(before), "x\n")]), after);
    };
    append("", "x\n");
    append("\u{feff}\n", "\u{feff}x\n");
    append("a // z\n\n\n", "a // z\n\nx\n");
    append("a \\", "a \\\n\nx\n");
}

#[test]
fn edits_apply_together() {
    let insert = |at, text: &str| Edit { start: at, end: at, text: text.to_owned() };
    let swap = Edit { start: 1, end: 2, text: "-".to_owned() };
    assert_eq!(apply("abc", &[insert(3, "!"), swap.clone(), insert(1, "1"), insert(1, "2")]), "a12-c!");
    let overlap = std::panic::catch_unwind(|| apply("abc", &[swap, Edit { start: 0, end: 3, text: String::new() }]));
    assert!(overlap.is_err(), "overlapping edits were applied");
}

/// The siblings at the end of `way`, and the node's number among them.
fn siblings<'a>(nodes: &'a mut Vec<RawNode>, way: &[usize]) -> (&'a mut Vec<RawNode>, usize) {
    match way {
        [last] => (nodes, *last),
        [first, rest @ ..] => siblings(nodes[*first].children.as_mut().unwrap(), rest),
        [] => panic!("no way"),
    }
}

const CHILDREN: &[&str] = &["x", "x \"a\" p=1", "// y\nx {\n    y \"\"\"\n  t\n\n  u\n  \"\"\"\n}\n"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_means_what_it_says(
        text in written::roster(), which in any::<prop::sample::Index>(), entry in any::<prop::sample::Index>(),
        child in prop::sample::select(CHILDREN)
    ) {
        let tree = Tree::new(&text);
        let document = parse(&text).unwrap();
        let means = |edit: &Edit, wanted: &[RawNode]| {
            let after = apply(&text, std::slice::from_ref(edit));
            let found = parse(&after);
            prop_assert!(found.as_ref().is_some_and(|found| same_meaning(found, wanted)), "{:?}:\n{}", edit, after);
            Ok(())
        };
        let added = parse(child).unwrap();
        let blank = |edit: &Edit| text[edit.start..edit.end].trim_start_matches('\u{feff}').trim().is_empty();
        let edit = edit::append_node(&tree, child);
        prop_assert!(blank(&edit));
        means(&edit, &[&document[..], &added].concat())?;

        let mut found = Vec::new();
        all(&tree.nodes, &[], &mut found);
        prop_assume!(!found.is_empty());
        let (way, node) = &found[which.index(found.len())];

        let mut wanted = document.clone();
        let (nodes, index) = siblings(&mut wanted, way);
        nodes.remove(index);
        let edit = edit::remove_node(&tree, node);
        means(&edit, &wanted)?;
        // No comment goes that stands before the node's own.
        let own = node.comment.unwrap_or(node.span).start;
        let before = text.get(edit.start..own).unwrap_or_default();
        prop_assert!(before.chars().all(|c| c == ';' || c == '\u{feff}' || c.is_whitespace()), "{:?}", before);

        let mut wanted = document.clone();
        let (nodes, index) = siblings(&mut wanted, way);
        nodes[index].children.get_or_insert_default().extend(added.clone());
        let edit = edit::append_child(&tree, node, child);
        prop_assert!(blank(&edit));
        means(&edit, &wanted)?;

        if let [index] = way[..] {
            let edit = edit::insert_after(&tree, node, child);
            prop_assert!(blank(&edit));
            // Behind the node, or behind what shares its line.
            let fits = (index + 1..=document.len()).any(|at| {
                let wanted = [&document[..at], &added, &document[at..]].concat();
                means(&edit, &wanted).is_ok()
            });
            prop_assert!(fits, "{:?}", edit);
        }

        let arguments: Vec<_> = node.arguments().collect();
        if !arguments.is_empty() {
            let number = entry.index(arguments.len());
            let mut wanted = document.clone();
            let (nodes, index) = siblings(&mut wanted, way);
            nodes[index].arguments[number].0 = RawValue::Text(text.clone());
            means(&edit::replace_value(arguments[number], &quote(&text)), &wanted)?;
            let (nodes, index) = siblings(&mut wanted, way);
            nodes[index].arguments.remove(number);
            means(&edit::remove_entry(&tree, node, arguments[number]), &wanted)?;
        }
        let properties: Vec<_> = node.properties().collect();
        if !properties.is_empty() {
            let number = entry.index(properties.len());
            let mut wanted = document.clone();
            let (nodes, index) = siblings(&mut wanted, way);
            nodes[index].properties.remove(number);
            means(&edit::remove_entry(&tree, node, properties[number]), &wanted)?;
        }
    }

    #[test]
    fn quoted_texts_are_read_back(text in any::<String>()) {
        let nodes = parse(&format!("a {}", quote(&text)));
        prop_assert!(nodes.is_some_and(|nodes| nodes[0].arguments[0].0 == RawValue::Text(text.clone())));
    }
}
