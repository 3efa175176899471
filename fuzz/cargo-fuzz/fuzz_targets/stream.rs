//! `stream` of `colibri-fuzz` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(target) = colibri_fuzz::targets::find("stream") {
        (target.run)(data);
    }
});
