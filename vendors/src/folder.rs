//! The folder of own profiles: a path enters, names and texts of its files leave, or what is wrong.
//!
//! The one file of this crate that looks at the disk. Promise: bounded in files and bytes; a fingerprint changes
//! whenever a file is added, removed or written.

use crate::Catalogue;
use callmeter_documents::{Problem, files};
use std::{path::Path, time::SystemTime};

/// Most profiles in a folder.
const MOST_FILES: usize = 1_000;
/// Largest profile, in bytes; the built-in ones have about 15,000.
const MOST_BYTES: usize = 1024 * 1024;

/// Names, sizes and times of a folder's profiles; `None` when it cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Option<Vec<(String, u64, Option<SystemTime>)>>);

/// The built-in profiles and those of a folder, or everything that is wrong with those.
pub fn load(folder: &Path) -> Result<Catalogue, Vec<Problem>> {
    Catalogue::with(&Catalogue::built_in(), &read(folder)?)
}

/// The files `*.yaml` and `*.yml` of a folder, sorted by name.
pub fn read(folder: &Path) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let problem = |file: &str, message| vec![Problem::of_file(file, message)];
    let shown = folder.display().to_string();
    let names = names(folder).map_err(|error| problem(&shown, error.to_string()))?;
    if names.len() > MOST_FILES {
        return Err(problem(&shown, format!("holds more than {MOST_FILES} profiles")));
    }
    let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let texts = files::read_all(&paths)?;
    match texts.iter().find(|(_, text)| text.len() > MOST_BYTES) {
        Some((file, _)) => Err(problem(file, format!("larger than {MOST_BYTES} bytes"))),
        None => Ok(texts),
    }
}

/// What the folder looks like now.
pub fn fingerprint(folder: &Path) -> Fingerprint {
    let look = |name: String| {
        let about = folder.join(&name).metadata();
        let (size, time) = about.map_or((0, None), |about| (about.len(), about.modified().ok()));
        (name, size, time)
    };
    Fingerprint(names(folder).ok().map(|names| names.into_iter().take(MOST_FILES).map(look).collect()))
}

fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = folder.read_dir()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml")))
        .take(MOST_FILES + 1)
        .collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_by_name_and_a_change_shows() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()), Ok(Vec::new()));
        let empty = fingerprint(folder.path());
        for (name, text) in [("b.yml", "b"), ("a.yaml", "a"), (".c.yaml", "c"), ("d.txt", "d")] {
            std::fs::write(folder.path().join(name), text).expect("it is written");
        }
        let texts: Vec<String> =
            read(folder.path()).expect("readable").into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["a", "b"]);
        let two = fingerprint(folder.path());
        assert_ne!(empty, two);
        assert_eq!(two, fingerprint(folder.path()));
        std::fs::write(folder.path().join("a.yaml"), "longer").expect("it is written");
        assert_ne!(two, fingerprint(folder.path()));
        let lost = read(&folder.path().join("nowhere")).expect_err("it is not there");
        assert_eq!((lost.len(), lost[0].line), (1, 0));
    }
}
