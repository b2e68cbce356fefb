//! Bytes → values. Hand-made rather than derived, so that one byte is mostly one letter: libFuzzer's dictionary and its
//! copying of parts then work on texts as they do on plain files, and seeds can be written by hand.

/// What a byte above 127 stands for: what means something in unit files, env files, tmux files, shells and terminals.
const PIECES: &[&str] = &[
    "%n",
    "%%",
    "%h",
    "%",
    "$HOME",
    "${HOME}",
    "$$",
    "$",
    "\\",
    "\\\\",
    "\\n",
    "\"",
    "'",
    "`",
    "#",
    "##",
    "#{pane_id}",
    "#[bold]",
    "#(",
    ")",
    ";",
    "\\;",
    " ; ",
    " ",
    "  ",
    "\t",
    "\n",
    "\\\n",
    "\nExecStart=/bin/false\n",
    "[Service]",
    "=",
    "-",
    "@",
    "+!",
    "~",
    "*",
    "é",
    "日本",
    "🚢",
    "e\u{301}",
    "\u{a0}",
    "\u{3000}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "\u{200b}",
    "\u{200d}",
    "\u{202e}",
    "\u{fdd0}",
    "\u{fdef}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1fffe}",
    "\u{10ffff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{ad}",
    "\u{85}",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{1}",
    "\u{2}unmarked\u{2}",
    "{{ fleet }}",
    "{% raw %}",
    "touch CANARY",
    "#(touch CANARY)",
    "$(touch CANARY)",
    "`touch CANARY`",
    "%1",
    "%Y",
    "&&",
    "||",
    "<>",
    "/",
    "//",
    "/./",
    "..",
    ":",
    ",",
    "0x",
    "infinity",
    "x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x-x",
    "                                        ",
    "日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日",
];

/// Stands in [`PIECES`] for the file that no command may touch.
const CANARY: &str = "CANARY";

pub struct Bytes<'a> {
    rest: &'a [u8],
    canary: &'a str,
}

impl<'a> Bytes<'a> {
    #[must_use]
    pub fn new(data: &'a [u8], canary: &'a str) -> Self {
        Self { rest: data, canary }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte; zero when there is none.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// A number of any size, often at an edge.
    pub fn number(&mut self) -> u64 {
        let shift = u32::from(self.below(64));
        let base = 1_u64 << shift;
        match self.below(8) {
            0 => base,
            1 => base - 1,
            2 => base + 1,
            3 => u64::MAX >> shift,
            4 => (u64::MAX >> shift) - 1,
            5 => u64::from(self.byte()),
            6 => u64::from(self.byte()) << 20,
            _ => (base | u64::from(self.byte())).saturating_mul(1000),
        }
    }

    /// A text up to the next byte zero.
    pub fn text(&mut self) -> String {
        let mut out = String::new();
        loop {
            match self.byte() {
                0 => return out,
                byte if byte.is_ascii() => out.push(char::from(byte)),
                byte => {
                    let piece = PIECES[usize::from(byte & 0x7f) % PIECES.len()];
                    out.push_str(&piece.replace(CANARY, self.canary));
                }
            }
        }
    }
}

/// What libFuzzer made, as a roster. Mutations break characters all the time; the rest of the text is good all the same.
#[must_use]
pub fn as_text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}
