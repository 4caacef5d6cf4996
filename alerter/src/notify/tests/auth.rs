//! Credentials and bodies of one's own, as they arrive.

use super::*;

#[tokio::test]
async fn credentials_arrive_in_authorization_and_two_keys_sign_while_one_is_replaced() {
    let (url, heard) = answering(&[200]).await;
    let folder = std::env::temp_dir().join(format!("callmeter-receivers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("token");
    std::fs::write(&file, " from-a-file\n").expect("written");
    let receiver = format!(
        "webhook_configs: [
         {{url: '{url}', http_config: {{authorization: {{type: Token, credentials: abc}}}}}},
         {{url: '{url}', http_config: {{bearer_token_file: '{}'}}}},
         {{url: '{url}', http_config: {{basic_auth: {{username: Aladdin, password: open sesame}}}}}},
         {{url: '{url}', signing_secret: [{SECRET}, {SECRET}]}}]",
        file.display()
    );
    for mut endpoint in endpoints(&receiver, &["127.0.0.0/8"]).expect("allowed") {
        assert_eq!(attempt(&mut endpoint, &samples::firing("acme")).await.0, Outcome::Delivered);
    }
    std::fs::remove_dir_all(folder).expect("removed");
    let heard = heard.all();
    let authorizations: Vec<&str> = heard.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(authorizations, ["Token abc", "Bearer from-a-file", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ""]);
    assert_eq!(heard[3].header("webhook-signature").split(' ').count(), 2);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_a_mistake_at_the_start_that_names_its_place() {
    for (receiver, wanted) in [
        ("webhook_configs: [{url_file: /nowhere/url}]", "/nowhere/url: "),
        ("webhook_configs: [{url_env: CALLMETER_NO_SUCH_VARIABLE}]", "CALLMETER_NO_SUCH_VARIABLE is not set"),
        (
            "webhook_configs: [{url: 'https://a.example', signing_secret: canary}]",
            "a signing secret is whsec_",
        ),
        (
            "webhook_configs: [{url: 'https://a.example', http_config: {tls_config: {ca: canary}}}]",
            "no certificate in PEM",
        ),
        ("slack_configs: [{bot_token: \"canary\\n\", channel: C1}]", "no header may have"),
        ("pagerduty_configs: [{routing_key: x, url: 'http://canary:x'}]", "not a http or https address"),
    ] {
        let mistake = endpoints(receiver, &[]).err().expect("a mistake");
        assert!(mistake.contains(wanted) && !mistake.contains("canary"), "{mistake}");
    }
}

#[tokio::test]
async fn a_body_of_ones_own_is_sent_as_the_operator_says() {
    let (url, heard) = answering(&[202]).await;
    let receiver = format!(
        "json_configs: [{{url: '{url}v2/alerts', method: put, headers: {{Authorization: GenieKey k}},
         body: '{{\"message\": {{{{ .CommonLabels.customer }}}}, \"alias\": {{{{ .GroupKey }}}}}}'}}]"
    );
    let (outcome, status, _) = attempt(&mut endpoint(&receiver), &samples::firing("a\"b")).await;
    assert_eq!((outcome, status), (Outcome::Delivered, 202));
    let request = &heard.all()[0];
    assert_eq!((request.path.as_str(), request.header("authorization")), ("/v2/alerts", "GenieKey k"));
    assert_eq!(request.json()["message"], "a\"b");
    assert_eq!(request.header("idempotency-key"), "msg_0");
}

#[tokio::test]
async fn an_event_reaches_pagerduty() {
    let (url, heard) = answering(&[202]).await;
    let receiver = format!("pagerduty_configs: [{{url: '{url}v2/enqueue', routing_key: key}}]");
    assert_eq!(attempt(&mut endpoint(&receiver), &samples::firing("acme")).await.0, Outcome::Delivered);
    let event = heard.all()[0].json();
    assert_eq!((&event["routing_key"], &event["event_action"]), (&"key".into(), &"trigger".into()));
}
