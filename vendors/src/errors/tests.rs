//! Answers enter, their classes are compared.

use super::*;
use std::collections::BTreeMap;

fn classified(
    status: Option<u16>,
    error: Option<&str>,
    failed: bool,
    used_up: bool,
    unknown_vendor: bool,
) -> ErrorClass {
    let names = Names::new(std::iter::empty());
    let headers = BTreeMap::new();
    let values = names.values(&headers);
    classify(&[], &Seen { status, error, failed, values: &values, used_up, unknown_vendor }).0
}

#[track_caller]
fn check(status: Option<u16>, error: &str, wanted: ErrorClass) {
    assert_eq!(classified(status, Some(error), true, false, true), wanted, "{status:?} {error}");
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
    check(Some(200), "ReadTimeout", ErrorClass::Timeout);
    check(Some(200), "aiohttp.TimeoutError", ErrorClass::Timeout);
    check(Some(200), "CancelledError", ErrorClass::Cancelled);
    check(Some(503), "ReadTimeout", ErrorClass::Upstream5xx);
    assert_eq!(classified(Some(200), None, false, false, true), ErrorClass::Ok);
    assert_eq!(classified(None, None, true, false, true), ErrorClass::Unknown);
    assert_eq!(classified(None, None, false, false, true), ErrorClass::Ok);
}

#[test]
fn an_answer_proves_that_name_connection_and_tls_were_right() {
    for error in [
        "GIFT_CERTIFICATE_NOT_FOUND",
        "user_reset_required",
        "INVALID_TYPEOF",
        "dns_zone_locked",
        "SSLError",
        "ConnectionError",
        "ENOTFOUND",
        "order_cancelled",
        "OrderCancelled",
        "PAYMENT_TIMEOUT",
        "Session timed out",
        "on_fire",
    ] {
        check(Some(200), error, ErrorClass::Unknown);
    }
}

#[test]
fn words_are_whole() {
    for error in ["INVALID_TYPEOF", "user_reset_required", "CERTAIN", "disconnectable", "CARD_REFUSED"] {
        check(None, error, ErrorClass::Unknown);
    }
    for error in ["EOFError", "socket hang up", "ECONNRESET", "ConnectionResetError", "io.ErrUnexpectedEOF"] {
        check(None, error, ErrorClass::Connect);
    }
    check(None, "CERT_HAS_EXPIRED", ErrorClass::Tls);
    check(None, "EAI_AGAIN", ErrorClass::Dns);
    check(None, "connect ETIMEDOUT 10.0.0.1:443", ErrorClass::Timeout);
}

#[test]
fn a_limit_that_arrives_with_another_status_is_known_by_its_words() {
    check(Some(403), "rateLimitExceeded", ErrorClass::RateLimited);
    check(Some(400), "RATE_LIMITED", ErrorClass::RateLimited);
    check(Some(503), "SlowDown", ErrorClass::RateLimited);
    check(Some(200), "Too Many Requests", ErrorClass::RateLimited);
    check(None, "ThrottlingException", ErrorClass::RateLimited);
    check(Some(403), "quotaExceeded", ErrorClass::QuotaExhausted);
    check(Some(403), "DAILY_LIMIT", ErrorClass::QuotaExhausted);
    check(Some(429), "insufficient_quota", ErrorClass::QuotaExhausted);
    check(Some(403), "insufficient_scope", ErrorClass::Forbidden);
    check(Some(404), "quota_not_found", ErrorClass::NotFound);
    assert_eq!(classified(Some(429), Some("quota"), true, false, false), ErrorClass::RateLimited);
    for (error, wanted) in [
        ("QUOTATION_LOCKED", ErrorClass::Validation),
        ("GENERATE_LIMIT_INVALID", ErrorClass::Validation),
        ("corporate_limit", ErrorClass::Validation),
        ("userRateLimitExceeded", ErrorClass::RateLimited),
        ("Request limit exceeded.", ErrorClass::RateLimited),
    ] {
        check(Some(400), error, wanted);
    }
    for status in [402, 420, 509, 529] {
        check(Some(status), "rate_limited", ErrorClass::RateLimited);
        check(Some(status), "monthly_limit", ErrorClass::QuotaExhausted);
        let known = classified(Some(status), Some("rate_limited"), true, false, false);
        assert_eq!(known, ErrorClass::from_status(status), "{status}");
    }
}

#[test]
fn nothing_left_makes_a_refusal_a_limit_only_where_nothing_is_known_of_the_vendor() {
    for status in [400, 403, 503] {
        assert_eq!(classified(Some(status), None, true, true, true), ErrorClass::RateLimited, "{status}");
    }
    assert_eq!(classified(Some(403), None, true, false, true), ErrorClass::Forbidden);
    assert_eq!(classified(Some(403), None, true, true, false), ErrorClass::Forbidden);
    assert_eq!(classified(Some(200), None, false, true, true), ErrorClass::Ok);
}
