//! What a client library calls a failure enters, an [`ErrorClass`] leaves, and whether a connection was ever made.
//!
//! Without an answer the words of the error are compared with those of one class after the other: names that do not
//! resolve (`dns`), TLS (`tls`), time (`timeout`), connections (`connect`), cancellation (`cancelled`). DNS and TLS come
//! first because their types also say "connect" in many libraries. An answer that began proves name, connection and
//! TLS: then an error is `timeout` or `cancelled`, and only where it is the name of a library's type and not a code of
//! the vendor. Go's `*errors.errorString` is an answer that did not end (`timeout`), or a lost connection (`connect`).
//! Anything else is `unknown`. Promise: pure; whole words, never parts of them.

use crate::words::Words;
use callmeter_schemas::ErrorClass;

const DNS: &[&str] = &[
    "dns",
    "name resolution",
    "name not resolved",
    "unknown host",
    "no such host",
    "enotfound",
    "eai",
    "gaierror",
    "getaddrinfo",
    "nxdomain",
];
const TLS: &[&str] = &[
    "ssl",
    "sslv3",
    "openssl",
    "sslerror",
    "tls",
    "tlsv1",
    "x509",
    "certificate",
    "cert",
    "secure connection",
    "handshake",
];
const TIMEOUT: &[&str] = &[
    "timeout",
    "timedout",
    "timed out",
    "time out",
    "deadline",
    "etimedout",
    "esockettimedout",
    "timeouterror",
    "readtimeout",
    "connecttimeout",
];
const CONNECT: &[&str] = &[
    "connect",
    "connected",
    "connection",
    "connections",
    "connector",
    "connecterror",
    "connectionerror",
    "disconnect",
    "disconnected",
    "connection reset",
    "reset by peer",
    "stream reset",
    "econnrefused",
    "econnreset",
    "econnaborted",
    "epipe",
    "broken pipe",
    "unreachable",
    "ehostunreach",
    "enetunreach",
    "ehostdown",
    "enetdown",
    "eaddrnotavail",
    "net op error",
    "protocol error",
    "eof",
    "socket",
    "max retry",
    "read error",
    "write error",
    "client os error",
    "incomplete read",
];
const CANCELLED: &[&str] =
    &["cancel", "canceled", "cancelled", "cancellation", "abort", "aborted", "aborterror"];

/// Words by class; the first class with a word wins.
const WORDS: [(ErrorClass, &[&str]); 5] = [
    (ErrorClass::Dns, DNS),
    (ErrorClass::Tls, TLS),
    (ErrorClass::Timeout, TIMEOUT),
    (ErrorClass::Connect, CONNECT),
    (ErrorClass::Cancelled, CANCELLED),
];

/// What says that no connection was made, so that no request can have been sent. A connection that was lost (reset,
/// EOF, a broken pipe, a server that hung up) is none of it.
const NEVER_CONNECTED: &[&str] = &[
    "refused",
    "econnrefused",
    "unreachable",
    "ehostunreach",
    "enetunreach",
    "ehostdown",
    "enetdown",
    "eaddrnotavail",
    "no route",
    "connect timeout",
    "connect timed out",
    "connect error",
    "connecterror",
    "connect exception",
    "connector error",
    "new connection error",
    "cannot connect",
    "could not connect",
    "couldnt connect",
    "failed to connect",
    "net op error",
];

/// Go's type for plain errors: EOF on a reset connection, or `http.Client.Timeout` while reading.
const GO_PLAIN_ERROR: &str = "*errors.errorString";

/// Names of libraries' types and codes that end neither in `Error` nor in `Exception`.
const BARE_TYPES: &[&str] = &[
    "ReadTimeout",
    "WriteTimeout",
    "ConnectTimeout",
    "PoolTimeout",
    "Timeout",
    "ETIMEDOUT",
    "ESOCKETTIMEDOUT",
    "ERR_CANCELED",
];

/// The class of an error; `answered` says whether a status had arrived.
pub(crate) fn by_type(error: &str, answered: bool) -> ErrorClass {
    if error == GO_PLAIN_ERROR {
        return if answered { ErrorClass::Timeout } else { ErrorClass::Connect };
    }
    let words = Words::of(error);
    let possible = |class: ErrorClass| {
        !answered
            || (matches!(class, ErrorClass::Timeout | ErrorClass::Cancelled)
                && is_library_type(error, &words))
    };
    let mut found = WORDS.iter().filter(|(_, list)| words.say(list)).map(|(class, _)| *class);
    found.find(|class| possible(*class)).unwrap_or(ErrorClass::Unknown)
}

/// Whether an error says that no connection was made.
pub(crate) fn never_connected(error: &str) -> bool {
    Words::of(error).say(NEVER_CONNECTED)
}

/// Whether a text is the name of a type, perhaps with its package: `httpx.ReadTimeout`, `context.deadlineExceededError`.
/// Vendors' codes are sentences, `snake_case` or capitals.
fn is_library_type(error: &str, words: &Words) -> bool {
    let name = error.trim_start_matches('*');
    let last = name.rsplit(['.', ':', '/', '$', '\\']).next().unwrap_or(name);
    let camel = last.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && last.bytes().any(|byte| byte.is_ascii_lowercase())
        && last.bytes().any(|byte| byte.is_ascii_uppercase());
    let one_word = !name.contains(char::is_whitespace);
    one_word && ((camel && matches!(words.last(), "error" | "exception")) || BARE_TYPES.contains(&last))
}
