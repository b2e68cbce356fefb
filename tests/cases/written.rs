//! Random rosters as people write them, and worse: every way that KDL has to write a node.

use proptest::prelude::*;

fn one_of(texts: &[&'static str]) -> BoxedStrategy<String> {
    proptest::sample::select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).boxed()
}

/// Blanks and block comments.
fn blank() -> BoxedStrategy<String> {
    prop_oneof![
        8 => Just(" ".to_owned()),
        1 => one_of(&["  ", "\t", "\u{3000}", " /* grün */ ", "/* a /* } */ { */", " /* one\n   two */ ", "/**/", " /* x\r\n y */"]),
    ].boxed()
}

/// A line end. Only after something that is no comment may it be one that the scan does not know.
fn end() -> BoxedStrategy<String> {
    prop_oneof![12 => Just("\n".to_owned()), 4 => Just("\r\n".to_owned())].boxed()
}

fn odd_end() -> BoxedStrategy<String> {
    prop_oneof![12 => end(), 1 => one_of(&["\r", "\u{2028}"])].boxed()
}

fn line_comment() -> BoxedStrategy<String> {
    (one_of(&["// remark", "//", "//tight  ", "// } { \" /* 日本", "// a; b  \t", "// /- \\", "//// \u{a0}x"]), end())
        .prop_map(|(comment, end)| format!("{comment}{end}"))
        .boxed()
}

/// At least one blank, or a line that goes on.
fn space() -> BoxedStrategy<String> {
    // No CR alone: with the LF of what follows it would be one line end.
    let rest = prop_oneof![3 => end(), 1 => one_of(&["\u{2028}"]), 1 => line_comment()];
    let continued = (blank(), option(blank()), rest, option(blank()))
        .prop_map(|(before, inside, rest, after)| format!("{before}\\{inside}{rest}{after}"));
    prop_oneof![12 => blank(), 1 => continued].boxed()
}

fn option(strategy: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    proptest::option::weighted(0.3, strategy).prop_map(Option::unwrap_or_default).boxed()
}

fn name() -> BoxedStrategy<String> {
    prop_oneof![
        6 => one_of(&["agent", "a-b", "größe", "x2", "日本"]),
        1 => one_of(&["\"two words\"", "\"\"", "#\"raw\"#", "\"\\u{41}\""]),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<String> {
    let quoted = one_of(&[
        "\"text\"",
        "\"a \\\" { // \\\\ } ; /* \"",
        "\"\\n\\u{1F6A2} \\s\"",
        "\"folded \\\n      text\"",
        "\"\"",
        "\"日本\"",
    ]);
    let raw = one_of(&["#\"a\\b \"c\" } //\"#", "##\"x\"#y\"##", "#\"\"#", "#\"\"two\"#"]);
    let lines = one_of(&[
        "\"\"\"\n    one\n      two\n\n    \\u{41} \\\" \\\n    three\n    \"\"\"",
        "\"\"\"\r\n\tone // {\r\n\r\n\ttwo; \"\" }\r\n\t\"\"\"",
        "\"\"\"\nflush\n\"\"\"",
        "\"\"\"\n\"\"\"",
        "#\"\"\"\n  raw \\ \"\"\" no\n    deep\n  \"\"\"#",
        "\"\"\"\n  old\r\r\n  mac\u{2028}  line\n  \"\"\"",
    ]);
    prop_oneof![
        4 => quoted,
        2 => raw,
        2 => lines,
        2 => one_of(&["1", "-17", "1_000", "0x1f", "1.5e3", "+0.25"]),
        2 => one_of(&["#true", "#false", "#null", "#-inf", "#nan"]),
        3 => one_of(&["bare", "größe-2", "日本"]),
    ]
    .boxed()
}

fn entry() -> BoxedStrategy<String> {
    let property = (name(), option(space()), option(space()), value())
        .prop_map(|(name, before, after, value)| format!("{name}{before}={after}{value}"));
    prop_oneof![3 => value(), 2 => property].boxed()
}

/// `/-` and what may stand behind it.
fn slashdash() -> BoxedStrategy<String> {
    let between = prop_oneof![4 => blank(), 1 => odd_end(), 1 => line_comment()];
    option(between).prop_map(|between| format!("/-{between}")).boxed()
}

fn entries() -> BoxedStrategy<String> {
    let disabled = (slashdash(), entry()).prop_map(|(slashdash, entry)| format!("{slashdash}{entry}"));
    let twice = (slashdash(), slashdash(), entry(), space(), entry(), space(), entry())
        .prop_map(|(one, two, a, space, b, more, c)| format!("{one}{two}{a}{space}{b}{more}{c}"));
    let any = prop_oneof![8 => entry(), 2 => disabled, 1 => twice];
    proptest::collection::vec((space(), any), 0..4)
        .prop_map(|entries| entries.into_iter().map(|(space, entry)| format!("{space}{entry}")).collect())
        .boxed()
}

/// A node up to its terminator, with blocks made by `inner`.
fn node(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let block = inner.prop_map(|nodes| format!("{{{nodes}}}"));
    let disabled = (space(), slashdash(), block.clone())
        .prop_map(|(space, mark, block)| format!("{space}{mark}{block}"))
        .boxed();
    let blocks = prop_oneof![
        4 => Just(String::new()),
        4 => (option(space()), block.clone()).prop_map(|(space, block)| format!("{space}{block}")),
        1 => (space(), block, disabled.clone()).prop_map(|(space, block, disabled)| format!("{space}{block}{disabled}")),
        1 => disabled,
    ];
    (name(), entries(), blocks).prop_map(|(name, entries, blocks)| format!("{name}{entries}{blocks}")).boxed()
}

/// Nodes with their terminators, comments and blank lines, as they fill a block or a file.
fn nodes(node: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let ended = (
        option(blank()),
        node.clone(),
        option(space()),
        prop_oneof![
            5 => odd_end(),
            3 => Just(";".to_owned()),
            2 => line_comment()
        ],
    )
        .prop_map(|(before, node, after, end)| format!("{before}{node}{after}{end}"));
    // KDL takes no semicolon behind a disabled node.
    let disabled = (slashdash(), node.clone(), option(blank()), prop_oneof![odd_end(), line_comment()])
        .prop_map(|(mark, node, after, end)| format!("{mark}{node}{after}{end}"));
    let filler = prop_oneof![
        odd_end(),
        line_comment(),
        (option(blank()), end()).prop_map(|(blank, end)| format!("{blank}{end}")),
    ];
    let item = prop_oneof![6 => ended, 1 => disabled, 3 => filler];
    let in_line =
        (proptest::collection::vec(node.clone(), 0..3), any::<bool>(), blank()).prop_map(|(nodes, ended, blank)| {
            let end = if ended && !nodes.is_empty() { ";" } else { "" };
            format!("{blank}{}{end}{blank}", nodes.join("; "))
        });
    let last = proptest::option::of(node).prop_map(Option::unwrap_or_default);
    prop_oneof![
        1 => in_line,
        2 => (option(blank()), proptest::collection::vec(item, 0..6), last)
            .prop_map(|(before, items, last)| format!("{before}{}{last}", items.concat())),
    ]
    .boxed()
}

/// A text that the parser accepts.
pub fn roster() -> BoxedStrategy<String> {
    let flat = node(Just(" ".to_owned()).boxed());
    let deep = flat.prop_recursive(3, 24, 4, |inner| node(nodes(inner))).boxed();
    (option(Just("\u{feff}".to_owned())), nodes(deep)).prop_map(|(mark, nodes)| format!("{mark}{nodes}")).boxed()
}
