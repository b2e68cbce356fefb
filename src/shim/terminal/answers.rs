//! What the agent's terminal says of itself when a program asks. Anything not here stays unanswered, as on many real
//! terminals; the agent CLIs tried go on without.

use alacritty_terminal::event::{Event, EventListener, WindowSize};
use alacritty_terminal::term::Term;
use alacritty_terminal::vte::ansi::{NamedColor, Rgb};

use super::Size;
use super::scan::Query;

/// Name and version, for XTVERSION.
const VERSION: &str = "\x1bP>|fleet(0.1)\x1b\\";

/// The size of a cell in pixels that programs are told. There are no pixels: it only has to make sense.
const CELL: (u16, u16) = (8, 16);

const FOREGROUND: Rgb = Rgb { r: 0xd8, g: 0xd8, b: 0xd8 };
/// Dark: agents choose their theme by it.
const BACKGROUND: Rgb = Rgb { r: 0x18, g: 0x18, b: 0x18 };

/// The sixteen base colours (those of xterm).
const BASE: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

/// The answer to a query that the model does not know.
pub(super) fn to_query(query: &Query<'_>) -> Vec<u8> {
    match query {
        Query::Version => VERSION.as_bytes().to_vec(),
        Query::CellSize => format!("\x1b[6;{};{}t", CELL.1, CELL.0).into_bytes(),
        Query::ColorScheme => b"\x1b[?997;1n".to_vec(),
        // "No such entry" and "no such setting": both make a program use what TERM says.
        Query::Termcap(_) => b"\x1bP0+r\x1b\\".to_vec(),
        Query::Setting(_) => b"\x1bP0$r\x1b\\".to_vec(),
    }
}

/// The answer that the model started and the terminal has to finish.
pub(super) fn to_event<T: EventListener>(event: Event, term: &Term<T>, size: Size) -> Vec<u8> {
    let text = match event {
        Event::PtyWrite(text) => text,
        Event::ColorRequest(index, format) => match term.colors()[index].or_else(|| color(index)) {
            Some(rgb) => format(rgb),
            None => return Vec::new(),
        },
        Event::TextAreaSizeRequest(format) => format(WindowSize {
            num_lines: size.rows,
            num_cols: size.columns,
            cell_width: CELL.0,
            cell_height: CELL.1,
        }),
        _ => return Vec::new(),
    };
    text.into_bytes()
}

/// The default of a colour that no program has set.
fn color(index: usize) -> Option<Rgb> {
    let (r, g, b) = match index {
        0..=15 => BASE[index],
        16..=231 => {
            // A cube of six steps a side.
            let step = |n: usize| u8::try_from(if n == 0 { 0 } else { 55 + 40 * n }).unwrap_or(u8::MAX);
            let n = index - 16;
            (step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        232..=255 => {
            let grey = u8::try_from(8 + 10 * (index - 232)).unwrap_or(u8::MAX);
            (grey, grey, grey)
        }
        _ if index == NamedColor::Background as usize => return Some(BACKGROUND),
        _ if index == NamedColor::Foreground as usize || index == NamedColor::Cursor as usize => {
            return Some(FOREGROUND);
        }
        _ => return None,
    };
    Some(Rgb { r, g, b })
}

#[cfg(test)]
mod tests {
    use super::super::{Model, Size};

    fn answers(output: &[u8]) -> String {
        let mut model = Model::new(Size::new(80, 24), 0);
        model.feed(output, std::time::Instant::now());
        String::from_utf8(model.take_answers()).unwrap().replace('\x1b', "ESC")
    }

    #[test]
    fn eleven_queries_in_one_write_are_answered_in_order() {
        let got = answers(
            b"\x1b[>q\x1b[c\x1b[6n\x1b]11;?\x07\x1b[16t\x1bP+q544e\x1b\\\x1b[?2026$p\x1b[5n\x1b]4;1;?\x1b\\\x1bP$qm\x1b\\\x1b[?996n",
        );
        assert_eq!(
            got,
            "ESCP>|fleet(0.1)ESC\\ESC[?6cESC[1;1RESC]11;rgb:1818/1818/1818\x07ESC[6;16;8tESCP0+rESC\\ESC[?2026;2$yESC[0n\
             ESC]4;1;rgb:cdcd/0000/0000ESC\\ESCP0$rESC\\ESC[?997;1n"
        );
    }

    #[test]
    fn what_is_not_known_stays_unanswered() {
        assert_eq!(
            answers(b"\x1b[?u\x1b_Gi=1;AAAA\x1b\\\x1b]99;i=1;x\x1b\\\x1b]13;?\x1b\\\x1b[=c\x1b]52;c;?\x07"),
            ""
        );
    }

    #[test]
    fn a_colour_that_the_program_set_is_the_one_it_is_told() {
        assert_eq!(answers(b"\x1b]11;rgb:ff/00/7f\x1b\\\x1b]11;?\x1b\\"), "ESC]11;rgb:ffff/0000/7f7fESC\\");
        assert_eq!(
            answers(b"\x1b]4;232;?;16;?\x07"),
            "ESC]4;232;rgb:0808/0808/0808\x07ESC]4;16;rgb:0000/0000/0000\x07"
        );
    }
}
