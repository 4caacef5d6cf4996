//! Names that may be kept: the name of a header, attribute or member enters, whether it looks like a secret leaves.
//!
//! The one place of the rule for admission, which drops such values, and for profiles, which must not read what is never
//! kept. Promise: pure.

/// Parts of names that look like a secret, in lower case and without separators.
const SECRETS: &[&str] = &[
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
    "credential",
    "cookie",
    "bearer",
    "sessionid",
    "passphrase",
];

/// The letters with which those begin.
const BEGIN_SECRETS: [bool; 256] = {
    let mut begin = [false; 256];
    let mut place = 0;
    while place < SECRETS.len() {
        begin[SECRETS[place].as_bytes()[0] as usize] = true;
        place += 1;
    }
    begin
};

/// Parts of names that count the tokens of language models and are no secrets.
const COUNTS: &[&str] = &[
    "prompttoken",
    "completiontoken",
    "inputtoken",
    "outputtoken",
    "totaltoken",
    "cachedtoken",
    "reasoningtoken",
    "maxtoken",
    "tokencount",
    "tokenlimit",
    "tokenusage",
];

/// Whether a name looks like that of a secret. Counts of language model tokens do not.
pub fn is_secret_name(name: &str) -> bool {
    is_secret(&plain(name))
}

fn is_secret(plain: &str) -> bool {
    if !holds_secret_part(plain) {
        return plain == "auth" || plain == "jwt";
    }
    let rest = COUNTS.iter().fold(plain.to_owned(), |rest, part| rest.replace(part, ""));
    rest != "tokens" && holds_secret_part(&rest)
}

/// One walk for all parts: most letters begin none of them.
fn holds_secret_part(plain: &str) -> bool {
    let bytes = plain.as_bytes();
    let begins = |rest: &[u8], part: &[u8]| rest[0] == part[0] && rest.starts_with(part);
    (0..bytes.len()).any(|at| {
        BEGIN_SECRETS[usize::from(bytes[at])]
            && SECRETS.iter().any(|part| begins(&bytes[at..], part.as_bytes()))
    })
}

/// Whether a response header of this name may be kept: headers of limits count tokens by many names.
pub fn may_keep_header(name: &str) -> bool {
    const LIMITS: &str = "ratelimit";
    // Most are written in one word and in lower case.
    name.contains(LIMITS) || {
        let plain = plain(name);
        plain.contains(LIMITS) || !is_secret(&plain)
    }
}

/// Letters and digits alone, in lower case.
fn plain(name: &str) -> String {
    let mut plain = name.to_ascii_lowercase();
    plain.retain(|letter| letter.is_ascii_alphanumeric());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found_wherever_it_stands() {
        for part in SECRETS {
            assert!(is_secret_name(part) && is_secret_name(&format!("x-{part}-y")), "{part}");
        }
    }

    #[test]
    fn names_that_look_like_secrets_are_known_and_token_counts_are_not() {
        for name in [
            "authorization",
            "X-Api-Key",
            "api_key",
            "refresh_token",
            "clientSecret",
            "db.password",
            "access_tokens",
            "Cookie",
            "auth",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in
            ["region", "gen_ai.usage.prompt_tokens", "max_tokens", "tokens", "author", "key", "workspace"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
        assert!(may_keep_header("x-ratelimit-remaining-tokens") && !may_keep_header("x-auth-token"));
    }
}
