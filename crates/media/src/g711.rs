//! G.711: A-law and µ-law, to and from 16 bit linear, and straight from one law to the other.
//!
//! Source: ITU-T G.711 (11/88), tables 1 and 2. Linear values are scaled to 16 bits as in G.191: A-law's 13 bits are shifted
//! left by 3, µ-law's 14 bits by 2.

/// A-law silence: the positive code next to zero.
pub const ALAW_SILENCE: u8 = 0xd5;
/// µ-law silence: positive zero.
pub const ULAW_SILENCE: u8 = 0xff;

const ULAW_BIAS: i32 = 132;
const ULAW_CLIP: i32 = 32_635;

/// What each A-law code stands for.
pub static ALAW_LINEAR: [i16; 256] = alaw_linear();
/// What each µ-law code stands for.
pub static ULAW_LINEAR: [i16; 256] = ulaw_linear();
static ALAW_ULAW: [u8; 256] = alaw_ulaw();
static ULAW_ALAW: [u8; 256] = ulaw_alaw();

/// One 16 bit sample as an A-law code.
pub const fn alaw_encode(sample: i16) -> u8 {
    // Ones' complement folds the negative half, so that the two halves have codes of equal width.
    let (sign, folded) = if sample >= 0 { (0x80, sample) } else { (0, !sample) };
    let magnitude = (folded >> 4) as u16;
    let code = if magnitude < 32 {
        magnitude as u8
    } else {
        let segment = 12 - magnitude.leading_zeros();
        ((segment as u8) << 4) | ((magnitude >> (segment - 1)) & 15) as u8
    };
    (sign | code) ^ 0x55
}

/// One 16 bit sample as a µ-law code.
pub const fn ulaw_encode(sample: i16) -> u8 {
    let wide = sample as i32;
    let (sign, folded) = if wide >= 0 { (0, wide) } else { (0x80, -wide) };
    let clipped = if folded > ULAW_CLIP { ULAW_CLIP } else { folded };
    let magnitude = (clipped + ULAW_BIAS) as u32;
    let segment = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (segment + 3)) & 15;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

/// The middle of what an A-law code stands for.
pub fn alaw_decode(code: u8) -> i16 {
    ALAW_LINEAR[usize::from(code)]
}

/// The middle of what a µ-law code stands for.
pub fn ulaw_decode(code: u8) -> i16 {
    ULAW_LINEAR[usize::from(code)]
}

/// The µ-law code nearest to an A-law code.
pub fn alaw_to_ulaw(code: u8) -> u8 {
    ALAW_ULAW[usize::from(code)]
}

/// The A-law code nearest to a µ-law code.
pub fn ulaw_to_alaw(code: u8) -> u8 {
    ULAW_ALAW[usize::from(code)]
}

const fn alaw_linear() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = (code as u8) ^ 0x55;
        let segment = (plain >> 4) & 7;
        let middle = ((plain & 15) as i16) * 16 + 8;
        let magnitude = if segment == 0 { middle } else { (middle + 256) << (segment - 1) };
        table[code] = if plain & 0x80 != 0 { magnitude } else { -magnitude };
        code += 1;
    }
    table
}

const fn ulaw_linear() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = !(code as u8);
        let segment = (plain >> 4) & 7;
        let magnitude = ((((plain & 15) as i32) * 8 + ULAW_BIAS) << segment) - ULAW_BIAS;
        table[code] = if plain & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 };
        code += 1;
    }
    table
}

const fn alaw_ulaw() -> [u8; 256] {
    let linear = alaw_linear();
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = ulaw_encode(linear[code]);
        code += 1;
    }
    table
}

const fn ulaw_alaw() -> [u8; 256] {
    let linear = ulaw_linear();
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = alaw_encode(linear[code]);
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alaw_code_survives_decode_and_encode() {
        for code in 0..=255 {
            assert_eq!(alaw_encode(alaw_decode(code)), code, "code {code:#04x}");
        }
    }

    #[test]
    fn every_ulaw_code_survives_decode_and_encode_but_negative_zero() {
        for code in 0..=255 {
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(ulaw_encode(ulaw_decode(code)), expected, "code {code:#04x}");
        }
    }

    #[test]
    fn alaw_values_are_those_of_the_standard() {
        // G.711 table 1a, decoder output values 1, 17, 33, 49, 65, 81, 97, 113, 128; times 8 for 16 bits.
        let table = [
            (0xd5, 8),
            (0xc5, 264),
            (0xf5, 528),
            (0xe5, 1056),
            (0x95, 2112),
            (0x85, 4224),
            (0xb5, 8448),
            (0xa5, 16_896),
            (0xaa, 32_256),
        ];
        for (code, linear) in table {
            assert_eq!(alaw_decode(code), linear, "code {code:#04x}");
            assert_eq!(alaw_decode(code ^ 0x80), -linear, "code {:#04x}", code ^ 0x80);
        }
    }

    #[test]
    fn ulaw_values_are_those_of_the_standard() {
        // G.711 table 2a, decoder output values 0, 2, 33, 99, 231, 495, 1023, 2079, 4191, 8031; times 4 for 16 bits.
        let table = [
            (0xff, 0),
            (0xfe, 8),
            (0xef, 132),
            (0xdf, 396),
            (0xcf, 924),
            (0xbf, 1980),
            (0xaf, 4092),
            (0x9f, 8316),
            (0x8f, 16_764),
            (0x80, 32_124),
        ];
        for (code, linear) in table {
            assert_eq!(ulaw_decode(code), linear, "code {code:#04x}");
            assert_eq!(ulaw_decode(code ^ 0x80), -linear, "code {:#04x}", code ^ 0x80);
        }
    }

    #[test]
    fn both_laws_keep_every_sample_within_its_step() {
        for sample in i16::MIN..=i16::MAX {
            let wide = i32::from(sample);
            for back in [alaw_decode(alaw_encode(sample)), ulaw_decode(ulaw_encode(sample))] {
                let error = (i32::from(back) - wide).abs();
                assert!(error <= 16 + wide.abs() / 31, "{sample} came back as {back}");
            }
        }
    }

    #[test]
    fn transcoding_is_monotonic_and_keeps_the_level() {
        for code in 0..=255u8 {
            for (from, to) in [
                (alaw_decode(code), ulaw_decode(alaw_to_ulaw(code))),
                (ulaw_decode(code), alaw_decode(ulaw_to_alaw(code))),
            ] {
                let error = (i32::from(from) - i32::from(to)).abs();
                assert!(error <= 8 + i32::from(from).abs() / 28, "code {code:#04x}: {from} became {to}");
            }
        }
        let mut codes: Vec<u8> = (0..=255).collect();
        codes.sort_by_key(|code| alaw_decode(*code));
        let levels: Vec<i16> = codes.iter().map(|code| ulaw_decode(alaw_to_ulaw(*code))).collect();
        assert!(levels.is_sorted());
    }

    #[test]
    fn silence_stays_silence() {
        assert_eq!(alaw_encode(0), ALAW_SILENCE);
        assert_eq!(ulaw_encode(0), ULAW_SILENCE);
        assert_eq!(alaw_to_ulaw(ALAW_SILENCE), 0xfe);
        assert_eq!(ulaw_to_alaw(ULAW_SILENCE), ALAW_SILENCE);
    }
}
