//! Bounds what a program can pile onto one cell: the model keeps every combining mark that it is sent, without end.

use alacritty_terminal::event::EventListener;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::Term;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::Processor;

use super::NoSync;

/// Most marks that stay on a cell. Written languages stack four; the flag of a region takes seven.
const MARKS_MAX: usize = 8;

/// Bytes outside ASCII that the model takes between two looks at the cell that they may pile up on.
const RUN: usize = 32;

/// Gives the model text in which no character is cut.
pub(super) fn advance<L: EventListener>(parser: &mut Processor<NoSync>, term: &mut Term<L>, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(ascii);
        if !plain.is_empty() {
            parser.advance(term, plain);
        }
        let (run, after) = after.split_at(run_length(after));
        if !run.is_empty() {
            // Before it: the cell may be one that the program has come back to.
            thin(term);
            parser.advance(term, run);
        }
        rest = after;
    }
}

/// Does what `CSI count b` does, for no more than a screenful: the model would repeat 65,535 times whatever the size is.
pub(super) fn repeat<L: EventListener>(
    parser: &mut Processor<NoSync>,
    term: &mut Term<L>,
    count: usize,
    most: usize,
) {
    if count > 0 {
        parser.advance(term, format!("\x1b[{}b", count.min(most)).as_bytes());
        // What is repeated may be a mark.
        thin(term);
    }
}

/// How many bytes at the start of `text` are outside ASCII, as far as one run goes.
fn run_length(text: &[u8]) -> usize {
    let length = text.iter().take(RUN).position(u8::is_ascii).unwrap_or(RUN.min(text.len()));
    if length < RUN || length == text.len() {
        return length;
    }
    // Not through a character.
    (1..=length).rev().find(|&end| !matches!(text[end], 0x80..=0xbf)).unwrap_or(length)
}

/// Takes the marks that are too many off the cell that the next one would be put on.
fn thin<L: EventListener>(term: &mut Term<L>) {
    let grid = term.grid_mut();
    let mut column = grid.cursor.point.column.0;
    if !grid.cursor.input_needs_wrap {
        column = column.saturating_sub(1);
    }
    let line = grid.cursor.point.line;
    let row = &mut grid[line];
    if row[Column(column)].flags.contains(Flags::WIDE_CHAR_SPACER) {
        column = column.saturating_sub(1);
    }
    let cell = &mut row[Column(column)];
    if cell.zerowidth().is_some_and(|marks| marks.len() > MARKS_MAX) {
        *cell = thinned(cell);
    }
}

fn thinned(cell: &Cell) -> Cell {
    let mut thin = Cell { extra: None, ..cell.clone() };
    thin.set_underline_color(cell.underline_color());
    for &mark in cell.zerowidth().unwrap_or_default().iter().take(MARKS_MAX) {
        thin.push_zerowidth(mark);
    }
    thin
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::{Model, Size};
    use super::*;

    fn shown(output: &str) -> Model {
        let mut model = Model::new(Size::new(10, 4), 0);
        model.feed(output.as_bytes(), Instant::now());
        model
    }

    fn most_marks(model: &Model) -> usize {
        let marks = |cell: &Cell| cell.zerowidth().map_or(0, <[char]>::len);
        model.term.grid().display_iter().map(|cell| marks(cell.cell)).max().unwrap()
    }

    #[test]
    fn marks_do_not_pile_up_however_they_come() {
        let marks = "\u{301}".repeat(1000);
        let few = MARKS_MAX + RUN;
        for output in [
            format!("x{marks}"),
            format!("漢{marks}"),
            format!("123456789x{marks}"),
            format!("\x1b[4;58:5:1mx{marks}"),
            // Coming back, with a character behind the marks so that each run ends on another cell.
            "x".to_owned() + &"\u{301}\u{302}漢\x1b[1;2H".repeat(1000),
            "x\u{301}".to_owned() + &"\x1b[999b".repeat(100),
        ] {
            let model = shown(&output);
            assert!(most_marks(&model) <= few, "{} marks after {output:.40?}", most_marks(&model));
        }
        let cell = shown(&format!("\x1b[4;58:5:1mx{marks}y")).term.grid()[alacritty_terminal::index::Line(0)]
            [Column(0)]
        .clone();
        assert!(cell.underline_color().is_some(), "only the marks go");
    }

    #[test]
    fn the_marks_of_real_texts_stay() {
        for text in ["e\u{301}\u{323}\u{308}", "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}"] {
            assert_eq!(shown(text).text().lines[0], text);
        }
    }

    #[test]
    fn a_character_is_repeated_for_a_screenful_at_most() {
        assert_eq!(shown("x\x1b[3b|").text().lines[0], "xxxx|");
        assert_eq!(shown("x\x1b[b|").text().lines[0], "xx|");
        assert_eq!(shown("x\x1b[0;7b|").text().lines[0], "xx|");
        assert_eq!(shown("x\x1b[?3b\x1b[3 b|").text().lines[0], "x|", "another sequence");
        let screenful = shown("x\x1b[39b").text().lines;
        for count in ["39", "40", "65535", "99999999999999999999"] {
            let lines = shown(&format!("x\x1b[{count}b")).text().lines;
            assert!(
                lines.iter().zip(&screenful).all(|(line, full)| line == full || line == "x"),
                "{count}: {lines:?}"
            );
        }
        assert_eq!(shown(&format!("x\x1b[{}9b|", "0".repeat(100))).text().lines[0], "x|", "nobody writes that");
    }
}
