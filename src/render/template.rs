//! Tera, which only places marked texts.

use std::sync::LazyLock;

use tera::{Context, Tera};

use super::sink::{MARK, Marked};

/// Stands in the output where a template placed something that no sink rendered.
const UNMARKED: &str = "\u{2}unmarked\u{2}";

/// The embedded templates.
pub(super) const TEMPLATES: &[(&str, &str)] = &[
    ("agent.service", include_str!("../../templates/agent.service")),
    ("agent.env", include_str!("../../templates/agent.env")),
    ("fleet.slice", include_str!("../../templates/fleet.slice")),
    ("fleet.target", include_str!("../../templates/fleet.target")),
    ("supervisor.service", include_str!("../../templates/supervisor.service")),
    ("view.tmux", include_str!("../../templates/view.tmux")),
];

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES.iter().copied()).expect("the embedded templates are covered by a test");
    // Auto-escape for every name: the escape function is where the mark is checked and taken off.
    tera.autoescape_on(vec![""]);
    tera.set_escape_fn(|text| match text.strip_prefix(MARK) {
        Some(rest) => rest.to_owned(),
        None => UNMARKED.to_owned(),
    });
    tera
});

/// Values for one template.
#[derive(Debug, Default)]
pub(super) struct Values(Context);

impl Values {
    /// Places `value` at `name`.
    pub fn set(mut self, name: &str, value: &Marked) -> Self {
        self.put(name, value);
        self
    }

    /// Places `value` at `name`, in place.
    pub fn put(&mut self, name: &str, value: &Marked) {
        self.0.insert(name, value);
    }

    /// Places a list that the template walks.
    pub fn list(mut self, name: &str, values: &[Marked]) -> Self {
        self.0.insert(name, values);
        self
    }
}

impl Values {
    /// Places a list of lists.
    pub fn lists(mut self, name: &str, values: &[Vec<Marked>]) -> Self {
        self.0.insert(name, values);
        self
    }
}

/// Fills the template called `name`.
///
/// # Panics
/// When a template places an unmarked value or one that was not given: a mistake in fleet that any test of the
/// template shows.
pub(super) fn fill(name: &str, values: &Values) -> String {
    let text = TERA.render(name, &values.0).unwrap_or_else(|error| panic!("template {name}: {error:?}"));
    assert!(
        memchr::memmem::find(text.as_bytes(), UNMARKED.as_bytes()).is_none(),
        "template {name} places a value that no sink rendered"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a template could use to reach past the sinks.
    const REFUSED: &[&str] =
        &["get_env", "safe", "~", "default", "include", "import", "macro", "set ", "json_encode"];

    #[test]
    fn templates_use_nothing_that_reaches_past_the_sinks() {
        for (name, text) in TEMPLATES {
            for part in text.split("{{").skip(1).chain(text.split("{%").skip(1)) {
                let code = part.split(['}', '%']).next().unwrap();
                let bad = REFUSED.iter().find(|bad| code.contains(*bad));
                assert!(bad.is_none(), "{name} uses {bad:?} in {code:?}");
                assert!(!code.contains('|'), "{name} uses a filter in {code:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "no sink rendered")]
    fn an_unmarked_value_fails_the_render() {
        let mut values = Values::default().set("fleet", &super::super::sink::word("shop"));
        values.0.insert("description", "straight from the roster");
        fill("fleet.target", &values);
    }
}
