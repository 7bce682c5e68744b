#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| outpace_fuzz::sip_response(input));
