//! What stands before the parser, and what works on a roster as it was written, on any text.

#![no_main]

use fleet_fuzz::bytes::as_text;
use fleet_fuzz::checks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    checks::syntax(&as_text(data));
});
