//! Events with secrets in every place enter, records without them leave.

use super::admission::{event, intake, told};
use callmeter_ingest::json::Layout;

#[test]
fn secrets_in_paths_go_no_further() {
    for (host, path, kept) in [
        ("api.telegram.org", "/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "/bot{secret}/getMe"),
        ("api.x.com", "/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe", "/{secret}/getMe"),
        ("api.x.com", "/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk/x", "/t/{secret}/x"),
    ] {
        for member in [format!(r#""path":"{path}""#), format!(r#""endpoint":"POST {path}","path":"{path}""#)]
        {
            let (event, _) =
                event(&format!(r#"{{"customer":"a","host":"{host}","method":"POST",{member}}}"#))
                    .expect("it is an event");
            assert_eq!(event.path.as_deref(), Some(kept));
            if member.contains("endpoint") {
                assert_eq!(event.endpoint, format!("POST {kept}"));
            }
            assert!(
                event.endpoint.starts_with("POST /") && event.endpoint.contains("{secret}"),
                "{}",
                event.endpoint
            );
        }
    }
}

/// One event with a secret in every member that may hold free text; each ends in `CANARY` and a digit or two.
const CANARIES: &str = r#"{"id":"i","customer":"acme","time":"2026-11-20T12:00:00Z",
 "integration":"crm sk_live_51HCANARY01","endpoint":"POST https://u:CANARY02@x.com/bot123456:AAHdqTCANARY03/a?k=CANARY04",
 "host":"https://me:CANARY05@api.x.com:443/?k=CANARY06","method":"GET?k=sk_live_51HCANARY07",
 "path":"https://u:CANARY08@x.com/v1/ghp_16C7e42F292c6912CANARY09/x?k=CANARY10#CANARY11",
 "url":"https://u:CANARY12@x.com/v1?k=CANARY13","run_id":"Bearer CANARY14","data_type":"https://x.com/?k=CANARY15",
 "operation":"/sync?key=CANARY16","tier":"gold Bearer CANARY17","environment":"xoxb-123456789012-CANARY18",
 "error":"GET https://u:CANARY19@x.com/a?k=CANARY20 failed with Bearer CANARY21, url: /a?k=CANARY22",
 "quota":[{"policy":"Bearer CANARY23","scope":"https://x.com/?k=CANARY24","limit":1}],
 "headers":{"x-request-id":"Bearer CANARY25","authorization":"CANARY26"},
 "attributes":{"a":"call //x?k=1 eyJhbGciOiJIUzI1NiJ9.CANARY27abcdefghijk","api_key":"CANARY28","ghp_16C7e42F292c6912CANARY35":1,"b":"/a?k=CANARY29"},
 "xoxb-123456789012-CANARY36":1,"deep":{"xoxb-123456789012-CANARY37":1},"shiny":"AKIAIOSFODNN7CANARY30","new":{"deep":["Bearer CANARY31"]},"token":"CANARY32",
 "more":"see https://u:CANARY33@x.com/?k=CANARY34"}"#;

#[test]
fn no_secret_of_any_member_reaches_a_record() {
    for body in [
        CANARIES.to_owned(),
        CANARIES.replace(r#""error":"#, r#""error_class":"Bearer CANARY40","shoe":"#),
        CANARIES.replace(r#""integration":"#, r#""shoe":"#),
        CANARIES.replace(r#""endpoint":"#, r#""shoe":"#),
        CANARIES.replace(r#""path":"#, r#""shoe":"#).replace("\"endpoint\":", "\"shoe2\":"),
    ] {
        let intake = intake(body.as_bytes(), Layout::Single).expect("it is an event");
        assert_eq!(told(&intake), "1 accepted");
        for (key, value) in intake.batch.records() {
            for bytes in [key, value] {
                let shown = String::from_utf8_lossy(bytes);
                let at = shown.find("CANARY").map(|at| shown[at..].chars().take(12).collect::<String>());
                assert_eq!(at, None, "{shown}");
            }
        }
    }
}

#[test]
fn what_may_be_a_password_is_no_host() {
    let told = event(r#"{"customer":"a","host":"me:p/w@api.x.com"}"#).expect_err("no host is left");
    assert_eq!(told, "missing_field integration: neither integration nor host is there");
    let (named, _) =
        event(r#"{"customer":"a","integration":"x","host":"me:p/w@x.com"}"#).expect("it is named");
    assert_eq!((named.integration.as_str(), named.host), ("x", None));
    let (by_url, _) =
        event(r#"{"customer":"a","host":"a b","url":"https://x.com./a"}"#).expect("the URL names it");
    assert_eq!(by_url.host.as_deref(), Some("x.com"));
    let (path, _) =
        event(r#"{"customer":"a","host":"x.com","path":"/fetch/https://y.com/a?b"}"#).expect("a path");
    assert_eq!(path.path.as_deref(), Some("/fetch/https://y.com/a"));
}
