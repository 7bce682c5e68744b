//! One form for all ways to write a number, so that a number is found however a list or a task wrote it.

/// National parts are this long at least when a number may have its country's code in front without a sign.
const NATIONAL_MIN: usize = 9;
/// Countries whose numbers begin with 0 in international form too.
const KEEPS_ZERO: [&str; 5] = ["39", "225", "241", "242", "378"];

/// The digits of the number in international form when its country is known, else its digits. `country`: calling code of
/// numbers written without one; empty: unknown. The flag: whether the form is international.
pub(super) fn key_of(number: &str, country: &str) -> (String, bool) {
    if let Some(digits) = number.strip_prefix('+') {
        return (digits.to_owned(), true);
    }
    if let Some(digits) = after_exit_code(number, country) {
        return (digits.to_owned(), true);
    }
    if country.is_empty() {
        return (number.to_owned(), false);
    }
    let has_country = number.strip_prefix(country).is_some_and(|rest| rest.len() >= NATIONAL_MIN);
    if has_country {
        return (number.to_owned(), true);
    }
    (format!("{country}{}", national(number, country)), true)
}

/// As `key_of`, for the beginning of a number.
pub(super) fn prefix_of(start: &str, country: &str) -> String {
    if let Some(digits) = start.strip_prefix('+') {
        return digits.to_owned();
    }
    if let Some(digits) = after_exit_code(start, country) {
        return digits.to_owned();
    }
    if country.is_empty() || start.starts_with(country) {
        return start.to_owned();
    }
    format!("{country}{}", national(start, country))
}

/// 00 nearly everywhere, 011 in North America.
fn after_exit_code<'a>(number: &'a str, country: &str) -> Option<&'a str> {
    let code = if country == "1" { "011" } else { "00" };
    number.strip_prefix(code).filter(|rest| !rest.is_empty())
}

/// Without the digit that is dialed before area codes inside most countries.
fn national<'a>(number: &'a str, country: &str) -> &'a str {
    match country {
        _ if KEEPS_ZERO.contains(&country) => number,
        "7" => number.strip_prefix('8').filter(|rest| rest.len() == 10).unwrap_or(number),
        _ => number.strip_prefix('0').unwrap_or(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_key_however_it_is_written() {
        for number in ["13800138000", "+8613800138000", "008613800138000", "8613800138000", "013800138000"] {
            assert_eq!(key_of(number, "86").0, "8613800138000", "{number}");
        }
        for number in ["2125550100", "12125550100", "+12125550100", "01112125550100"] {
            assert_eq!(key_of(number, "1").0, "12125550100", "{number}");
        }
        for number in ["07700900123", "+447700900123", "447700900123", "00447700900123"] {
            assert_eq!(key_of(number, "44").0, "447700900123", "{number}");
        }
        for (number, country, key) in
            [("0612345678", "39", "390612345678"), ("89123456789", "7", "79123456789")]
        {
            assert_eq!(key_of(number, country).0, key);
        }
        assert_eq!(key_of("02154321000", "86").0, "862154321000");
        assert_eq!(key_of("+85212345678", "86").0, "85212345678");
    }

    #[test]
    fn without_a_country_only_the_signs_go() {
        assert_eq!(key_of("13800138000", ""), ("13800138000".to_owned(), false));
        assert_eq!(key_of("+8613800138000", ""), ("8613800138000".to_owned(), true));
    }

    #[test]
    fn a_prefix_fits_the_keys_of_its_numbers() {
        for (prefix, country, number) in [
            ("138", "86", "13800138000"),
            ("+86138", "86", "13800138000"),
            ("86138", "86", "13800138000"),
            ("021", "86", "02154321000"),
            ("212", "1", "+12125550100"),
            ("+852", "86", "+85212345678"),
            ("138", "", "13800138000"),
        ] {
            let key = key_of(number, country).0;
            assert!(key.starts_with(&prefix_of(prefix, country)), "{prefix} {number}");
        }
        assert!(!key_of("13800138000", "86").0.starts_with(&prefix_of("139", "86")));
    }
}
