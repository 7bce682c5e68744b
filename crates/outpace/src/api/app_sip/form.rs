//! `application/x-www-form-urlencoded`, read as known clients write it: some escape nothing at all, so that a value may
//! be raw JSON with `&`, `=`, `+` and `%` in it.

/// Reads `name=value` pairs from a body or a query string, in order. `None` when there are more than `fields_max`.
pub fn read(input: &[u8], fields_max: usize) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    // A scan that fails may have read to the end of the input; few are allowed, so that the work stays linear.
    let mut scans_left = 4u8;
    let mut at = 0;
    while at < input.len() {
        let name_end = find(input, at, |b| b == b'=' || b == b'&');
        let name = text(decode(&input[at..name_end], Plus::Blank)).trim().to_owned();
        let mut end = name_end;
        let mut value = String::new();
        if input.get(name_end) == Some(&b'=') {
            let start = name_end + 1;
            end = value_end(input, start, &mut scans_left);
            value = read_value(&input[start..end]);
        }
        if !name.is_empty() {
            if pairs.len() == fields_max {
                return None;
            }
            pairs.push((name, value));
        }
        at = end + 1;
    }
    Some(pairs)
}

fn find(input: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    input[from..].iter().position(|b| wanted(*b)).map_or(input.len(), |i| from + i)
}

/// Where the value ends: at its `&`, which does not count inside of JSON.
fn value_end(input: &[u8], start: usize, scans_left: &mut u8) -> usize {
    let raw = matches!(input.get(start), Some(b'[' | b'{'));
    for escapes in [Escapes::Literal, Escapes::Decoded] {
        if (escapes == Escapes::Literal && !raw) || *scans_left == 0 {
            continue;
        }
        if !matches!(token(input, start, escapes), Some((b'[' | b'{', _))) {
            break;
        }
        match json_end(input, start, escapes) {
            Some(end) => return end,
            None => *scans_left -= 1,
        }
    }
    find(input, start, |b| b == b'&')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Literal,
    Decoded,
}

/// The byte at `at` and where the next one begins.
fn token(input: &[u8], at: usize, escapes: Escapes) -> Option<(u8, usize)> {
    let byte = *input.get(at)?;
    if escapes == Escapes::Decoded
        && byte == b'%'
        && let Some(decoded) = escape(input, at)
    {
        return Some((decoded, at + 3));
    }
    Some((byte, at + 1))
}

/// The end of the field, if a balanced JSON array or object begins at `start` and nothing but blanks follows it.
fn json_end(input: &[u8], start: usize, escapes: Escapes) -> Option<usize> {
    let mut at = start;
    let mut depth = 0u32;
    let mut in_string = false;
    while let Some((byte, next)) = token(input, at, escapes) {
        at = next;
        match byte {
            b'\\' if in_string => at = token(input, at, escapes)?.1,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    if depth != 0 {
        return None;
    }
    while let Some((byte, next)) = token(input, at, Escapes::Decoded) {
        match byte {
            b'&' if next == at + 1 => return Some(at),
            b' ' | b'+' | b'\r' | b'\n' | b'\t' => at = next,
            _ => return None,
        }
    }
    Some(at)
}

/// A value that holds JSON punctuation unescaped was not written by a form encoder: its `+` is a plus, and `%` followed
/// by two hex digits is an escape only if the JSON is still whole with it.
fn read_value(raw: &[u8]) -> String {
    let by_hand = matches!(token(raw, 0, Escapes::Decoded), Some((b'[' | b'{', _)))
        && raw.iter().any(|b| b"[]{}:,\"".contains(b));
    if !by_hand {
        return text(decode(raw, Plus::Blank));
    }
    if !raw.contains(&b'%') {
        return text(raw.to_vec());
    }
    let decoded = decode(raw, Plus::Plus);
    match !is_json(&decoded) && is_json(raw) {
        true => text(raw.to_vec()),
        false => text(decoded),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Blank,
    Plus,
}

/// A `%` that no two hex digits follow stands for itself.
fn decode(raw: &[u8], plus: Plus) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let (byte, next) = match byte {
            b'+' if plus == Plus::Blank => (b' ', at + 1),
            b'%' => escape(raw, at).map_or((b'%', at + 1), |b| (b, at + 3)),
            byte => (byte, at + 1),
        };
        out.push(byte);
        at = next;
    }
    out
}

/// `%XX` at `at`.
fn escape(input: &[u8], at: usize) -> Option<u8> {
    let digit = |i: usize| char::from(*input.get(i)?).to_digit(16);
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(input: &str) -> Vec<(String, String)> {
        read(input.as_bytes(), 100).expect("few fields")
    }

    fn value(input: &str) -> String {
        pairs(input).into_iter().find(|(n, _)| n == "t").expect("has t").1
    }

    #[test]
    fn escaped_values_are_decoded() {
        assert_eq!(value("s=1&t=%E5%BC%A0+a%2Bb%26c&u=2"), "张 a+b&c");
        assert_eq!(value("t=%5B%7B%22a%22%3A%22x+y%2B%22%7D%5D"), r#"[{"a":"x y+"}]"#);
    }

    #[test]
    fn raw_json_survives_with_every_separator_in_it() {
        let json =
            r#"[{"phone":"+8613800138000","userid":"a&b=c&d","ext":"100% %zz + ]}\" &x=1"},{"phone":1}]"#;
        let got = pairs(&format!("service=App.X&t={json}&u=2"));
        assert_eq!(got.len(), 3);
        assert_eq!(got[1].1, json);
        assert_eq!(got[2], ("u".into(), "2".into()));
        assert_eq!(value(&format!("t={json}")), json);
        assert_eq!(value(&format!("t={json}\r\n")).trim(), json);
    }

    #[test]
    fn partly_escaped_json_is_decoded() {
        assert_eq!(value(r#"t=[{"userid":"%E5%BC%A0","p":"+86"}]&u=1"#), r#"[{"userid":"张","p":"+86"}]"#);
        assert_eq!(value("t=%5B%7B%22p%22:%22+86&x%22%7D%5D&u=1"), r#"[{"p":"+86&x"}]"#);
        assert_eq!(value(r#"t=[{"ext":"50%22"}]&u=1"#), r#"[{"ext":"50%22"}]"#);
    }

    #[test]
    fn broken_json_ends_at_its_ampersand() {
        let got = pairs(r#"t=[{"phone":"1"&u=2"#);
        assert_eq!(got, vec![("t".into(), r#"[{"phone":"1""#.into()), ("u".into(), "2".into())]);
    }

    #[test]
    fn percent_signs_that_escape_nothing_stay() {
        assert_eq!(value("t=100%&u=1"), "100%");
        assert_eq!(value("t=%zz%4"), "%zz%4");
        assert_eq!(value("t=%FF"), "\u{fffd}");
    }

    #[test]
    fn odd_input_gives_no_field_and_no_panic() {
        assert_eq!(pairs("&&=x&t"), vec![("t".into(), String::new())]);
        assert_eq!(pairs("t=a=b"), vec![("t".into(), "a=b".into())]);
        assert_eq!(pairs("t=]"), vec![("t".into(), "]".into())]);
        assert_eq!(pairs(""), vec![]);
        assert!(read("a=1&b=2&c=3".as_bytes(), 2).is_none());
    }

    #[test]
    fn many_unbalanced_brackets_cost_linear_time() {
        let input = "a=[&".repeat(500_000);
        assert!(read(input.as_bytes(), 256).is_none());
    }

    #[test]
    fn any_raw_json_survives() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..5_000 {
            let rows: Vec<serde_json::Value> = (0..random.usize(1..4))
                .map(|_| {
                    let text: String =
                        (0..random.usize(0..12)).map(|_| *random.choice(ODD).expect("not empty")).collect();
                    serde_json::json!({"phone": random.u64(..), "userid": text})
                })
                .collect();
            let json = serde_json::Value::from(rows).to_string();
            assert_eq!(value(&format!("a=1&t={json}&b=2")), json);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..40)).map(|_| *random.choice(ODD).expect("not empty")).collect();
            let mut bytes = text.into_bytes();
            if let Some(at) = (!bytes.is_empty()).then(|| random.usize(..bytes.len())) {
                bytes[at] = random.u8(..);
            }
            let fields: usize =
                read(&bytes, 100).expect("few fields").iter().map(|(n, v)| n.len() + v.len()).sum();
            assert!(fields <= 3 * bytes.len(), "replacement characters at most");
        }
    }

    /// No hex digit among them: `%` and two of those is an escape even in raw JSON.
    const ODD: &[char] =
        &['&', '=', '+', '%', ' ', '"', '\\', '[', ']', '{', '}', ':', ',', 'z', '张', '\n', ';'];
}
