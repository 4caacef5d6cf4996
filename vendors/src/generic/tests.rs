//! Paths enter, their templates are compared; generated ids never show up in one.

use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(path: &str, wanted: &str) {
    assert_eq!(template(path), wanted, "{path}");
}

#[test]
fn what_varies_becomes_a_placeholder() {
    check("/v1/customers/cus_NffrFJdlkTw9/sources", "/v1/customers/{id}/sources");
    check("/orders/4711", "/orders/{id}");
    check("/orders/4711.json", "/orders/{id}.json");
    check("/things/550e8400-e29b-41d4-a716-446655440000", "/things/{id}");
    check("/things/550e8400e29b41d4a716446655440000", "/things/{id}");
    check("/things/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/things/{id}");
    check("/commits/16c7e42f292c6912e7710c838347ae178b4a0b1c", "/commits/{id}");
    check("/users/jo.doe@example.com/x", "/users/{email}/x");
    check("/users/jo%40example.com", "/users/{email}");
    check("/reports/2026-01-15/rows", "/reports/{date}/rows");
    check("/reports/2026-01-15T12:00:00Z", "/reports/{date}");
    check("/files/%D0%B0%20b", "/files/{id}");
    check("/x/ünïcode", "/x/{id}");
    check("/jobs/123:cancel", "/jobs/{id}:cancel");
    check("/odata/Accounts(00000000-0000-0000-0000-000000000001)", "/odata/Accounts({id})");
    check("/a/aGVsbG8gd29ybGQhIQ", "/a/{id}");
    check("/a/xKqWmZpLrTbN", "/a/{id}");
    check("/sites/shop.example.com/pages", "/sites/{id}/pages");
    check("/posts/how-to-do-this-and-that-today", "/posts/{id}");
    check("/c/C024BE91L", "/c/{id}");
    check("/run-81/x", "/{id}/x");
    check("/hooks/abcde1f", "/hooks/{id}");
    check("/a/12.5", "/a/{id}");
    check("/commits/deadbeef", "/commits/{id}");
    check("/commits/DEADBEEFCAFE", "/commits/{id}");
    check("/commits/facade", "/commits/facade");
    check("/profiles/@jo/posts", "/profiles/{id}/posts");
    check("/profiles/@jo.doe", "/profiles/{id}");
    check("/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "/{secret}/getMe");
}

#[test]
fn words_versions_and_extensions_stay() {
    for path in [
        "/",
        "/v1/charges",
        "/v2.0/me/messages",
        "/v1beta1/projects",
        "/users/me",
        "/users/@me",
        "/users/~",
        "/api/conversations.list",
        "/api/rate-limit-status",
        "/DescribeInstances",
        "/sobjects/OpportunityLineItem",
        "/oauth2/token",
        "/2.0/files",
        "/sobjects/Pricebook2Entry",
        "/locations/us-central1",
        "/feeds/items.atom",
        "/export.csv",
        "/crm/objects/line_items",
        "/models/chat:complete",
        "/$batch",
        "/.well-known/openid-configuration",
        "/functions/now()",
    ] {
        check(path, path);
    }
    check("//v1///things/", "/v1/things");
    check("", "/");
}

#[test]
fn the_result_is_bounded() {
    let deep = "/word".repeat(500);
    assert_eq!(template(&deep), format!("{}/{{path*}}", "/word".repeat(MOST_SEGMENTS)));
    let wide = "/some-rather-long-words".repeat(10);
    assert!(template(&wide).len() <= MOST_BYTES + REST.len() + 1, "{}", template(&wide));
}

fn uuid() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
}

fn ulid() -> impl Strategy<Value = String> {
    "[0-7][0-9A-HJKMNP-TV-Z]{25}"
}

fn email() -> impl Strategy<Value = String> {
    "[a-z]{1,8}[.+]?[a-z]{1,8}@[a-z]{2,10}\\.(com|org|co)"
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![uuid(), ulid(), email(), "[1-9][0-9]{3,15}", "[a-z]{3}_[A-Z][a-z][0-9][a-zA-Z0-9]{10}"]
}

proptest! {
    #[test]
    fn no_id_stays_in_an_endpoint(id in id(), before in "(/[a-z]{2,8}){0,3}", after in "(/[a-z]{2,8}|\\.json|:cancel)?") {
        let found = template(&format!("{before}/{id}{after}"));
        prop_assert!(!found.contains(&id), "{found}");
    }

    #[test]
    fn a_template_is_its_own_template(path in "[a-zA-Z0-9/_.:{}*()@%~ é-]{0,80}") {
        let once = template(&path);
        prop_assert_eq!(template(&once), once);
    }

    #[test]
    fn a_template_of_segments_is_its_own_template(segments in prop::collection::vec(id(), 0..14)) {
        let once = template(&segments.join("/"));
        prop_assert_eq!(template(&once), once);
    }
}
