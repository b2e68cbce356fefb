//! The canary's `script`.

use crate::roster::check::Node;
use crate::script::Step;

pub(super) fn steps(nodes: &[Node]) -> Vec<Step> {
    nodes.iter().filter_map(step).collect()
}

fn step(node: &Node) -> Option<Step> {
    let text = || node.text(0).map(|text| text.value);
    let ms = || node.amount(0).map(|amount| amount.value);
    let property_ms = |name| node.property_amount(name).map(|amount| amount.value);
    Some(match node.spec.name {
        "print" => Step::Print { text: text()? },
        "beat" => Step::Beat { every_ms: property_ms("every")?, for_ms: property_ms("for")? },
        "busy" => Step::Busy { ms: ms()? },
        "spin" => Step::Spin { ms: ms()? },
        "child" => Step::Child { ms: ms()? },
        "ask" => Step::Ask { text: text()? },
        "limit" => Step::Limit { reset_ms: property_ms("reset")? },
        "fatal" => Step::Fatal { text: text()? },
        "repeat" => Step::Repeat { times: u32::try_from(node.integer(0)?).ok()?, steps: steps(&node.children) },
        "hang" => Step::Hang,
        "ignore" => Step::Ignore { signal: text()? },
        "wait" => Step::Wait,
        "exit" => Step::Exit { code: u8::try_from(node.integer(0)?).ok()? },
        "die" => Step::Die { signal: text()? },
        _ => return None,
    })
}
