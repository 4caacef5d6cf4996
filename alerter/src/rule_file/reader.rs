//! The keys of one map with its mistakes: words, counts and texts leave.
//!
//! Promise: pure. Whatever is not understood is a mistake with its place and what is allowed there.

use crate::rules::Texts;
use callmeter_documents::{Fields, Problems, closest, scalar, yaml::Node};
use std::time::Duration;

/// One map that is read.
pub(super) struct Reader<'a, 'p> {
    pub(super) fields: Fields<'a>,
    pub(super) problems: &'p mut Problems,
}

impl<'a, 'p> Reader<'a, 'p> {
    /// Opens a map with these keys; anything else is a problem.
    pub(super) fn open(
        node: &'a Node,
        path: &str,
        keys: &'static [&'static str],
        problems: &'p mut Problems,
    ) -> Option<Self> {
        let fields = Fields::open(node, path, problems)?.only(keys);
        Some(Self { fields, problems })
    }

    /// Ends the map: whatever was not taken is unknown.
    pub(super) fn close(self) {
        self.fields.close(self.problems);
    }

    /// Says what is wrong with a key, or with what stands below it.
    pub(super) fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.problems.add(self.fields.line(), &self.fields.path(key), message, None);
    }

    /// Says what is wrong with a key, on its own line.
    pub(super) fn refuse_at(&mut self, node: &Node, key: &str, message: impl Into<String>) {
        self.problems.add(node.line, &self.fields.path(key), message, None);
    }

    pub(super) fn require(&mut self, key: &'static str) {
        self.fields.require(key, self.problems);
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.fields.take(key)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.fields.text(key, self.problems)
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.fields.duration(key, self.problems)
    }

    pub(super) fn span(&mut self, key: &'static str) -> Option<Duration> {
        self.fields.span(key, self.problems)
    }

    /// Takes one word of a closed set.
    pub(super) fn word<T>(
        &mut self,
        key: &'static str,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let node = self.fields.take(key)?;
        known(node, &self.fields.path(key), words, parse, self.problems)
    }

    /// Takes a list of words of a closed set.
    pub(super) fn words<T>(
        &mut self,
        key: &'static str,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let items = self.fields.list(key, self.problems);
        items.into_iter().filter_map(|(path, node)| known(node, &path, words, parse, self.problems)).collect()
    }

    /// Takes a whole number.
    pub(super) fn count(&mut self, key: &'static str) -> Option<u64> {
        let node = self.fields.take(key)?;
        let count = scalar(node).and_then(|text| text.parse().ok());
        if count.is_none() {
            self.refuse_at(node, key, "a whole number of calls is expected here");
        }
        count
    }

    /// Takes a map of texts by names that labels may have.
    pub(super) fn texts(&mut self, key: &'static str) -> Texts {
        let mut texts = Texts::new();
        for (path, entry) in self.fields.entries(key, self.problems) {
            if !is_label_name(&entry.key) {
                let message = "names have letters, digits and _ and begin with no digit";
                self.problems.add(entry.line, &path, message, None);
            }
            if let Some(text) = text_value(&entry.value, &path, self.problems) {
                texts.insert(entry.key.clone(), text);
            }
        }
        texts
    }
}

/// A word of a closed set.
pub(super) fn known<T>(
    node: &Node,
    path: &str,
    words: &[&str],
    parse: fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Option<T> {
    let text = scalar(node).unwrap_or_else(|| node.value.kind().to_owned());
    let value = parse(&text);
    if value.is_none() {
        let message = format!("`{text}` is not one of {}", words.join(", "));
        problems.add(node.line, path, message, closest(&text, words));
    }
    value
}

pub(super) fn text_value(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let text = scalar(node);
    if text.is_none() {
        problems.add_kind(node, path, "a text");
    }
    text
}

fn is_label_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}
