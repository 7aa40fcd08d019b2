//! Any bytes in any framing and format: see `check::check`.
//!
//! The last three bytes choose the form, so that any log is a seed as it is.
#![no_main]

#[path = "../../crates/edgetally-core/tests/decoding/check.rs"]
mod check;

use check::{Form, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((log, form)) = data.split_last_chunk() {
        check(log, &Form::of(*form));
    }
});
