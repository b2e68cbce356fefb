//! The place in a script.

use crate::script::Step;

/// Gives the steps in the order in which they are done, with every `repeat` unrolled.
#[derive(Debug)]
pub struct Walk<'s> {
    stack: Vec<Level<'s>>,
}

#[derive(Debug)]
struct Level<'s> {
    steps: &'s [Step],
    next: usize,
    /// Rounds left after this one.
    rounds: u32,
}

impl<'s> Walk<'s> {
    /// Starts at the first of `steps`.
    pub fn new(steps: &'s [Step]) -> Self {
        Self { stack: vec![Level { steps, next: 0, rounds: 0 }] }
    }
}

impl<'s> Iterator for Walk<'s> {
    type Item = &'s Step;

    /// Never a `repeat`; `None` after the last step.
    fn next(&mut self) -> Option<&'s Step> {
        loop {
            let level = self.stack.last_mut()?;
            let steps = level.steps;
            match steps.get(level.next) {
                Some(Step::Repeat { times, steps }) => {
                    level.next += 1;
                    if let Some(rounds) = times.checked_sub(1)
                        && !steps.is_empty()
                    {
                        self.stack.push(Level { steps, next: 0, rounds });
                    }
                }
                Some(step) => {
                    level.next += 1;
                    return Some(step);
                }
                None if level.rounds > 0 => {
                    level.rounds -= 1;
                    level.next = 0;
                }
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_unroll_also_inside_each_other() {
        let print = |text: &str| Step::Print { text: text.to_owned() };
        let inner = Step::Repeat { times: 2, steps: vec![print("b")] };
        let never = Step::Repeat { times: 0, steps: vec![print("never")] };
        let empty = Step::Repeat { times: u32::MAX, steps: vec![] };
        let steps = [print("a"), Step::Repeat { times: 2, steps: vec![inner, never, empty, print("c")] }, Step::Wait];
        let texts: Vec<&str> = Walk::new(&steps)
            .map(|step| match step {
                Step::Print { text } => text.as_str(),
                _ => "wait",
            })
            .collect();
        assert_eq!(texts, ["a", "b", "b", "c", "b", "b", "c", "wait"]);
    }
}
