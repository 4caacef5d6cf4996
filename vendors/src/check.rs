//! Checking a profile: its text enters, the profile or everything that is wrong with it leaves.
//!
//! First its form (against the schema that editors use), then its meaning, then its fixtures, which are run
//! through the one path that every call takes. Promise: pure; every mistake has its file, line and field.

mod fixtures;

mod rules;

use crate::{catalogue, profile::Profile};
use callmeter_documents::{Problem, Problems, Shape, shape, yaml, yaml::Node};
use std::sync::LazyLock;

/// A profile without mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The profile.
    pub profile: Profile,
    pub(crate) integration_line: u64,
    pub(crate) host_lines: Vec<u64>,
}

/// The published schema, compiled once; `None` would be a mistake in the types, which a test excludes.
static SHAPE: LazyLock<Option<Shape>> = LazyLock::new(|| Shape::new(crate::profile::schema()).ok());

/// Reads a profile and runs its fixtures, also beside mistakes of meaning. `file` is its name for people; a profile is
/// named like its file.
pub fn check(file: &str, text: &str) -> Result<Checked, Vec<Problem>> {
    finish(file, text, true)
}

/// Checks profiles and that no two of them claim the same.
pub fn check_all<F: AsRef<str>, T: AsRef<str>>(files: &[(F, T)]) -> Result<Vec<Checked>, Vec<Problem>> {
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for (file, text) in files {
        match check(file.as_ref(), text.as_ref()) {
            Ok(checked) => read.push((file.as_ref(), checked)),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(catalogue::conflicts(&read));
    if problems.is_empty() {
        Ok(read.into_iter().map(|(_, checked)| checked).collect())
    } else {
        Err(problems)
    }
}

/// Reads a profile and leaves its fixtures alone.
pub(crate) fn read(file: &str, text: &str) -> Result<Checked, Vec<Problem>> {
    finish(file, text, false)
}

fn finish(file: &str, text: &str, with_fixtures: bool) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::new(file);
    let Some((root, profile)) = formed(text, &mut problems) else { return Err(problems.into_vec()) };
    let mut desk = Desk { root: &root, problems: &mut problems };
    rules::run(&profile, file, &mut desk);
    if with_fixtures {
        fixtures::run(&profile, &mut desk);
    }
    let integration_line = desk.line(&["integration"]);
    let host_lines =
        (0..profile.hosts.len()).map(|place| desk.line(&["hosts", &place.to_string()])).collect();
    problems.locate(&root);
    let problems = problems.into_vec();
    if problems.is_empty() { Ok(Checked { profile, integration_line, host_lines }) } else { Err(problems) }
}

/// A profile of the right form.
fn formed(text: &str, problems: &mut Problems) -> Option<(Node, Profile)> {
    match yaml::parse(text) {
        Ok(root) => {
            let profile = SHAPE.as_ref().and_then(|shape| shape.read::<Profile>(&root, problems));
            problems.locate(&root);
            Some((root, profile?))
        }
        Err(error) => {
            problems.add_at((error.line, error.column), "", error.message, None);
            None
        }
    }
}

/// Where mistakes are noted.
struct Desk<'d> {
    root: &'d Node,
    problems: &'d mut Problems,
}

impl Desk<'_> {
    /// Notes a mistake at a place, such as `["errors", "2", "class"]`.
    fn say(&mut self, place: &[&str], message: impl Into<String>) {
        let owned: Vec<String> = place.iter().map(|part| (*part).to_owned()).collect();
        let line = shape::line_of(self.root, &owned);
        self.problems.add(line, &shape::name_of(&owned), message, None);
    }

    fn line(&self, place: &[&str]) -> u64 {
        let owned: Vec<String> = place.iter().map(|part| (*part).to_owned()).collect();
        shape::line_of(self.root, &owned)
    }
}

#[cfg(test)]
mod tests;
