//! Whether an attempt may have reached its vendor: what is known of its end enters, yes or no leaves.
//!
//! The one place of the rule behind `billable: any_attempt`. Promise: pure; in doubt an attempt counts, because a
//! vendor that was reached has counted it.

use crate::client_errors;
use callmeter_schemas::ErrorClass;

/// Whether the vendor may have seen an attempt.
///
/// With a status it has. Without one it has not when the name did not resolve, when TLS failed, when a kill switch
/// stopped the call, or when the error says that no connection was made (refused, unreachable, `ConnectError` …). A
/// connection that was lost later (reset, EOF, `ReadError`, a server that hung up) may have carried the request, and so
/// may a `connect` whose error tells neither.
pub fn may_have_reached(status: Option<u16>, class: ErrorClass, error: Option<&str>) -> bool {
    if status.is_some() {
        return true;
    }
    match class {
        ErrorClass::Dns | ErrorClass::Tls | ErrorClass::Killed => false,
        ErrorClass::Connect => !error.is_some_and(client_errors::never_connected),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(class: ErrorClass, error: &str, wanted: bool) {
        assert_eq!(may_have_reached(None, class, Some(error)), wanted, "{error}");
        assert!(may_have_reached(Some(200), class, Some(error)), "{error} with a status");
    }

    #[test]
    fn a_connection_that_never_was_cannot_have_reached_the_vendor() {
        for error in [
            "ECONNREFUSED",
            "ConnectionRefusedError",
            "connection refused",
            "EHOSTUNREACH",
            "network is unreachable",
            "ConnectError",
            "httpx.ConnectTimeout",
            "aiohttp.client_exceptions.ClientConnectorError",
            "java.net.ConnectException",
            "NewConnectionError",
            "*net.OpError",
        ] {
            check(ErrorClass::Connect, error, false);
        }
        check(ErrorClass::Dns, "ENOTFOUND", false);
        check(ErrorClass::Tls, "SSLError", false);
        check(ErrorClass::Killed, "", false);
    }

    #[test]
    fn a_connection_that_was_lost_may_have_reached_the_vendor() {
        for error in [
            "ECONNRESET",
            "ConnectionResetError",
            "EOFError",
            "*errors.errorString",
            "ReadError",
            "IncompleteRead",
            "RemoteProtocolError",
            "socket hang up",
            "ECONNABORTED",
            "ServerDisconnectedError",
            "BrokenPipeError",
            "ConnectionError",
            "",
        ] {
            check(ErrorClass::Connect, error, true);
        }
        check(ErrorClass::Timeout, "ReadTimeout", true);
        assert!(may_have_reached(None, ErrorClass::Connect, None));
    }
}
