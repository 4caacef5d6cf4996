//! A child's output, bounded. Enters: what a child writes. Leaves: a log file of at most the given size, one older file
//! beside it, and its last lines for error messages.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Lines shown when a child fails.
const SHOWN_LINES: usize = 12;
/// A line longer than this is cut: one exception of ClickHouse can carry megabytes.
const SHOWN_LINE_BYTES: usize = 400;
/// How far back the last lines are looked for.
const TAIL_BYTES: u64 = 64 << 10;
/// Stands before each start, so that last lines never come from an earlier life.
const START_MARK: &str = "---- started by callmeter ----";

/// An append-only file that starts afresh when it has reached its size.
pub(super) struct BoundedLog {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl BoundedLog {
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = append(path)?;
        let size = file.metadata()?.len();
        let mut log = Self { path: path.to_path_buf(), file, size, limit };
        log.write(format!("{START_MARK}\n").as_bytes())?;
        Ok(log)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + bytes.len() as u64 > self.limit {
            std::fs::rename(&self.path, older(&self.path))?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Copies until the last holder of the other end is gone. A log that cannot be written (disk full) must not stop
    /// the child that writes it, so such bytes are dropped.
    pub(super) fn copy_from(mut self, mut output: impl Read) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => drop(self.write(&buffer[..length])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// The last lines that a child wrote since its last start, indented for an error message.
#[must_use]
pub fn last_lines(log_file: &Path) -> String {
    let text = tail(log_file).unwrap_or_default();
    let recent = text.rsplit_once(START_MARK).map_or(text.as_str(), |(_, after)| after);
    let shown = indent(recent);
    if shown.is_empty() { "  (nothing was written)".to_owned() } else { shown }
}

/// The last lines of a text, cut to a readable length and indented, without stack traces: they push out the cause.
pub(crate) fn indent(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !is_frame(line)).collect();
    let recent = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    recent.iter().map(|line| format!("  {}", cut(line))).collect::<Vec<_>>().join("\n")
}

/// A frame of a Java stack trace or of one of ClickHouse.
fn is_frame(line: &str) -> bool {
    let inner = line.trim_start();
    let numbered = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    (inner.len() < line.len() && (inner.starts_with("at ") || inner.starts_with("... ")))
        || (numbered.len() < inner.len() && numbered.starts_with(". ") && inner.contains(" @ 0x"))
}

fn cut(line: &str) -> &str {
    &line[..line.floor_char_boundary(SHOWN_LINE_BYTES)]
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_and_its_elder_stay_below_the_limit() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("child.log");
        for _ in 0..10 {
            let log = BoundedLog::open(&path, 1_000).expect("a log");
            log.copy_from(&[b'x'; 300][..]);
        }
        let size = |path: &Path| path.metadata().expect("a file").len();
        assert!(size(&path) <= 1_000 && size(&older(&path)) <= 1_000);
    }

    #[test]
    fn stack_traces_do_not_push_out_the_cause() {
        let text =
            "FATAL no room\n\tat kafka.Kafka.main(Kafka.scala)\n\t... 6 more\n0. DB::f() @ 0x1c8f\nend\n";
        assert_eq!(indent(text), "  FATAL no room\n  end");
    }

    #[test]
    fn last_lines_come_from_the_last_start_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("child.log");
        for text in ["an old failure\n", "first\nsecond\n"] {
            BoundedLog::open(&path, 10_000).expect("a log").copy_from(text.as_bytes());
        }
        assert_eq!(last_lines(&path), "  first\n  second");
    }
}
