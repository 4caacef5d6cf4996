//! Files by name or pattern: paths enter, names and texts leave.
//!
//! Promise: a pattern that matches nothing is a mistake, because rules that are not there watch
//! nothing; and no file is read twice or without bound.

use crate::{Pattern, problem::Problem};
use std::{collections::BTreeSet, fs::File, io::Read, path::Path};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads every file that the paths name, or says what is wrong with all of them.
pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match expand(&path.as_ref().to_string_lossy()) {
            Ok(found) => names.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let mut texts = Vec::new();
    for name in names {
        match read(&name) {
            Ok(text) => texts.push((name, text)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}

/// Reads one file.
pub fn read(path: &str) -> Result<String, Problem> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| Problem::of_file(path, error.to_string()))?;
    let count = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    match count {
        Err(error) => Err(Problem::of_file(path, error.to_string())),
        Ok(count) if count as u64 > MAX_BYTES => {
            Err(Problem::of_file(path, format!("larger than {MAX_BYTES} bytes")))
        }
        Ok(_) => Ok(text),
    }
}

/// The files of one pattern, sorted; a name without `*` is itself.
fn expand(pattern: &str) -> Result<Vec<String>, Problem> {
    let (folder, name) = pattern.rsplit_once('/').map_or(("", pattern), |(folder, name)| (folder, name));
    if folder.contains('*') {
        return Err(Problem::of_file(pattern, "`*` may stand in the file name only".to_owned()));
    }
    if !name.contains('*') {
        return Ok(vec![pattern.to_owned()]);
    }
    let prefix = &pattern[..pattern.len() - name.len()];
    let shown = if prefix.is_empty() { Path::new(".") } else { Path::new(prefix) };
    let entries = std::fs::read_dir(shown).map_err(|error| Problem::of_file(pattern, error.to_string()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> =
        names.filter(|file| matches(name, file)).map(|file| format!("{prefix}{file}")).collect();
    found.sort_unstable();
    if found.is_empty() { Err(Problem::of_file(pattern, "matches no file".to_owned())) } else { Ok(found) }
}

/// Whether a file name has the form of a pattern; hidden files only when the pattern is hidden too.
fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    Pattern::new(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters_but_not_for_hidden_files() {
        for (pattern, name, wanted) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("*.yaml", ".a.yaml", false),
            ("a*b*.y", "a-b-b.y", true),
            ("a*a", "a", false),
            ("*", "x", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
