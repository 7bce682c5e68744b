//! Telephone numbers in the file, in clear or sealed. What has to be found again is sealed alike each time (AES-SIV, RFC
//! 5297), so that indexes and unique keys keep their meaning; what is only read has a nonce.

use std::borrow::Cow;
use std::cell::RefCell;

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

use super::*;

/// What a sealed text begins with, then a letter for its kind. No number and no JSON does.
pub(super) const MARK: char = '\u{1}';
const NONCE_LEN: usize = 16;
/// Of the request hashes, which are bytes.
const HASH_LEN: usize = 32;

/// What is sealed. Each kind has a key of its own, so that equal texts of two kinds do not look alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A number as it was written.
    Number,
    /// The one form in which numbers are compared.
    Key,
    /// A text with numbers in it, which nobody looks for.
    Text,
    /// SHA-256 of a request with numbers in it: whoever tries all numbers would find them.
    Hash,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Number, Kind::Key, Kind::Text, Kind::Hash];

    const fn letter(self) -> char {
        match self {
            Kind::Number => 'n',
            Kind::Key => 'k',
            Kind::Text => 't',
            Kind::Hash => 'h',
        }
    }
}

/// A connection, and how telephone numbers are kept in its file.
pub(super) struct Db {
    connection: Connection,
    pub numbers: Numbers,
}

impl Db {
    pub(super) fn new(connection: Connection, numbers: Numbers) -> Db {
        Db { connection, numbers }
    }
}

impl std::ops::Deref for Db {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Seals and opens; each connection has its own.
#[derive(Default)]
pub(super) struct Numbers {
    seals: bool,
    keys: Option<RefCell<Keys>>,
}

struct Keys {
    ciphers: [Aes256Siv; 4],
    random: SystemRandom,
    /// The last key that was sealed: one lead asks for its own again and again.
    last: (String, String),
}

impl Keys {
    fn seal(&mut self, kind: Kind, nonce: &[u8], clear: &[u8]) -> Vec<u8> {
        let sealed = self.ciphers[kind as usize].encrypt([nonce], clear);
        sealed.expect("one header is fewer than 126, and the memory of a vector grows")
    }

    fn seal_text(&mut self, kind: Kind, clear: &str) -> Result<String> {
        let mut nonce = [0; NONCE_LEN];
        let nonce: &[u8] = match kind {
            Kind::Text => {
                let filled = self.random.fill(&mut nonce);
                filled.map_err(|_| StoreError::Failed("no randomness".to_owned()))?;
                &nonce
            }
            Kind::Number | Kind::Key | Kind::Hash => &[],
        };
        let bytes = [nonce, &self.seal(kind, nonce, clear.as_bytes())].concat();
        let mut sealed = String::with_capacity(2 + bytes.len().div_ceil(3) * 4);
        sealed.extend([MARK, kind.letter()]);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut sealed);
        Ok(sealed)
    }

    fn open_text(&mut self, sealed: &str) -> Option<String> {
        let mut letters = sealed.strip_prefix(MARK)?.chars();
        let kind = letters.next().and_then(|letter| Kind::ALL.into_iter().find(|k| k.letter() == letter))?;
        let bytes = URL_SAFE_NO_PAD.decode(letters.as_str()).ok()?;
        let (nonce, bytes) = match kind {
            Kind::Text => bytes.split_at_checked(NONCE_LEN)?,
            Kind::Number | Kind::Key | Kind::Hash => (&[][..], &bytes[..]),
        };
        let clear = self.ciphers[kind as usize].decrypt([nonce], bytes).ok()?;
        String::from_utf8(clear).ok()
    }
}

impl Numbers {
    /// `seals`: what is written is sealed. What is sealed can be read with the key either way.
    pub(super) fn new(key: Option<&SealKey>, seals: bool) -> Numbers {
        let cipher = |key: &SealKey, kind| {
            let derived = key.derived(match kind {
                Kind::Number => "numbers",
                Kind::Key => "keys of numbers",
                Kind::Text => "texts with numbers",
                Kind::Hash => "hashes of texts with numbers",
            });
            Aes256Siv::new(&derived.into())
        };
        let keys = key.map(|key| {
            let ciphers = Kind::ALL.map(|kind| cipher(key, kind));
            RefCell::new(Keys { ciphers, random: SystemRandom::new(), last: Default::default() })
        });
        Numbers { seals: seals && keys.is_some(), keys }
    }

    pub(super) const fn seals(&self) -> bool {
        self.seals
    }

    fn sealing(&self) -> Option<&RefCell<Keys>> {
        self.keys.as_ref().filter(|_| self.seals)
    }

    /// As a column has it: equal numbers are equal texts.
    pub(super) fn number<'a>(&self, number: &'a str) -> Result<Cow<'a, str>> {
        self.sealed(Kind::Number, number)
    }

    /// As `number`, of the form in which numbers are compared.
    pub(super) fn key<'a>(&self, key: &'a str) -> Result<Cow<'a, str>> {
        let Some(keys) = self.sealing() else { return Ok(Cow::Borrowed(key)) };
        let mut keys = keys.borrow_mut();
        if keys.last.0 != key {
            keys.last = (key.to_owned(), keys.seal_text(Kind::Key, key)?);
        }
        Ok(Cow::Owned(keys.last.1.clone()))
    }

    /// Never the same text twice.
    pub(super) fn text<'a>(&self, text: &'a str) -> Result<Cow<'a, str>> {
        self.sealed(Kind::Text, text)
    }

    pub(super) fn sealed<'a>(&self, kind: Kind, clear: &'a str) -> Result<Cow<'a, str>> {
        match self.sealing() {
            None => Ok(Cow::Borrowed(clear)),
            Some(keys) => keys.borrow_mut().seal_text(kind, clear).map(Cow::Owned),
        }
    }

    /// What is not sealed is as it is. None: another key sealed it, or it was changed.
    pub(super) fn open<'a>(&self, stored: &'a str) -> Option<Cow<'a, str>> {
        if !stored.starts_with(MARK) {
            return Some(Cow::Borrowed(stored));
        }
        self.keys.as_ref()?.borrow_mut().open_text(stored).map(Cow::Owned)
    }

    pub(super) fn hash(&self, hash: &[u8; HASH_LEN]) -> Vec<u8> {
        match self.sealing() {
            None => hash.to_vec(),
            Some(keys) => keys.borrow_mut().seal(Kind::Hash, &[], hash),
        }
    }

    /// As `open`.
    pub(super) fn open_hash(&self, stored: &[u8]) -> Option<[u8; HASH_LEN]> {
        if let Ok(clear) = stored.try_into() {
            return Some(clear);
        }
        let clear = self.keys.as_ref()?.borrow_mut().ciphers[Kind::Hash as usize].decrypt([[]], stored);
        clear.ok()?.try_into().ok()
    }

    pub(super) fn number_at(&self, row: &Row<'_>, column: &str) -> rusqlite::Result<PhoneNumber> {
        column::parsed(row, column, |text| PhoneNumber::parse(&self.open(text)?).ok())
    }

    pub(super) fn text_at(&self, row: &Row<'_>, column: &str) -> rusqlite::Result<String> {
        column::parsed(row, column, |text| self.open(text).map(Cow::into_owned))
    }

    pub(super) fn hash_at(&self, row: &Row<'_>, column: &str) -> rusqlite::Result<[u8; HASH_LEN]> {
        let index = row.as_ref().column_index(column)?;
        let clear = self.open_hash(row.get_ref(index)?.as_blob()?);
        clear.ok_or_else(|| Error::FromSqlConversionFailure(index, Type::Blob, "sealed otherwise".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(byte: u8) -> Numbers {
        Numbers::new(Some(&SealKey::of_bytes(&[byte; 32])), true)
    }

    #[test]
    fn a_number_is_sealed_alike_each_time_and_otherwise_for_each_kind_and_key() {
        let (ours, theirs) = (numbers(1), numbers(2));
        let sealed = ours.number("13800138000").unwrap();
        assert_eq!(sealed, ours.number("13800138000").unwrap());
        assert_ne!(sealed, ours.number("13800138001").unwrap());
        assert_ne!(sealed[2..], ours.key("13800138000").unwrap()[2..]);
        assert_ne!(sealed, theirs.number("13800138000").unwrap());
        assert_eq!(ours.open(&sealed).as_deref(), Some("13800138000"));
        assert_eq!(ours.open(&ours.key("86138").unwrap()).as_deref(), Some("86138"));
        assert_eq!(
            ours.key("86139").unwrap(),
            ours.key("86139").unwrap(),
            "the second is the remembered one"
        );
        assert_eq!(theirs.open(&sealed), None);
    }

    #[test]
    fn a_text_is_never_sealed_alike_and_one_that_was_changed_is_refused() {
        let numbers = numbers(1);
        let (first, second) = (numbers.text("{}").unwrap(), numbers.text("{}").unwrap());
        assert_ne!(first, second);
        for sealed in [&first, &second] {
            assert_eq!(numbers.open(sealed).as_deref(), Some("{}"));
        }
        for at in 1..first.len() {
            let mut changed = first.clone().into_owned().into_bytes();
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(numbers.open(&changed), None, "{at}");
        }
        for broken in ["\u{1}", "\u{1}t", "\u{1}tAAAA", "\u{1}x", "\u{1}n!"] {
            assert_eq!(numbers.open(broken), None);
        }
    }

    #[test]
    fn hashes_are_sealed_alike_and_opened() {
        let ours = numbers(1);
        let sealed = ours.hash(&[7; 32]);
        assert_eq!(sealed, ours.hash(&[7; 32]));
        assert_eq!(ours.open_hash(&sealed), Some([7; 32]));
        assert_eq!(ours.open_hash(&[7; 32]), Some([7; 32]));
        assert_eq!(numbers(2).open_hash(&sealed), None);
    }

    #[test]
    fn without_sealing_everything_stays_as_it_is_and_what_is_sealed_can_be_read_with_the_key() {
        let sealed = numbers(1).number("13800138000").unwrap().into_owned();
        let clear = Numbers::new(Some(&SealKey::of_bytes(&[1; 32])), false);
        assert_eq!(clear.number("13800138000").unwrap(), "13800138000");
        assert_eq!(clear.hash(&[7; 32]), [7; 32]);
        assert_eq!(clear.open(&sealed).as_deref(), Some("13800138000"));
        assert_eq!(Numbers::default().open(&sealed), None);
    }
}
