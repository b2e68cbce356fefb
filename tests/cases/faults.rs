//! The syntax check and `kdl` agree on what is KDL.

use fleet::diagnostic::{Diagnostics, FileId, Span};
use fleet::roster::document::{self, RawNode, RawValue};
use fleet::roster::syntax::faults::faults;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is right is not complained about.
    #[test]
    fn right_texts_have_no_faults(text in super::written::roster()) {
        prop_assert!(faults(&text).is_empty(), "{text}\n{:?}", faults(&text));
    }
}

/// What `kdl` itself says of each node, argument and property, and the place of it.
fn places(document: &kdl::KdlDocument, found: &mut Vec<(String, usize, usize)>) {
    for node in document.nodes() {
        let mut add = |what: String, span: miette::SourceSpan| {
            found.push((what, span.offset(), span.offset() + span.len()));
        };
        let value = |value: &kdl::KdlValue| value.as_string().map_or_else(|| "no text".to_owned(), str::to_owned);
        add(node.name().value().to_owned(), node.name().span());
        for entry in node.entries().iter().filter(|entry| entry.name().is_none()) {
            add(value(entry.value()), entry.span());
        }
        for (name, entry) in node.entries().iter().filter_map(|entry| Some((entry.name()?, entry))) {
            add(name.value().to_owned(), name.span());
            add(value(entry.value()), entry.span());
        }
        if let Some(children) = node.children() {
            places(children, found);
        }
    }
}

/// The same of what fleet read.
fn places_read(nodes: &[RawNode], found: &mut Vec<(String, usize, usize)>) {
    let value = |value: &RawValue| match value {
        RawValue::Text(text) => text.clone(),
        _ => "no text".to_owned(),
    };
    for node in nodes {
        let mut add = |what: String, span: Span| found.push((what, span.start, span.end));
        add(node.name.clone(), node.span);
        for (argument, span) in &node.arguments {
            add(value(argument), *span);
        }
        for property in &node.properties {
            add(property.name.clone(), property.name_span);
            add(value(&property.value), property.span);
        }
        places_read(node.children.as_deref().unwrap_or_default(), found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is left out before `kdl` reads a text changes neither what it says nor where.
    #[test]
    fn nothing_is_lost_or_moved_on_the_way_to_the_parser(text in super::written::roster()) {
        let Ok(whole) = kdl::KdlDocument::parse_v2(&text) else { return Ok(()) };
        let mut diagnostics = Diagnostics::default();
        let Some(read) = document::parse(&text, FileId(0), &mut diagnostics) else { return Ok(()) };
        prop_assume!(diagnostics.is_empty());
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        places(&whole, &mut expected);
        places_read(&read.nodes, &mut found);
        prop_assert_eq!(found, expected);
    }
}

/// What has no fault is parsed: `kdl` is never asked about a text with a mistake in it.
#[test]
fn what_has_no_fault_is_kdl() {
    let pieces = [
        "a",
        "\"b\"",
        "#\"r\"#",
        "1",
        "-0x1f",
        "#true",
        "=",
        " ",
        " ",
        "\n",
        ";",
        "{",
        "}",
        "/-",
        "\\\n",
        "// c\n",
        "/*c*/",
        "\"\\n\"",
        "\"\\q\"",
        "1.5.2",
        ".5",
        ",",
        "\"\"\"\n  x\n  \"\"\"",
        "\"\"\"\n x\n  \"\"\"",
        "é",
        "#yes",
        "k=",
        "k=2",
        "\u{feff}",
    ];
    let mut seed: u64 = 7;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..30_000 {
        let text: String = (0..=next(9)).map(|_| pieces[next(pieces.len())]).collect();
        // What the scan refuses or masks never gets here.
        let mut diagnostics = Diagnostics::default();
        let passed = fleet::roster::scan::scan(&text, FileId(0), &mut diagnostics).is_some();
        if !passed || !diagnostics.is_empty() {
            continue;
        }
        let parsed = kdl::KdlDocument::parse_v2(&text);
        let found = faults(&text);
        // `kdl` takes `#true/-x` and refuses `"a"/-x`; the check asks for a blank before every `/-`.
        let only_touches = found.iter().all(|fault| fault.message.contains("touches"));
        let agree = parsed.is_ok() == found.is_empty() || (parsed.is_ok() && only_touches);
        assert!(agree, "{text:?}\n{found:?}\n{:?}", parsed.err().map(|e| e.diagnostics));
        if found.is_empty() { right += 1 } else { wrong += 1 }
    }
    assert!(right > 1_000 && wrong > 1_000, "{right} right, {wrong} wrong");
}
