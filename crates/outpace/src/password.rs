//! Passwords of users: argon2id (RFC 9106), 19 MiB and two passes, about 30 ms of one core. Blocks: never on a thread that
//! serves requests.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

/// Characters of a password.
pub const CHARS_MIN: usize = 10;
/// Longer ones are refused before they cost anything.
pub const CHARS_MAX: usize = 200;

/// In the PHC string format.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    let failed = |error: argon2::password_hash::Error| anyhow::anyhow!("a password was not hashed: {error}");
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
}

/// `hash` None: there is no such user. It takes as long, and is false.
pub fn verify(hash: Option<&str>, password: &str) -> bool {
    // Of a password that nobody has.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IG5vYm9keQ$pbJSB4P4DkVzx0sgSXOdyRh7QdtfnPEEhHsPbxRXxHk";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    let is_it = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    is_it && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_by_its_hash_alone() {
        let kept = hash("correct horse").expect("hashed");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify(Some(&kept), "correct horse"));
        assert!(!verify(Some(&kept), "Correct horse"));
        assert!(!verify(Some("nonsense"), "correct horse"));
        assert!(!verify(None, "correct horse"));
        assert_ne!(kept, hash("correct horse").expect("hashed"), "salted");
    }
}
