//! The nearest known name.

/// Names that are compared with one that is not known.
const MOST_CANDIDATES: usize = 1_000;

/// The candidate that `word` most likely meant, if one is near enough to be worth saying.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let limit = match lower.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    // `environment` for `env`, `limit` for `limits`: a shared beginning says more than the distance.
    let begins = |candidate: &str| {
        let (short, long) = if candidate.len() < lower.len() { (candidate, &*lower) } else { (&*lower, candidate) };
        short.len() >= 3 && long.starts_with(short)
    };
    // Among more names than that nobody reads a list, and a slip of the finger is found by looking.
    let candidates: Vec<&str> = candidates.into_iter().take(MOST_CANDIDATES).collect();
    if let Some(found) = candidates.iter().find(|candidate| begins(candidate)) {
        return Some(found);
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?`, when something is near enough, else the list of what there is.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let mut all: Vec<_> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| format!("there is {}", list(&all)))
}

/// [`did_you_mean`] as a sentence that another one can follow.
#[must_use]
pub fn sentence<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let mut text = did_you_mean(word, candidates).unwrap_or_default();
    if !text.ends_with(['?', '.']) && !text.is_empty() {
        text.push('.');
    }
    text
}

/// `1 review`, `2 reviews`.
#[must_use]
pub fn count(number: impl Into<u64>, what: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `a`, `b` and `c`.
#[must_use]
pub fn list<T: std::fmt::Display>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(|word| format!("`{word}`")).collect();
            format!("{} and `{last}`", init.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_offered_and_far_is_not() {
        let names = ["orchestrator", "enhancer", "agent", "env"];
        assert_eq!(nearest("orchestartor", names), Some("orchestrator"));
        assert_eq!(nearest("Agent", names), Some("agent"));
        assert_eq!(nearest("envv", names), Some("env"));
        assert_eq!(nearest("enviroment", names), Some("env"));
        assert_eq!(nearest("zebra", names), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
