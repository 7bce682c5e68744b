//! Secrets of others, sealed with a key that is not in the database: passwords of extensions and trunks, and the keys that
//! pushes are signed with. ChaCha20-Poly1305, RFC 8439.

use std::path::Path;
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use super::*;

/// What a sealed text begins with; no text that is not sealed does.
const MARK: &str = "\u{1}sealed1:";
const KEY_BYTES: usize = 32;
/// Columns that are sealed.
const SEALED: [(&str, &str); 4] = [
    ("extensions", "password"),
    ("trunks", "password"),
    ("company_pushes", "secret"),
    ("identities", "said"),
];
const NO_KEY: &str = "the database has sealed passwords, and no key was given";
const WRONG_KEY: &str = "the key is not the one with which the passwords in the database were sealed";

/// Seals and unseals.
#[derive(Clone)]
pub struct SealKey(Arc<LessSafeKey>, Arc<hmac::Key>);

impl SealKey {
    /// From a file of 64 hexadecimal digits.
    pub fn read(path: &Path) -> Result<SealKey> {
        let wrong = |why: &str| StoreError::Failed(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(&e.to_string()))?;
        let bytes = from_hex(text.trim()).filter(|bytes| bytes.len() == KEY_BYTES);
        let bytes = bytes.ok_or_else(|| wrong("a key has 64 hexadecimal digits"))?;
        SealKey::new(&bytes).ok_or_else(|| wrong("it is no key"))
    }

    fn new(bytes: &[u8]) -> Option<SealKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).ok()?;
        let deriving = hmac::Key::new(hmac::HMAC_SHA512, bytes);
        Some(SealKey(Arc::new(LessSafeKey::new(key)), Arc::new(deriving)))
    }

    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: &[u8; KEY_BYTES]) -> SealKey {
        SealKey::new(bytes).expect("32 bytes are a key")
    }

    /// Another key, for one purpose.
    pub(super) fn derived(&self, purpose: &str) -> [u8; 64] {
        let tag = hmac::sign(&self.1, purpose.as_bytes());
        tag.as_ref().try_into().expect("SHA-512 gives 64 bytes")
    }

    /// None: the system has no randomness.
    fn seal(&self, text: &str) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut bytes = text.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(MARK), &mut bytes).ok()?;
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        Some(format!("{MARK}{}{}", hex(&nonce), hex(&bytes)))
    }

    /// None: another key sealed it, or it was changed.
    fn unseal(&self, sealed: &str) -> Option<String> {
        let mut bytes = from_hex(sealed.strip_prefix(MARK)?)?;
        let mut text = bytes.split_off(NONCE_LEN.min(bytes.len()));
        let nonce = Nonce::try_assume_unique_for_key(&bytes).ok()?;
        let text = self.0.open_in_place(nonce, Aad::from(MARK), &mut text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Gives the connection the functions `seal` and `unseal`; without a key texts stay as they are.
pub(super) fn teach(db: &Connection, key: Option<&SealKey>) -> Result<()> {
    let failed = |why: &'static str| rusqlite::Error::UserFunctionError(why.into());
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    let sealing = key.cloned();
    db.create_scalar_function("seal", 1, flags, move |context| {
        let text: String = context.get(0)?;
        match &sealing {
            Some(key) if !text.is_empty() => key.seal(&text).ok_or_else(|| failed("no randomness")),
            _ => Ok(text),
        }
    })?;
    let unsealing = key.cloned();
    db.create_scalar_function("unseal", 1, flags, move |context| {
        let text: String = context.get(0)?;
        match (&unsealing, text.starts_with(MARK)) {
            (_, false) => Ok(text),
            (None, true) => Err(failed(NO_KEY)),
            (Some(key), true) => key.unseal(&text).ok_or_else(|| failed(WRONG_KEY)),
        }
    })?;
    Ok(())
}

/// Checks that the key is the one with which everything was sealed, and seals what was not. How many.
pub(super) fn seal_all(db: &Connection, key: Option<&SealKey>) -> Result<usize> {
    let mut newly = 0;
    for (table, column) in SEALED {
        let sealed = format!("SELECT {column} FROM {table} WHERE substr({column}, 1, {}) = ?1", MARK.len());
        for text in rows(db, &sealed, [MARK], |row| row.get::<_, String>(0))? {
            let key = key.ok_or_else(|| StoreError::Failed(NO_KEY.to_owned()))?;
            key.unseal(&text).ok_or_else(|| StoreError::Failed(WRONG_KEY.to_owned()))?;
        }
        if key.is_some() {
            let sql = format!(
                "UPDATE {table} SET {column} = seal({column}) WHERE {column} <> '' AND substr({column}, 1, {}) <> ?1",
                MARK.len()
            );
            newly += db.execute(&sql, [MARK])?;
        }
    }
    Ok(newly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::Folder;

    fn key(byte: u8) -> SealKey {
        SealKey::of_bytes(&[byte; KEY_BYTES])
    }

    fn filled(store: &SqliteStore) -> CompanyId {
        let company = store
            .put_company(&NewCompany {
                code: "1".into(),
                name: String::new(),
                time_zone: "UTC".into(),
                language: "en".into(),
                int_codes: false,
                licensed_until: None,
                allow_from: Vec::new(),
            })
            .unwrap()
            .id;
        let extension =
            NewExtension { company, number: "1001".into(), password: "phone-secret".into(), enabled: true };
        assert_eq!(store.put_extension(&extension).unwrap().password, "phone-secret");
        let trunk = NewTrunk {
            company,
            name: "t".into(),
            address: "a".into(),
            transport: "udp".into(),
            username: "u".into(),
            password: "trunk-secret".into(),
            register: false,
            prefix: String::new(),
            channels_max: 1,
            cps_max: 0,
            enabled: true,
            details: TrunkDetails::default(),
        };
        store.put_trunk(&trunk).unwrap();
        let pushes = PushSettings {
            company,
            task_status_url: String::new(),
            extension_state_url: String::new(),
            bill_url: "http://a/".into(),
            detail_form: false,
            secret: "push-secret".into(),
            allow_private: true,
        };
        store.put_pushes(&pushes).unwrap();
        company
    }

    fn secrets(store: &SqliteStore, company: CompanyId) -> [String; 4] {
        [
            store.extension("1001").unwrap().unwrap().password,
            store.extensions(Some(company)).unwrap().remove(0).password,
            store.trunks(company).unwrap().remove(0).settings.password,
            store.pushes().unwrap().remove(0).secret,
        ]
    }

    const EXPECTED: [&str; 4] = ["phone-secret", "phone-secret", "trunk-secret", "push-secret"];

    #[test]
    fn with_a_key_no_secret_is_on_the_disk_and_the_key_gives_each_back() {
        let folder = Folder::new();
        let store =
            SqliteStore::open_sealed(&folder.database(), Some(key(1)), KeepNumbers::AsTheyAre).unwrap();
        let company = filled(&store);
        assert_eq!(secrets(&store, company), EXPECTED);
        drop(store);
        for secret in EXPECTED {
            assert!(!folder.has_on_disk(secret), "{secret}");
        }
        let store =
            SqliteStore::open_sealed(&folder.database(), Some(key(1)), KeepNumbers::AsTheyAre).unwrap();
        assert_eq!(secrets(&store, company), EXPECTED);
    }

    #[test]
    fn what_was_there_before_the_key_is_sealed_when_it_comes() {
        let folder = Folder::new();
        let store = SqliteStore::open(&folder.database()).unwrap();
        let company = filled(&store);
        drop(store);
        assert!(folder.has_on_disk("phone-secret"));
        let deleted = Connection::open(folder.database()).unwrap();
        deleted.execute_batch("INSERT INTO trunks SELECT 99, company, 'old', address, transport, username, 'old-secret', \
            register, prefix, channels_max, cps_max, enabled, details FROM trunks; DELETE FROM trunks WHERE id = 99").unwrap();
        drop(deleted);
        assert!(folder.has_on_disk("old-secret"), "deleted, and still in the file");
        let store = SqliteStore::open_sealed(&folder.database(), Some(key(1)), KeepNumbers::Clear).unwrap();
        assert_eq!(secrets(&store, company), EXPECTED);
        for secret in EXPECTED.into_iter().chain(["old-secret"]) {
            assert!(!folder.has_on_disk(secret), "{secret} while it is open");
        }
    }

    #[test]
    fn without_the_key_or_with_another_one_nothing_is_opened() {
        let folder = Folder::new();
        filled(&SqliteStore::open_sealed(&folder.database(), Some(key(1)), KeepNumbers::AsTheyAre).unwrap());
        for (key, why) in [(None, NO_KEY), (Some(key(2)), WRONG_KEY)] {
            let error = SqliteStore::open_sealed(&folder.database(), key, KeepNumbers::AsTheyAre)
                .err()
                .expect("refused")
                .to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_text_is_never_sealed_alike_and_one_that_was_changed_is_refused() {
        let key = key(3);
        let (first, second) = (key.seal("abc").unwrap(), key.seal("abc").unwrap());
        assert_ne!(first, second);
        assert_eq!(key.unseal(&first).as_deref(), Some("abc"));
        let last = if first.ends_with('0') { "1" } else { "0" };
        assert_eq!(key.unseal(&format!("{}{last}", &first[..first.len() - 1])), None);
        for broken in ["", "abc", MARK, &first[..MARK.len() + 9], &format!("{MARK}zz")] {
            assert_eq!(key.unseal(broken), None);
        }
    }

    #[test]
    fn a_key_file_has_64_hexadecimal_digits() {
        let folder = Folder::new();
        let path = folder.0.join("key");
        for (text, is_good) in [("0f".repeat(32), true), (format!("{}\n", "A0".repeat(32)), true)]
            .into_iter()
            .chain(["", "00", "x"].map(|t| (t.to_owned(), false)))
            .chain([("0".repeat(63), false), ("g".repeat(64), false)])
        {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(SealKey::read(&path).is_ok(), is_good, "{text}");
        }
        assert!(SealKey::read(&folder.0.join("none")).is_err());
    }
}
