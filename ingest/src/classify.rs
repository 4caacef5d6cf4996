//! What a client library calls a failure enters, an [`ErrorClass`] leaves.
//!
//! The rule, in this order:
//! 1. A status of 400 and above decides alone (`ErrorClass::from_status`).
//! 2. Without an error the call is `ok`.
//! 3. Else the error type is searched, in lower case, for the words of one class after the other: names
//!    that do not resolve (`dns`), TLS (`tls`), time (`timeout`), connections (`connect`), cancellation
//!    (`cancelled`). DNS and TLS come first because their types also say "connect" in many libraries.
//! 4. No word matched: with a status below 400 the answer began and its body did not end (`timeout`)
//!    when the type is Go's `*errors.errorString`; without a status that type is a lost connection
//!    (`connect`). Anything else is `unknown`.
//!
//! Promise: a pure function; the same type always has the same class.

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

/// The class of a span by its status and its error type; `failed` says that there was an error at all.
pub fn classify(status: Option<u16>, error_type: Option<&str>, failed: bool) -> ErrorClass {
    let by_status = ErrorClass::resolve(None, status, failed);
    match (by_status, error_type) {
        (ErrorClass::Unknown, Some(error_type)) => by_type(error_type, status.is_some()),
        (class, _) => class,
    }
}

fn by_type(error_type: &str, answered: bool) -> ErrorClass {
    let lower = error_type.to_ascii_lowercase();
    let found = WORDS.iter().find(|(_, words)| words.iter().any(|word| lower.contains(word)));
    match found {
        Some((class, _)) => *class,
        None if error_type == GO_PLAIN_ERROR && answered => ErrorClass::Timeout,
        None if error_type == GO_PLAIN_ERROR => ErrorClass::Connect,
        None => ErrorClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: Option<u16>, error_type: &str, wanted: ErrorClass) {
        assert_eq!(classify(status, Some(error_type), true), wanted, "{error_type}");
    }

    #[test]
    fn failures_of_the_network_have_a_class_in_every_library() {
        for (error_type, wanted) in [
            ("ReadTimeout", ErrorClass::Timeout),
            ("TimeoutError", ErrorClass::Timeout),
            ("context.deadlineExceededError", ErrorClass::Timeout),
            ("java.net.SocketTimeoutException", ErrorClass::Timeout),
            ("ETIMEDOUT", ErrorClass::Timeout),
            ("ClientConnectorDNSError", ErrorClass::Dns),
            ("NameResolutionError", ErrorClass::Dns),
            ("java.net.UnknownHostException", ErrorClass::Dns),
            ("ENOTFOUND", ErrorClass::Dns),
            ("ConnectionError", ErrorClass::Connect),
            ("ConnectError", ErrorClass::Connect),
            ("RemoteProtocolError", ErrorClass::Connect),
            ("ServerDisconnectedError", ErrorClass::Connect),
            ("*net.OpError", ErrorClass::Connect),
            ("*errors.errorString", ErrorClass::Connect),
            ("ECONNABORTED", ErrorClass::Connect),
            ("SSLError", ErrorClass::Tls),
            ("*tls.CertificateVerificationError", ErrorClass::Tls),
            ("AbortError", ErrorClass::Cancelled),
            ("SomethingElse", ErrorClass::Unknown),
        ] {
            check(None, error_type, wanted);
        }
    }

    #[test]
    fn a_status_with_an_error_is_an_answer_that_did_not_end() {
        check(Some(200), "*errors.errorString", ErrorClass::Timeout);
        check(Some(200), "context.deadlineExceededError", ErrorClass::Timeout);
        check(Some(503), "ReadTimeout", ErrorClass::Upstream5xx);
        assert_eq!(classify(Some(200), None, false), ErrorClass::Ok);
        assert_eq!(classify(None, None, true), ErrorClass::Unknown);
    }
}
