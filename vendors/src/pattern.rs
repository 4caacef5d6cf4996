//! Patterns of error codes and header values: a text in which `*` stands for any text.
//!
//! Promise: pure, no allocation, no recursion; case does not matter; time is bounded by the product of both lengths.

/// A text with any number of `*`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Box<str>);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text has this form.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (form, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // The last star and up to where it has been tried: a longer text for an earlier one is never needed.
        let mut star: Option<(usize, usize)> = None;
        while seen < text.len() {
            match form.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(byte) if byte.eq_ignore_ascii_case(&text[seen]) => (at, seen) = (at + 1, seen + 1),
                _ => match star {
                    Some((place, tried)) => {
                        star = Some((place, tried + 1));
                        (at, seen) = (place + 1, tried + 1);
                    }
                    None => return false,
                },
            }
        }
        form[at..].iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_case_does_not_matter() {
        for (pattern, text, wanted) in [
            ("DAILY_LIMIT", "daily_limit", true),
            ("*daily*", "TheDailyLimit", true),
            ("*daily*", "dail", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "abb", false),
            ("*", "", true),
            ("0", "00", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), wanted, "{pattern} {text}");
        }
    }
}
