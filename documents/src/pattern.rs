//! Patterns: a text in which `*` stands for any text enters, whether another text has its form leaves.
//!
//! Promise: pure, no allocation, no recursion; time is bounded by the product of both lengths.

/// A text with any number of `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that a text is; every text is one.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every text has this form.
    pub fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether a text has this form, upper and lower case told apart.
    pub fn matches(&self, text: &str) -> bool {
        self.has_form(text, |one, other| one == other)
    }

    /// Whether a text has this form; the case of ASCII letters does not matter.
    pub fn matches_any_case(&self, text: &str) -> bool {
        self.has_form(text, |one, other| one.eq_ignore_ascii_case(other))
    }

    fn has_form(&self, text: &str, same: impl Fn(&u8, &u8) -> bool) -> bool {
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
                Some(byte) if same(byte, &text[seen]) => (at, seen) = (at + 1, seen + 1),
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

    /// Whether every text of the other form has this form too. The other's stars can only be taken by stars of this
    /// one, so that the other's own text stands for all that have its form.
    pub fn covers(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_any_text_also_for_none() {
        for (pattern, text, wanted) in [
            ("gpt-4o*", "gpt-4o", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("* /v1/*/messages", "POST /v1/a/b/messages", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a*a", "a", false),
            ("*ab*ab", "abxabab", true),
            ("é*", "été", true),
            ("GET *", "get /", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn the_case_of_letters_may_be_left_out() {
        for (pattern, text, wanted) in [
            ("DAILY_LIMIT", "daily_limit", true),
            ("*daily*", "TheDailyLimit", true),
            ("*daily*", "dail", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "abb", false),
            ("*", "", true),
            ("0", "00", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches_any_case(text), wanted, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn what_covers_a_pattern_matches_all_its_texts(
            wide in "[ab*]{0,6}", narrow in "[ab*]{0,6}", fill in "[ab]{0,3}"
        ) {
            let (wide, narrow) = (Pattern::new(&wide), Pattern::new(&narrow));
            let text = narrow.as_str().replace('*', &fill);
            prop_assert!(narrow.matches(&text));
            prop_assert!(!wide.covers(&narrow) || wide.matches(&text));
        }
    }
}
