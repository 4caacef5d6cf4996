//! Words of codes and types: a vendor's code or the name of a type enters, its words leave.
//!
//! Words end at everything that is neither a letter nor a digit and at the humps of camel case, so that `rate_limit`,
//! `RateLimit` and `rate limit` have the same two and `INVALID_TYPEOF` has no `eof`. Promise: pure; what is searched is
//! bounded.

/// How much of a text is looked at, in bytes: codes and names of types are short.
const SEARCHED_BYTES: usize = 256;

/// The words of a text in lower case, each with a space before and after it.
#[derive(Debug)]
pub(crate) struct Words(String);

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(SEARCHED_BYTES)];
        let mut words = String::with_capacity(text.len() + 8);
        words.push(' ');
        let mut before = ' ';
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            if !c.is_alphanumeric() {
                part(&mut words);
            } else {
                let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
                // `readTimeout`, and the last capital of `SSLError`.
                let hump = c.is_uppercase() && (!before.is_uppercase() || next_is_lower);
                if hump {
                    part(&mut words);
                }
                words.push(c.to_ascii_lowercase());
            }
            before = c;
        }
        part(&mut words);
        Self(words)
    }

    /// Whether one of these words, or of these sequences of words parted by spaces, is there.
    pub(crate) fn say(&self, sequences: &[&str]) -> bool {
        sequences.iter().any(|sequence| {
            let whole = |at: usize| {
                let bytes = self.0.as_bytes();
                at > 0 && bytes[at - 1] == b' ' && bytes.get(at + sequence.len()) == Some(&b' ')
            };
            self.0.match_indices(sequence).any(|(at, _)| whole(at))
        })
    }

    /// The last word; empty where there is none.
    pub(crate) fn last(&self) -> &str {
        self.0.trim_end().rsplit(' ').next().unwrap_or_default()
    }
}

fn part(words: &mut String) {
    if !words.ends_with(' ') {
        words.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_end_at_signs_and_at_humps() {
        for (text, wanted) in [
            ("rateLimitExceeded", " rate limit exceeded "),
            ("RATE_LIMIT-exceeded", " rate limit exceeded "),
            ("ClientConnectorDNSError", " client connector dns error "),
            ("*net.OpError", " net op error "),
            ("x509.UnknownAuthorityError", " x509 unknown authority error "),
            ("INVALID_TYPEOF", " invalid typeof "),
            ("", " "),
        ] {
            assert_eq!(Words::of(text).0, wanted, "{text}");
        }
        let words = Words::of("GENERATE_LIMIT_INVALID");
        assert!(words.say(&["x", "limit invalid"]) && !words.say(&["rate limit", "limit inv"]));
        assert_eq!(words.last(), "invalid");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,300}", word in "[a-z ]{1,4}") {
            let _ = Words::of(&text).say(&[&word]);
        }
    }
}
