#![no_main]

#[path = "../../../crates/mcp/tests/corpora/message.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));
