//! Replaces (RFC 3891 §6.1): a dialog whose place is wanted.

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    pub call_id: String,
    /// The tag of who is asked, and that of the other side.
    pub to_tag: String,
    pub from_tag: String,
    /// Only while it is not answered.
    pub early_only: bool,
}

impl Replaces {
    pub fn parse(value: &str) -> Option<Replaces> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            match part.split_once('=') {
                Some((name, tag)) if name.eq_ignore_ascii_case("to-tag") => to_tag = Some(tag.to_owned()),
                Some((name, tag)) if name.eq_ignore_ascii_case("from-tag") => from_tag = Some(tag.to_owned()),
                None if part.eq_ignore_ascii_case("early-only") => early_only = true,
                _ => {}
            }
        }
        Some(Replaces { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_needs_a_call_id_and_both_tags() {
        let parsed = Replaces::parse("a@b; from-tag=f;to-tag=t ;x=y;Early-Only").expect("well formed");
        let tags = (parsed.to_tag.as_str(), parsed.from_tag.as_str());
        assert_eq!((parsed.call_id.as_str(), tags, parsed.early_only), ("a@b", ("t", "f"), true));
        for value in ["", ";to-tag=t;from-tag=f", "a", "a;to-tag=t", "a;from-tag=f;to-tag"] {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
    }
}
