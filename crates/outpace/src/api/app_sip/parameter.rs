//! Fields as parameters: present or missing, and of a possible value.

use std::ops::RangeInclusive;

use engine::Timestamp;
use serde_json::value::RawValue;
use store::Page;

use super::clock::Zone;
use super::code::{Language, Text};
use super::envelope::Failure;
use super::request::{Field, Fields, scalar_text};

/// Items of a page at most.
const ITEMS_MAX: u32 = 1000;
const PAGES_MAX: i64 = 1_000_000_000;

#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    pub fields: &'a Fields,
    pub language: Language,
}

/// `currentpage` and `itemsperpage` after clamping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paging {
    pub currentpage: u32,
    pub itemsperpage: u32,
}

impl Paging {
    pub fn page(self) -> Page {
        let before = u64::from(self.currentpage.saturating_sub(1));
        Page { offset: before * u64::from(self.itemsperpage), limit: self.itemsperpage }
    }
}

impl<'a> Parameters<'a> {
    /// `None` when absent or empty.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.fields.text(name).filter(|t| !t.is_empty())
    }

    /// Present and not empty.
    pub fn required(self, name: &str) -> Result<&'a str, Failure> {
        match self.fields.text(name) {
            None => Err(Failure::missing(self.language, name)),
            Some("") => Err(self.wrong(name, Text::new("不能为空", "must not be empty"))),
            Some(text) => Ok(text),
        }
    }

    /// As `required`, and no longer than `chars_max`.
    pub fn required_name(self, name: &str, chars_max: usize) -> Result<&'a str, Failure> {
        let text = self.required(name)?;
        self.check_length(name, text, chars_max)?;
        Ok(text)
    }

    /// Empty when absent.
    pub fn name(self, name: &str, chars_max: usize) -> Result<&'a str, Failure> {
        let text = self.text(name).unwrap_or_default();
        self.check_length(name, text, chars_max)?;
        Ok(text)
    }

    /// Comma-separated or a JSON array; blanks and empty items dropped.
    pub fn list(self, name: &str) -> Vec<String> {
        let from_array = match self.fields.get(name) {
            Some(Field::Json(raw)) => scalars(raw),
            Some(Field::Text(text)) if text.trim_start().starts_with('[') => {
                serde_json::from_str::<&RawValue>(text.trim()).ok().and_then(scalars)
            }
            _ => None,
        };
        let trimmed = |item: &str| Some(item.trim().to_owned()).filter(|i| !i.is_empty());
        match from_array {
            Some(items) => items.iter().filter_map(|i| trimmed(i)).collect(),
            None => self.text(name).unwrap_or_default().split([',', '，']).filter_map(trimmed).collect(),
        }
    }

    /// As `list`, with one item at least and `items_max` at most.
    pub fn required_list(self, name: &str, items_max: usize) -> Result<Vec<String>, Failure> {
        self.required(name)?;
        let items = self.list(name);
        if items.is_empty() {
            return Err(self.wrong(name, Text::new("不能为空", "must not be empty")));
        }
        if items.len() > items_max {
            return Err(self.wrong(name, Text::new("数量过多", "has too many items")));
        }
        Ok(items)
    }

    /// `None` when absent or empty.
    pub fn int(self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match whole_number(text) {
            Some(n) if range.contains(&n) => Ok(Some(n)),
            Some(_) => Err(self.wrong(name, Text::new("超出范围", "out of range"))),
            None => Err(self.wrong(name, Text::new("应为整数", "must be a whole number"))),
        }
    }

    pub fn required_int(self, name: &str, range: RangeInclusive<i64>) -> Result<i64, Failure> {
        self.required(name)?;
        self.int(name, range)?.ok_or_else(|| Failure::missing(self.language, name))
    }

    /// The value that the (case-insensitive) word stands for; `None` when absent or empty.
    pub fn word<T: Copy>(self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let words = words.join(", ");
                Err(self.wrong_as(name, format!("应为{words}之一"), format!("must be one of {words}")))
            }
        }
    }

    /// A decimal number in thousandths; at most three decimals.
    pub fn thousandths(self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match thousandths(text) {
            Some(n) if range.contains(&n) => Ok(Some(n)),
            Some(_) => Err(self.wrong(name, Text::new("超出范围", "out of range"))),
            None => Err(self.wrong(
                name,
                Text::new("应为至多三位小数的数字", "must be a number with at most three decimals"),
            )),
        }
    }

    /// `yyyy-mm-dd hh:mm:ss` in the company's zone; `None` when absent or empty.
    pub fn time(self, name: &str, zone: &Zone) -> Result<Option<Timestamp>, Failure> {
        self.time_as(name, |text| zone.parse(text))
    }

    /// As `time`, with a reading of one's own.
    pub fn time_as(
        self,
        name: &str,
        read: impl FnOnce(&str) -> Option<Timestamp>,
    ) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wanted = Text::new("应为yyyy-mm-dd hh:mm:ss", "must be yyyy-mm-dd hh:mm:ss");
        read(text).map(Some).ok_or_else(|| self.wrong(name, wanted))
    }

    /// What is out of range is clamped, not refused.
    pub fn paging(self) -> Result<Paging, Failure> {
        let currentpage = self.clamped("currentpage", 1, 1..=PAGES_MAX)?;
        let itemsperpage = self.clamped("itemsperpage", 10, 1..=i64::from(ITEMS_MAX))?;
        Ok(Paging { currentpage, itemsperpage })
    }

    /// "parameter `name` is wrong, `why`".
    pub fn wrong(self, name: &str, why: Text) -> Failure {
        Failure::wrong(self.language, name, why.of(self.language))
    }

    /// As `wrong`, for texts made on the spot.
    pub fn wrong_as(self, name: &str, chinese: String, english: String) -> Failure {
        let why = match self.language {
            Language::Chinese => chinese,
            Language::English => english,
        };
        Failure::wrong(self.language, name, &why)
    }

    fn clamped(self, name: &str, default: i64, range: RangeInclusive<i64>) -> Result<u32, Failure> {
        let n = match self.text(name) {
            None => default,
            Some(text) => whole_number(text)
                .ok_or_else(|| self.wrong(name, Text::new("应为整数", "must be a whole number")))?,
        };
        Ok(u32::try_from(n.clamp(*range.start(), *range.end())).unwrap_or(u32::MAX))
    }

    fn check_length(self, name: &str, text: &str, chars_max: usize) -> Result<(), Failure> {
        if text.chars().nth(chars_max).is_none() {
            return Ok(());
        }
        Err(self.wrong_as(
            name,
            format!("超过{chars_max}个字符"),
            format!("has more than {chars_max} characters"),
        ))
    }
}

/// The items of a JSON array of texts and numbers.
fn scalars(raw: &RawValue) -> Option<Vec<String>> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    items.into_iter().map(scalar_text).collect()
}

/// `12`, `-3`, `1.0`; too large ones saturate.
fn whole_number(text: &str) -> Option<i64> {
    let text = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i64>().unwrap_or(i64::MAX))
}

/// A decimal number, not negative, in thousandths.
pub fn thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || whole.len() > 9 || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole * 1000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::super::request::Encoding;
    use super::*;

    fn fields(form: &str) -> Fields {
        Fields::read(&Encoding::Form, None, form.as_bytes()).expect("a form")
    }

    fn message(failure: Failure) -> String {
        match failure {
            Failure::Platform { message, .. } => message.unwrap_or_default(),
            Failure::Business { .. } => panic!("a platform failure was expected"),
        }
    }

    #[test]
    fn required_means_present_and_not_empty() {
        let fields = fields("a= &b=x");
        let p = Parameters { fields: &fields, language: Language::Chinese };
        assert_eq!(p.required("b").expect("present"), "x");
        assert_eq!(message(p.required("taskid").expect_err("absent")), "非法请求：缺少必要参数taskid");
        assert_eq!(message(p.required("a").expect_err("empty")), "非法请求：参数a错误，不能为空");
        let p = Parameters { language: Language::English, ..p };
        assert_eq!(
            message(p.required("taskid").expect_err("absent")),
            "Bad request: missing required parameter taskid"
        );
    }

    #[test]
    fn paging_out_of_range_is_clamped() {
        for (form, currentpage, itemsperpage) in [
            ("", 1, 10),
            ("currentpage=0&itemsperpage=0", 1, 1),
            ("currentpage=-7&itemsperpage=100000", 1, 1000),
            ("currentpage=99999999999999999999&itemsperpage=2.0", 1_000_000_000, 2),
        ] {
            let fields = fields(form);
            let p = Parameters { fields: &fields, language: Language::Chinese };
            assert_eq!(p.paging().expect("clamped"), Paging { currentpage, itemsperpage }, "{form}");
        }
    }

    #[test]
    fn lists_are_comma_separated_or_json() {
        let fields = fields(r#"a= 1, 2 ,,3，4&b=["1",2]&c=["#);
        let p = Parameters { fields: &fields, language: Language::Chinese };
        assert_eq!(p.list("a"), ["1", "2", "3", "4"]);
        assert_eq!(p.list("b"), ["1", "2"]);
        assert_eq!(p.list("d"), Vec::<String>::new());
        assert!(p.required_list("a", 3).is_err());
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(thousandths("1.5"), Some(1500));
        assert_eq!(thousandths("3"), Some(3000));
        assert_eq!(thousandths("2.30"), Some(2300));
        for text in ["", ".5", "1.2345", "-1", "1e3", "x", "1.x", "99999999999999999999"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_come_as_texts_and_numbers() {
        assert_eq!(whole_number("12"), Some(12));
        assert_eq!(whole_number("-3"), Some(-3));
        assert_eq!(whole_number("1.0"), Some(1));
        for text in ["", "-", "1.5", "1.", "0x1", "１"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }
}
