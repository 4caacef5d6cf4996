//! API keys: random bytes or a request's header enter, a key and its entry or a workspace leave.
//!
//! A key is `cm_<id>_<secret>`: the id has 12 base62 characters (0-9, A-Z, a-z), the secret 49: 256
//! random bits as 43 characters, then the CRC-32 of everything before it as 6, by which leak scanners
//! know a key. An entry is `workspace:id:sha256`, the SHA-256 of the whole key in lower-case hex, so that
//! `printf %s "$KEY" | sha256sum` makes it. Promise: the secret is not kept, comparisons take the same
//! time wherever texts differ, and an unknown id costs the same work as a known one.

use sha2::{Digest, Sha256};
use std::{collections::HashMap, hint::black_box};

/// Random bytes that make a key: 9 for the id, 32 for the secret.
pub const RANDOM_BYTES: usize = 41;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;

/// A new key and what is stored of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Generated {
    /// The key, shown once.
    pub key: String,
    /// The entry of the configuration: `workspace:id:sha256`.
    pub entry: String,
}

/// Makes a key for a workspace from random bytes.
pub fn generate(workspace: &str, random: &[u8; RANDOM_BYTES]) -> Generated {
    let (id, secret) = random.split_at(9);
    let id = base62(id, ID_CHARS);
    let mut key = format!("cm_{id}_{}", base62(secret, SECRET_CHARS));
    key.push_str(&checksum(&key));
    let entry = format!("{workspace}:{id}:{}", hex(&Sha256::digest(&key)));
    Generated { key, entry }
}

/// Whose a request is.
#[derive(Debug)]
pub struct Credential {
    /// The tenant.
    pub workspace: String,
    /// The id of the key, which is no secret.
    pub key_id: String,
    digest: [u8; 32],
}

/// Why a request has no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No header.
    #[error("no Authorization header with a Bearer key")]
    Missing,
    /// Not of a key's form; a mistyped one is known by its checksum.
    #[error("the key is not of the form cm_<id>_<secret> or was mistyped")]
    Malformed,
    /// Of a key's form, and not one of ours.
    #[error("the key is unknown or no longer valid")]
    Unknown,
}

/// Why an entry of the configuration is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not three parts.
    #[error("not of the form workspace:id:sha256")]
    Form,
    /// The workspace has other characters.
    #[error("a workspace has 1 to 64 letters, digits, dots, dashes and underscores")]
    Workspace,
    /// The id has other characters.
    #[error("an id has 12 letters and digits")]
    Id,
    /// The hash has other characters.
    #[error("a hash has 64 hexadecimal digits")]
    Hash,
    /// The id stands in two entries.
    #[error("the id {0} stands twice")]
    Twice(String),
}

/// Every key that opens the door.
#[derive(Debug, Default)]
pub struct Keys {
    by_id: HashMap<String, Credential>,
}

impl Keys {
    /// Reads entries; all mistakes are told, each with the place of its entry.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<(usize, EntryError)>> {
        let (mut keys, mut mistakes) = (Self::default(), Vec::new());
        for (place, entry) in entries.iter().enumerate() {
            match credential(entry) {
                Err(mistake) => mistakes.push((place, mistake)),
                Ok(credential) => {
                    let id = credential.key_id.clone();
                    if keys.by_id.insert(id.clone(), credential).is_some() {
                        mistakes.push((place, EntryError::Twice(id)));
                    }
                }
            }
        }
        if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
    }

    /// The credential of an `Authorization` header.
    pub fn authenticate(&self, header: Option<&[u8]>) -> Result<&Credential, KeyError> {
        let key = header.and_then(bearer).ok_or(KeyError::Missing)?;
        let id = id_of(key).ok_or(KeyError::Malformed)?;
        let digest: [u8; 32] = Sha256::digest(key).into();
        let known = self.by_id.get(id);
        let same = same(&digest, known.map_or(&[0; 32], |credential| &credential.digest));
        known.filter(|_| same).ok_or(KeyError::Unknown)
    }
}

fn bearer(header: &[u8]) -> Option<&str> {
    let (scheme, key) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The id of a text that has a key's form and checksum.
fn id_of(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix("cm_")?.split_once('_')?;
    let plain =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !plain(id, ID_CHARS) || !plain(secret, SECRET_CHARS + CHECK_CHARS) {
        return None;
    }
    let (covered, check) = key.split_at(key.len() - CHECK_CHARS);
    (checksum(covered) == check).then_some(id)
}

fn credential(entry: &str) -> Result<Credential, EntryError> {
    let mut parts = entry.split(':');
    let (Some(workspace), Some(id), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(EntryError::Form);
    };
    let workspace_char = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if workspace.is_empty() || workspace.len() > 64 || !workspace.bytes().all(workspace_char) {
        return Err(EntryError::Workspace);
    }
    if id.len() != ID_CHARS || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(EntryError::Id);
    }
    let digest = unhex(hash).ok_or(EntryError::Hash)?;
    Ok(Credential { workspace: workspace.to_owned(), key_id: id.to_owned(), digest })
}

/// Compares without stopping at the first difference.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |seen, (left, right)| black_box(seen | (left ^ right)));
    black_box(difference) == 0
}

/// The bytes as a big-endian number in base 62, of exactly so many characters; higher digits are cut.
fn base62(bytes: &[u8], chars: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![b'0'; chars];
    for place in text.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *place = ALPHABET[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

fn checksum(text: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    base62(&crc.sum().to_be_bytes(), CHECK_CHARS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, place) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_opens_its_workspace_and_nothing_else_does() {
        let ours = generate("acme", &[7; RANDOM_BYTES]);
        let stranger = generate("acme", &[8; RANDOM_BYTES]);
        insta::assert_snapshot!(ours.key, @"cm_2USBDPIBEdi3_1fJjkkpe9PiTw9KSulA8Ghct30vZz4HpdQ5c5b9cPF10n2EWb");
        let keys = Keys::parse(std::slice::from_ref(&ours.entry)).expect("a generated entry parses");
        let open =
            |header: &str| keys.authenticate(Some(header.as_bytes())).map(|found| found.workspace.clone());
        assert_eq!(open(&format!("Bearer {}", ours.key)), Ok("acme".to_owned()));
        assert_eq!(open(&format!("bearer  {}", ours.key)), Ok("acme".to_owned()));
        assert_eq!(open(&format!("Bearer {}", stranger.key)), Err(KeyError::Unknown));
        assert_eq!(open(&format!("Basic {}", ours.key)), Err(KeyError::Missing));
        assert_eq!(open("Bearer cm_short_key"), Err(KeyError::Malformed));
        let mistyped = format!("Bearer {}", ours.key.replacen('_', "_0", 1));
        assert_eq!(open(&mistyped), Err(KeyError::Malformed));
        assert!(matches!(keys.authenticate(None), Err(KeyError::Missing)));
    }

    #[test]
    fn every_wrong_entry_is_told_with_its_place() {
        let good = generate("acme", &[7; RANDOM_BYTES]).entry;
        let (_, hash) = good.rsplit_once(':').expect("an entry has colons");
        let entries = [
            good.clone(),
            good.clone(),
            "acme".to_owned(),
            format!("a/b:0123456789ab:{hash}"),
            format!("acme:short:{hash}"),
            "acme:0123456789ab:xyz".to_owned(),
        ];
        let told: Vec<String> = Keys::parse(&entries)
            .expect_err("five entries are wrong")
            .into_iter()
            .map(|(place, mistake)| format!("{place}: {mistake}"))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        1: the id 2USBDPIBEdi3 stands twice
        2: not of the form workspace:id:sha256
        3: a workspace has 1 to 64 letters, digits, dots, dashes and underscores
        4: an id has 12 letters and digits
        5: a hash has 64 hexadecimal digits
        ");
    }
}
