//! The whole compiler on any text: it ends, and all it has to say can be said.

#![no_main]

use fleet_fuzz::bytes::as_text;
use fleet_fuzz::checks;
use fleet_fuzz::compile::{compile, host};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let compiled = compile(&as_text(data), &host());
    checks::findings(&compiled.sources, &compiled.diagnostics, compiled.fleet.is_some());
});
