//! ClickHouse as a library, in a process of its own. Enters: the arguments of the hidden command. Leaves: never; the
//! process ends when its standard input closes, that is, with its parent at the latest.
//!
//! This is the one place that loads foreign code. The library's C function `chdb_query_cmdline` behaves like the
//! command line of `clickhouse local`; the statements it is given open the server's ports and then wait for the end of
//! standard input. Failures to start are text on standard error with any exit code, so only an answer means success.

#[cfg(target_os = "linux")]
mod failed_write;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process;

/// The hidden command of the binary that leads to [`clickhouse_child_main`].
pub const CLICKHOUSE_CHILD_COMMAND: &str = "engine-clickhouse";

const STATEMENTS: &str = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
    SELECT * FROM file('/dev/stdin', 'LineAsString', 's String') FORMAT Null SETTINGS max_execution_time = 0";

/// Runs ClickHouse until standard input closes. Call it before any thread or runtime exists, with what follows
/// [`CLICKHOUSE_CHILD_COMMAND`] on the command line:
/// `--lib FILE --config FILE --path DIR --http-port PORT --tcp-port PORT`.
#[allow(
    clippy::disallowed_methods,
    reason = "the library's threads never end, and nothing here is to be put away"
)]
pub fn clickhouse_child_main(args: impl IntoIterator<Item = OsString>) -> ! {
    let failure = match Arguments::parse(args) {
        Ok(arguments) => library::run(&arguments.lib, &arguments.command_line()).err(),
        Err(usage) => Some(usage),
    };
    match failure {
        None => process::exit(0),
        Some(text) => {
            eprintln!("{text}");
            process::exit(1)
        }
    }
}

#[derive(Debug, Default)]
struct Arguments {
    lib: PathBuf,
    config: OsString,
    path: OsString,
    http_port: OsString,
    tcp_port: OsString,
}

impl Arguments {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{} needs a value", name.display()))?;
            match name.to_str() {
                Some("--lib") => parsed.lib = value.into(),
                Some("--config") => parsed.config = value,
                Some("--path") => parsed.path = value,
                Some("--http-port") => parsed.http_port = value,
                Some("--tcp-port") => parsed.tcp_port = value,
                _ => {
                    return Err(format!("{} is not an option of {CLICKHOUSE_CHILD_COMMAND}", name.display()));
                }
            }
        }
        Ok(parsed)
    }

    /// What the library takes for its command line. Ports and path stand in the configuration too, but the library
    /// reads these three from here only.
    fn command_line(&self) -> Vec<OsString> {
        let option = |name: &str, value: &OsString| {
            let mut option = OsString::from(name);
            option.push(value);
            option
        };
        vec![
            "clickhouse".into(),
            option("--config-file=", &self.config),
            option("--path=", &self.path),
            option("--http_port=", &self.http_port),
            option("--tcp_port=", &self.tcp_port),
            "--listen_host=127.0.0.1".into(),
            // The level in the configuration file is not honoured; the default here is trace.
            "--log-level=information".into(),
            "--query".into(),
            STATEMENTS.into(),
        ]
    }
}

#[allow(unsafe_code, reason = "a C library can be loaded and called in no other way")]
mod library {
    //! The calls into the library.

    use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
    use std::os::unix::ffi::OsStringExt;
    use std::path::Path;

    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

    type QueryCmdline = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void;
    type ResultError = unsafe extern "C" fn(*mut c_void) -> *const c_char;

    /// Calls the library with a command line and returns when that has ended.
    pub(super) fn run(lib: &Path, command_line: &[OsString]) -> Result<(), String> {
        let words: Result<Vec<CString>, _> =
            command_line.iter().map(|word| CString::new(word.clone().into_vec())).collect();
        let words = words.map_err(|_| "an argument holds a zero byte".to_owned())?;
        let mut pointers: Vec<*mut c_char> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        pointers.push(std::ptr::null_mut());
        let count = c_int::try_from(words.len()).map_err(|error| error.to_string())?;

        // SAFETY: the file was compared with a pinned hash when it was fetched; its initialisers are those of
        // ClickHouse, and no other thread of this process runs yet that could disturb them.
        let library = unsafe { Library::open(Some(lib), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| error.to_string())?;
        // The library's threads may still run at the end, so its code must stay mapped.
        let library: &'static Library = Box::leak(Box::new(library));
        // SAFETY: the type is that of the C header of this pinned version.
        let query = unsafe { library.get::<QueryCmdline>(c"chdb_query_cmdline") }
            .map_err(|error| error.to_string())?;
        // SAFETY: as above.
        let error =
            unsafe { library.get::<ResultError>(c"chdb_result_error") }.map_err(|error| error.to_string())?;
        end_at_failed_write(*query)?;

        // SAFETY: `pointers` holds `count` zero-terminated strings that outlive the call, then a null, as in `main`.
        let result = unsafe { query(count, pointers.as_mut_ptr()) };
        if result.is_null() {
            return Err("clickhouse returned nothing".to_owned());
        }
        // SAFETY: `result` came from the call above and was not destroyed.
        let message = unsafe { error(result) };
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: a message is a zero-terminated string owned by `result`, which lives until the process ends.
        let message = unsafe { CStr::from_ptr(message) };
        Err(message.to_string_lossy().into_owned())
    }

    #[cfg(target_os = "linux")]
    fn end_at_failed_write(inside: QueryCmdline) -> Result<(), String> {
        // SAFETY: the library is never closed, and all of it was bound when it was opened.
        unsafe { super::failed_write::end_process_at_failed_write(inside as *const c_void) }
    }

    #[cfg(not(target_os = "linux"))]
    fn end_at_failed_write(_inside: QueryCmdline) -> Result<(), String> {
        Err("a failed write of the ClickHouse library is noticed on Linux only: it is not started".to_owned())
    }
}
