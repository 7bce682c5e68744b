//! Entries of do-not-call lists: numbers, and beginnings of numbers.

use std::fmt;

use super::Rules;
use crate::{NumberError, PhoneNumber};

/// `Debug` hides the middle of a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DncEntry {
    Number(PhoneNumber),
    /// Every number that begins so: digits, perhaps after a `+`.
    Prefix(String),
}

/// Why a text is no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DncError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error("a prefix is 1 to 20 digits and a star at the end, such as 138*")]
    Prefix,
}

impl DncEntry {
    /// A number as `PhoneNumber` reads it, or a prefix: `138*`, `+86138*`.
    pub fn parse(text: &str) -> Result<DncEntry, DncError> {
        let text = text.trim();
        if !text.contains('*') {
            return Ok(DncEntry::Number(PhoneNumber::parse(text)?));
        }
        let start: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let start = start.strip_suffix('*').ok_or(DncError::Prefix)?;
        let digits = start.strip_prefix('+').unwrap_or(start);
        let is_good = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if is_good { Ok(DncEntry::Prefix(start.to_owned())) } else { Err(DncError::Prefix) }
    }

    pub const fn is_prefix(&self) -> bool {
        matches!(self, DncEntry::Prefix(_))
    }

    /// The form in which numbers are compared.
    pub fn key(&self, rules: &Rules) -> String {
        match self {
            DncEntry::Number(number) => rules.key(number),
            DncEntry::Prefix(start) => rules.key_prefix(start),
        }
    }
}

/// As `parse` reads it.
impl fmt::Display for DncEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DncEntry::Number(number) => f.write_str(number.as_str()),
            DncEntry::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_number_or_a_prefix_with_a_star() {
        for (text, shown) in
            [(" 138-0013 8000 ", "13800138000"), ("138*", "138*"), ("+86 138*", "+86138*"), ("1*", "1*")]
        {
            assert_eq!(DncEntry::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["*", "+*", "1*3", "**", "x*", "138**", "", "12", "number", "123456789012345678901*"] {
            assert!(DncEntry::parse(bad).is_err(), "{bad}");
        }
    }
}
