//! Advisory locks on folders, so that two processes never work on the same one. Enters: a folder. Leaves: a guard.
//! Promise: the kernel lets go when the process dies, however it dies; a stale lock file means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::{EngineError, Problem};

const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Holds a folder until dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the data folder at once or says who holds it.
    pub(crate) fn take(dir: &Path) -> Result<Self, EngineError> {
        let path = dir.join("lock");
        let mut file = open(dir, &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let holder = file.read_to_string(&mut holder).ok().and_then(|_| holder.trim().parse().ok());
                return Err(Problem::DataDirLocked { path: dir.to_path_buf(), holder }.into());
            }
            Err(TryLockError::Error(error)) => return Err(EngineError::io("cannot lock", &path, error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| EngineError::io("cannot write", &path, error))?;
        Ok(Self { _file: file })
    }

    /// Waits for the cache folder; `waiting` runs once when another process has it.
    pub(crate) async fn wait(dir: &Path, waiting: impl FnOnce()) -> Result<Self, EngineError> {
        let path = dir.join("lock");
        let file = open(dir, &path)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => waiting.take().into_iter().for_each(|tell| tell()),
                Err(TryLockError::Error(error)) => return Err(EngineError::io("cannot lock", &path, error)),
            }
            // Asking again instead of blocking: whoever waits can be told to stop.
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

fn open(dir: &Path, path: &Path) -> Result<File, EngineError> {
    std::fs::create_dir_all(dir).map_err(|error| EngineError::io("cannot create", dir, error))?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| EngineError::io("cannot open", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_names_the_holder() {
        let dir = tempfile::tempdir().expect("a folder");
        let _first = DirLock::take(dir.path()).expect("the first lock");
        let second = DirLock::take(dir.path()).expect_err("the second is refused");
        match second.problem() {
            Problem::DataDirLocked { holder, .. } => assert_eq!(*holder, Some(std::process::id())),
            other => panic!("{other}"),
        }
    }
}
