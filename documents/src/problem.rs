//! Mistakes in files: what is wrong enters with its field, located [`Problem`]s leave in the order of the file.
//!
//! Promise: pure. Every mistake of a file is reported in one run, each with its line, its field and,
//! where one is near, the word that was probably meant.

use crate::yaml::{Entry, Node, Value};
use std::fmt;

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Line, counted from 1; 0 when the file could not be read at all.
    pub line: u64,
    /// Column, counted from 1; 0 when only the line is known.
    pub column: u64,
    /// The field, such as `groups[0].rules[2].metric`; empty for the whole file.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// What is wrong with a file as a whole.
    pub fn of_file(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, field: String::new(), message, suggestion: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(out, "{}: ", self.file)?,
            (line, 0) => write!(out, "{}:{line}: ", self.file)?,
            (line, column) => write!(out, "{}:{line}:{column}: ", self.file)?,
        }
        if !self.field.is_empty() {
            write!(out, "{}: ", self.field)?;
        }
        out.write_str(&self.message)?;
        match &self.suggestion {
            Some(word) => write!(out, " (did you mean `{word}`?)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Collects the mistakes of one file.
#[derive(Debug)]
pub struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    /// Starts with none.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    /// Adds one of which the line is known; [`Self::locate`] finds its column.
    pub fn add(&mut self, line: u64, field: &str, message: impl Into<String>, suggestion: Option<&str>) {
        self.add_at((line, 0), field, message, suggestion);
    }

    /// Adds one of which line and column are known.
    pub fn add_at(
        &mut self,
        (line, column): (u64, u64),
        field: &str,
        message: impl Into<String>,
        suggestion: Option<&str>,
    ) {
        self.found.push(Problem {
            file: self.file.clone(),
            line,
            column,
            field: field.to_owned(),
            message: message.into(),
            suggestion: suggestion.map(str::to_owned),
        });
    }

    /// Adds that a value is of another kind than the wanted one, such as `a map`.
    pub fn add_kind(&mut self, node: &Node, field: &str, wanted: &str) {
        self.add(node.line, field, format!("{wanted} is expected here, not {}", node.value.kind()), None);
    }

    /// Finds where all mistakes of one document stand: at the key or the item that their field names, else at what is
    /// nearest around it on the line that is known.
    pub fn locate(&mut self, root: &Node) {
        for problem in self.found.iter_mut().filter(|problem| problem.column == 0) {
            (problem.line, problem.column) = place_of(root, &problem.field, problem.line);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All of them, in the order of the file.
    pub fn into_vec(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}

/// Line and column of a field; where it is not there itself, what is nearest around it on a line, else whatever begins
/// that line.
fn place_of(root: &Node, field: &str, line: u64) -> (u64, u64) {
    let (mut node, mut nearest) = (root, (root.line == line).then_some(root.column));
    let mut rest = field;
    while !rest.is_empty() {
        let Some(child) = child(node, rest) else { break };
        if child.rest.is_empty() {
            return child.key;
        }
        let on_line =
            [child.key, (child.node.line, child.node.column)].into_iter().find(|place| place.0 == line);
        nearest = on_line.map(|place| place.1).or(nearest);
        (node, rest) = (child.node, child.rest);
    }
    (line, nearest.or_else(|| first_on(root, line)).unwrap_or(0))
}

/// What the first part of a field's name names.
struct Child<'n, 'f> {
    /// Line and column of its key, or of the item.
    key: (u64, u64),
    node: &'n Node,
    /// The rest of the name.
    rest: &'f str,
}

fn child<'n, 'f>(node: &'n Node, field: &'f str) -> Option<Child<'n, 'f>> {
    let field = field.strip_prefix('.').unwrap_or(field);
    match &node.value {
        Value::List(items) => {
            let (index, rest) = field.strip_prefix('[')?.split_once(']')?;
            let item = items.get(index.parse::<usize>().ok()?)?;
            Some(Child { key: (item.line, item.column), node: item, rest })
        }
        Value::Map(entries) => {
            // Keys may hold dots themselves: the longest one that fits is meant.
            let fits = |entry: &&Entry| {
                let rest = field.strip_prefix(entry.key.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let entry = entries.iter().filter(fits).max_by_key(|entry| entry.key.len())?;
            let rest = field.get(entry.key.len()..)?;
            Some(Child { key: (entry.line, entry.column), node: &entry.value, rest })
        }
        _ => None,
    }
}

/// The column of what begins a line.
fn first_on(node: &Node, line: u64) -> Option<u64> {
    let own = (node.line == line).then_some(node.column);
    let below = match &node.value {
        Value::List(items) => items.iter().filter_map(|item| first_on(item, line)).min(),
        Value::Map(entries) => entries
            .iter()
            .filter_map(|entry| {
                let key = (entry.line == line).then_some(entry.column);
                key.into_iter().chain(first_on(&entry.value, line)).min()
            })
            .min(),
        _ => None,
    };
    own.into_iter().chain(below).min()
}

/// The known word nearest to another, if it is near enough to have been meant.
pub fn closest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let bound = word.chars().count().max(3) / 3;
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in right.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
