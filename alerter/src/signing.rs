//! Standard Webhooks signatures: a secret, an id, a time and a body enter, a header value leaves.
//!
//! The scheme is that of <https://www.standardwebhooks.com>: HMAC-SHA256 over `id.timestamp.body`.
//! Promise: pure; a key never prints.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// A signing key.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// A text that is not a signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is whsec_ followed by the base64 of 24 to 64 bytes")]
pub struct SecretError;

impl SigningKey {
    /// Reads a secret of the form `whsec_…`.
    pub fn parse(secret: &str) -> Result<Self, SecretError> {
        let encoded = secret.trim().strip_prefix("whsec_").ok_or(SecretError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(SecretError);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| SecretError)
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(***)")
    }
}

/// The header `webhook-signature`: one signature per key, in order; `None` without keys.
pub fn signature(keys: &[SigningKey], id: &str, timestamp: i64, body: &str) -> Option<String> {
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    (!signatures.is_empty()).then(|| signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn the_published_vector_is_reproduced() {
        let key = SigningKey::parse(SECRET).expect("valid");
        let signed = signature(
            &[key],
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="));
    }

    #[test]
    fn while_rotating_both_keys_sign_and_without_keys_nothing_does() {
        let key = SigningKey::parse(SECRET).expect("valid");
        let both = signature(&[key.clone(), key], "a", 1, "b").expect("two");
        assert_eq!(both.split(' ').count(), 2);
        assert_eq!(signature(&[], "a", 1, "b"), None);
    }

    #[test]
    fn a_secret_of_another_form_is_refused_and_none_prints() {
        for secret in ["", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_", "whsec_AAAA", "whsec_!"] {
            assert_eq!(SigningKey::parse(secret).err(), Some(SecretError), "{secret}");
        }
        assert_eq!(format!("{:?}", SigningKey::parse(SECRET)), "Ok(SigningKey(***))");
    }
}
