//! A telephone number, checked once at the edge.

use std::fmt;

/// 3 to 20 digits with an optional leading `+`. Blanks, dashes, dots and brackets between digits are dropped when read.
/// `Debug` shows 138****5678: logs use it, the wire uses `as_str`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

/// Why a text is no telephone number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NumberError {
    #[error("the number is empty")]
    Empty,
    #[error("the number has a character that is not a digit")]
    NotDigits,
    #[error("the number has fewer than 3 digits")]
    TooShort,
    #[error("the number has more than 20 digits")]
    TooLong,
}

/// In place of a caller's number that is withheld.
const WITHHELD: &str = "000";

impl PhoneNumber {
    /// Of a caller who does not show one.
    pub fn withheld() -> PhoneNumber {
        PhoneNumber(WITHHELD.to_owned())
    }

    pub fn is_withheld(&self) -> bool {
        self.0 == WITHHELD
    }

    pub fn parse(text: &str) -> Result<PhoneNumber, NumberError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NumberError::Empty);
        }
        if text.len() > 64 {
            return Err(NumberError::TooLong);
        }
        let mut kept = String::with_capacity(text.len());
        for (i, c) in text.chars().enumerate() {
            match c {
                '0'..='9' => kept.push(c),
                '+' if i == 0 => kept.push(c),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(NumberError::NotDigits),
            }
        }
        match kept.trim_start_matches('+').len() {
            0..3 => Err(NumberError::TooShort),
            3..=20 => Ok(PhoneNumber(kept)),
            _ => Err(NumberError::TooLong),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0.len();
        if n < 8 {
            return write!(f, "****");
        }
        write!(f, "{}****{}", &self.0[..3], &self.0[n - 4..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked_and_normalised() {
        assert_eq!(
            PhoneNumber::parse(" +86 138-0013-8000 ").map(|n| n.as_str().to_owned()),
            Ok("+8613800138000".into())
        );
        assert_eq!(PhoneNumber::parse("13a"), Err(NumberError::NotDigits));
        assert_eq!(PhoneNumber::parse("12"), Err(NumberError::TooShort));
        assert_eq!(PhoneNumber::parse(""), Err(NumberError::Empty));
        assert_eq!(PhoneNumber::parse(&"1".repeat(40)), Err(NumberError::TooLong));
    }

    #[test]
    fn debug_hides_the_middle() {
        assert_eq!(format!("{:?}", PhoneNumber::parse("13812345678").unwrap()), "138****5678");
    }
}
