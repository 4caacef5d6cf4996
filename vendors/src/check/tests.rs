//! Profiles with mistakes enter, what is said about each is compared; the built-in ones have none.

use super::*;
use crate::built_in::BUILT_IN;

fn told(text: &str) -> String {
    match check("shop.yaml", text) {
        Ok(checked) => format!("{} is right", checked.profile.name),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

const GOOD: &str = r#"
integration: shop
name: Shop
category: commerce
hosts: [api.shop.com, "*.shop.com/v2"]
paths: ["/orders", "/orders/{id}"]
errors:
- {status: [403], headers: {x-left: "0"}, class: rate_limited}
quota:
- {policy: daily, scope: app, limit_fixed: 100, used: x-used#calls, reset: x-reset, reset_form: seconds}
batch:
- {endpoint: POST /orders, use: POST /orders/batch, size: 50}
fixtures:
- name: an order
  request: {host: api.shop.com, method: POST, path: /orders}
  response: {status: 201, headers: {X-Used: "calls=40", x-reset: "60"}}
  expect:
    endpoint: POST /orders
    error_class: ok
    quota: [{policy: daily, scope: app, limit: 100, remaining: 60, reset: "2026-01-15T12:01:00Z"}]
    billable: true
    batch_size: 50
"#;

#[test]
fn a_right_profile_passes_with_its_fixtures() {
    assert_eq!(told(GOOD), "Shop is right");
}

#[test]
fn a_wrong_form_is_told_with_line_and_what_is_allowed() {
    let text = "integration: shop\nname: 7\ncategory: comerce\nhost: []\nerrors:\n- {status: 403, class: limited}\nquota:\n- {policy: d, scope: custom}\n";
    insta::assert_snapshot!(told(text), @"
    shop.yaml:1:1: hosts: missing
    shop.yaml:2:1: name: a text (in quotes) is expected here, not a number
    shop.yaml:3:1: category: `comerce` is none of: crm, accounting, payments, commerce, messaging, email, marketing, code, identity, llm, cloud, storage, support, productivity, analytics, hr, logistics, erp, other (did you mean `commerce`?)
    shop.yaml:4:1: host: unknown key (did you mean `hosts`?)
    shop.yaml:6:4: errors[0].status: a list is expected here, not a number
    shop.yaml:6:17: errors[0].class: `limited` is none of: ok, auth_expired, forbidden, not_found, validation, conflict, rate_limited, quota_exhausted, throttled_soft, upstream_5xx, timeout, connect, dns, tls, schema_mismatch, killed, cancelled, unknown
    shop.yaml:8:15: quota[0].scope: `custom` is none of: customer, app, host (did you mean `customer`?)
    ");
    insta::assert_snapshot!(told("a: [1\n"), @"shop.yaml:1:4: unclosed bracket '['");
}

#[test]
fn a_wrong_meaning_is_told_all_at_once() {
    let text = r#"
integration: Shop_1
name: " "
category: commerce
hosts: [API.x.com, "https://x.com", "*x.com", "x.com/a//b", "x.com:80", y.com, y.com]
paths: ["orders", "/a/{id}", "/a/{other}"]
errors:
- {class: ok}
- {status: [7], code: [""], headers: {X-Left: "", "a#b": "1"}, class: ok}
quota:
- {limit_fixed: 0}
- {policy: two words, used: x_used, reset_form: seconds, window: "5"}
- {policy_from: "a#b", limit: "a#"}
retry_after_form: seconds
batch:
- {endpoint: orders, use: POST orders, size: 1}
- {endpoint: POST /b, use: POST /c, size: 2}
"#;
    insta::assert_snapshot!(told(text), @"
    shop.yaml:2:1: integration: is a-z, 0-9 and `-`, and begins with a letter or digit
    shop.yaml:2:1: integration: is not the name of the file, shop.yaml
    shop.yaml:3:1: name: has 1 to 200 bytes
    shop.yaml:5:9: hosts[0]: is written in lower case
    shop.yaml:5:20: hosts[1]: is a host name, without scheme and port
    shop.yaml:5:37: hosts[2]: is a host name such as api.x.com, or *.x.com for all subdomains
    shop.yaml:5:47: hosts[3]: the path prefix is whole segments as they come, such as /calendar
    shop.yaml:5:61: hosts[4]: is a host name, without scheme and port
    shop.yaml:5:80: hosts[6]: stands twice
    shop.yaml:6:9: paths[0]: begins with `/`
    shop.yaml:6:30: paths[2]: can never match: paths[1] matches the same
    shop.yaml:8:3: errors[0]: names neither status, code nor headers, so that it would match every call
    shop.yaml:9:4: errors[1].status: is between 100 and 999
    shop.yaml:9:17: errors[1].code: a code has 1 to 200 bytes
    shop.yaml:9:29: errors[1].headers: `X-Left`: header names are written in lower case
    shop.yaml:9:29: errors[1].headers: `X-Left`: a value has 1 to 200 bytes; `*` is any
    shop.yaml:9:29: errors[1].headers: `a#b`: a whole header is compared, not a member
    shop.yaml:11:3: quota[0]: names neither policy nor policy_from
    shop.yaml:11:3: quota[0]: names nothing to read: limit, remaining, used or usage
    shop.yaml:11:4: quota[0].limit_fixed: is between 1 and 2^40
    shop.yaml:12:4: quota[1].policy: is one word of at most 64 bytes
    shop.yaml:12:23: quota[1].used: tells what is left only with limit or limit_fixed
    shop.yaml:12:23: quota[1].used: `x_used` is no header name; write `-`, not `_`
    shop.yaml:12:37: quota[1].reset_form: says how to read reset, which is missing
    shop.yaml:12:58: quota[1].window: `5` is not a duration such as 90s, 5m or 1h30m
    shop.yaml:13:4: quota[2].policy_from: is a whole header, not a member
    shop.yaml:13:24: quota[2].limit: `a#` names no member after `#`
    shop.yaml:14:1: retry_after_form: says how to read retry_after, which is missing
    shop.yaml:16:4: batch[0].endpoint: is a method and a path, such as POST /v3/contacts
    shop.yaml:16:22: batch[0].use: is a method and a path, such as POST /v3/contacts
    shop.yaml:16:40: batch[0].size: is between 2 and 1000000
    shop.yaml:17:4: batch[1].endpoint: no template of paths writes this endpoint
    ");
}

#[test]
fn fixtures_run_beside_mistakes_of_meaning() {
    let text = GOOD.replace("name: Shop", "name: \"\"").replace("status: 201", "status: 500");
    insta::assert_snapshot!(told(&text), @"
    shop.yaml:3:1: name: has 1 to 200 bytes
    shop.yaml:19:5: fixtures[0].expect.error_class: an order: expected ok, got upstream_5xx
    ");
}

#[test]
fn a_header_that_ingest_never_keeps_is_a_mistake() {
    let text = GOOD.replace("reset: x-reset,", "reset: x-auth-token,");
    let text = text.replace("batch:", "retry_after: x-api-key\nbatch:");
    let text = text[..text.find("fixtures:").expect("they are there")].to_owned();
    insta::assert_snapshot!(told(&text), @"
    shop.yaml:10:69: quota[0].reset: `x-auth-token` looks like a secret, so that ingest never keeps it
    shop.yaml:11:1: retry_after: `x-api-key` looks like a secret, so that ingest never keeps it
    ");
}

#[test]
fn a_number_beyond_its_bounds_is_told_with_its_field() {
    let text = GOOD.replace("size: 50", "size: 4294967296").replace("status: [403]", "status: [70000]");
    insta::assert_snapshot!(told(&text.replace("limit_fixed: 100", "limit_fixed: 18446744073709551616")), @"
    shop.yaml:8:13: errors[0].status[0]: 70000 is greater than the maximum of 65535
    shop.yaml:10:31: quota[0].limit_fixed: 1.8446744073709552e+19 is greater than the maximum of 18446744073709551615
    shop.yaml:12:53: batch[0].size: 4294967296 is greater than the maximum of 4294967295
    shop.yaml:22:5: fixtures[0].expect.batch_size: 4294967296 is greater than the maximum of 4294967295
    ");
}

#[test]
fn a_fixture_that_becomes_something_else_is_told_as_expected_and_got() {
    let text = GOOD
        .replace("status: 201", "status: 403")
        .replace("path: /orders}", "path: /orders/77}")
        .replace("\"60\"", "\"61\"")
        .replace("class: ok", "class: ok\n    retry_at: \"2026-01-15T12:00:30Z\"");
    insta::assert_snapshot!(told(&text), @"
    shop.yaml:18:5: fixtures[0].expect.endpoint: an order: expected POST /orders, got POST /orders/{id}
    shop.yaml:19:5: fixtures[0].expect.error_class: an order: expected ok, got forbidden
    shop.yaml:20:5: fixtures[0].expect.retry_at: an order: expected 2026-01-15T12:00:30Z, got none
    shop.yaml:21:5: fixtures[0].expect.quota: an order: expected [{policy: daily, scope: app, limit: 100, remaining: 60, reset: 2026-01-15T12:01:00Z}], got [{policy: daily, scope: app, limit: 100, remaining: 60, reset: 2026-01-15T12:01:01Z}]
    shop.yaml:23:5: fixtures[0].expect.batch_size: an order: expected 50, got none
    ");
    insta::assert_snapshot!(told(&GOOD.replace("host: api.shop.com", "host: shop.com")), @"shop.yaml:15:13: fixtures[0].request.host: shop.com is none of the hosts");
}

#[test]
fn every_built_in_profile_says_what_its_fixtures_show() {
    let read = match check_all(BUILT_IN) {
        Ok(read) => read,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("\n{}\n", lines.join("\n"));
        }
    };
    assert!(read.len() >= 30, "{} profiles", read.len());
    for checked in read {
        let (profile, fixtures) = (&checked.profile.integration, checked.profile.fixtures.len());
        assert!(fixtures >= 4, "{profile} has {fixtures} fixtures");
    }
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/json/profile.schema.json");
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        published == crate::profile::schema_text(),
        "`callmeter profiles schema > schemas/json/profile.schema.json` renews it"
    );
}
