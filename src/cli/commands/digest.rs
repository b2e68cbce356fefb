//! `fleet digest`.

use crate::cli::args::{Digest as Args, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{sources, text};
use crate::cli::target;
use crate::cli::ui::Ui;
use crate::journal::digest::Digest;
use crate::plan::show::Paint;

pub fn run(ui: &Ui, global: &Global, args: &Args) -> Result<Exit, CliError> {
    let target = target::find_quietly(global)?;
    let clock = Clock::read();
    let since = clock.since(&args.since)?;
    let digest = sources::the_journal(&target)?.digest(since)?;
    if args.json {
        ui.out(&ui.json_line(&digest));
        return Ok(Exit::Ok);
    }
    ui.out(&shown(&digest, &clock, ui.paint()));
    if sources::status(&target).is_none() {
        ui.note("The supervisor does not answer: what went wrong without it is not counted.");
    }
    Ok(Exit::Ok)
}

fn shown(digest: &Digest, clock: &Clock, paint: Paint) -> String {
    let since = format!("since {} ({} ago)", clock.time(digest.since), clock.age(digest.since));
    if digest.lines.is_empty() {
        return format!("Nothing went wrong {since}.");
    }
    let names: Vec<String> = digest.lines.iter().map(|line| who(line.agent.as_deref())).collect();
    let wide = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let name = wide(&mut names.iter().map(|name| name.chars().count())).max(5);
    let rule = wide(&mut digest.lines.iter().map(|line| line.rule.chars().count())).max(4);
    let mut out = vec![
        format!("What went wrong {since}, the most frequent first:"),
        paint.dim(&format!("{:<name$}  {:<rule$}  {:>5}  {:>4}  THE LAST TIME", "AGENT", "RULE", "TIMES", "AGO")),
    ];
    for (who, line) in names.iter().zip(&digest.lines) {
        let (word, reason) = (text::line(&line.rule), text::line(&line.reason));
        out.push(format!("{who:<name$}  {word:<rule$}  {:>5}  {:>4}  {reason}", line.count, clock.age(line.last)));
    }
    out.push("`fleet why AGENT` tells how one of them came to it.".to_owned());
    out.join("\n")
}

fn who(agent: Option<&str>) -> String {
    agent.map_or_else(|| "the fleet".to_owned(), text::line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::looking::time::tests::noon;
    use crate::journal::digest::Line;

    #[test]
    fn trouble_is_a_table_and_none_is_said() {
        let clock = noon();
        let since = clock.now - 7_200_000;
        let paint = Paint { colour: false };
        assert_eq!(
            shown(&Digest { since, lines: vec![] }, &clock, paint),
            "Nothing went wrong since 12:00:00 (2h ago)."
        );
        let line = |agent: Option<&str>, rule: &str, count, reason: &str| Line {
            agent: agent.map(str::to_owned),
            rule: rule.to_owned(),
            count,
            last: clock.now - 60_000,
            reason: reason.to_owned(),
        };
        let lines = vec![line(Some("coder"), "restart", 12, "exit \u{7}3"), line(None, "clock", 1, "slept")];
        assert_eq!(
            shown(&Digest { since, lines }, &clock, paint),
            "What went wrong since 12:00:00 (2h ago), the most frequent first:\n\
             AGENT      RULE     TIMES   AGO  THE LAST TIME\n\
             coder      restart     12    1m  exit \\u{7}3\n\
             the fleet  clock        1    1m  slept\n\
             `fleet why AGENT` tells how one of them came to it."
        );
    }
}
