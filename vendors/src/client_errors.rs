//! What a client library calls a failure enters, an [`ErrorClass`] leaves.
//!
//! The type of the error is searched, in lower case, for the words of one class after the other: names that do
//! not resolve (`dns`), TLS (`tls`), time (`timeout`), connections (`connect`), cancellation (`cancelled`). DNS and
//! TLS come first because their types also say "connect" in many libraries. No word matched: when the type is Go's
//! `*errors.errorString`, an answer that began did not end (`timeout`), and one that never came is a lost connection
//! (`connect`). Anything else is `unknown`. Promise: a pure function; the same type always has the same class.

use callmeter_schemas::ErrorClass;

/// Words by class; the first class with a word that the type contains wins.
const WORDS: &[(ErrorClass, &[&str])] = &[
    (
        ErrorClass::Dns,
        &["dns", "nameresolution", "name_resolution", "unknownhost", "enotfound", "eai_", "gaierror"],
    ),
    (ErrorClass::Tls, &["ssl", "tls", "x509", "certificate", "cert_", "secure_connection", "handshake"]),
    (ErrorClass::Timeout, &["timeout", "timedout", "timed_out", "deadline"]),
    (
        ErrorClass::Connect,
        &[
            "connect",
            "refused",
            "reset",
            "econn",
            "epipe",
            "unreach",
            "net.operror",
            "protocolerror",
            "eof",
            "socket",
            "maxretryerror",
            "readerror",
            "writeerror",
            "clientoserror",
            "incompleteread",
        ],
    ),
    (ErrorClass::Cancelled, &["cancel", "abort"]),
];

/// Go's type for plain errors: EOF on a reset connection, or `http.Client.Timeout` while reading.
const GO_PLAIN_ERROR: &str = "*errors.errorString";

/// The class of an error type; `answered` says whether a status had arrived.
pub(crate) fn by_type(error_type: &str, answered: bool) -> ErrorClass {
    let lower = error_type.to_ascii_lowercase();
    let found = WORDS.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word)));
    match found {
        Some((class, _)) => *class,
        None if error_type == GO_PLAIN_ERROR && answered => ErrorClass::Timeout,
        None if error_type == GO_PLAIN_ERROR => ErrorClass::Connect,
        None => ErrorClass::Unknown,
    }
}
