//! Slack as its Web API behaves.

use super::{
    server::{Request, scripted},
    *,
};
use crate::transition::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

fn bot(url: &str) -> Endpoint {
    endpoint(&format!("slack_configs: [{{bot_token: xoxb-1, channel: '#ops', api_url: '{url}'}}]"))
}

/// Takes every message, which then stands in channel C1.
fn fine(place: usize, _: &Request) -> Response {
    json!({"ok": true, "channel": "C1", "ts": format!("{place}.5")}).to_string().into_response()
}

fn about(reason: NotifyReason, state: State) -> Notification {
    Notification { reason, ..samples::notification(vec![samples::alert("acme", state)]) }
}

fn calls(heard: &Heard) -> Vec<(String, Value, Value)> {
    let call = |request: Request| {
        (request.path.clone(), request.json()["channel"].clone(), request.json()["ts"].clone())
    };
    heard.all().into_iter().map(call).collect()
}

fn call(path: &str, channel: &str, ts: Option<&str>) -> (String, Value, Value) {
    (path.to_owned(), channel.into(), ts.map_or(Value::Null, Into::into))
}

#[tokio::test]
async fn a_bots_message_is_edited_until_all_has_ended_and_then_a_new_one_is_posted() {
    let (url, heard) = scripted(fine).await;
    let mut bot = bot(&url);
    for (reason, state) in [
        (NotifyReason::FirstNotification, State::Firing),
        (NotifyReason::Resolved, State::Resolved),
        (NotifyReason::FirstNotification, State::Firing),
    ] {
        assert_eq!(attempt(&mut bot, &about(reason, state)).await.0, Outcome::Delivered);
    }
    let wanted = [
        call("/chat.postMessage", "#ops", None),
        call("/chat.update", "C1", Some("0.5")),
        call("/chat.postMessage", "#ops", None),
    ];
    assert_eq!(calls(&heard), wanted);
    assert!(heard.all().iter().all(|request| request.header("authorization") == "Bearer xoxb-1"));
}

#[tokio::test]
async fn an_edit_that_people_must_hear_of_is_also_said_in_the_thread() {
    let (url, heard) = scripted(fine).await;
    let mut bot = bot(&url);
    for reason in [NotifyReason::FirstNotification, NotifyReason::NewAlerts] {
        attempt(&mut bot, &about(reason, State::Firing)).await;
    }
    let heard = heard.all();
    assert_eq!(heard.len(), 3);
    let reply = heard[2].json();
    assert_eq!((&reply["thread_ts"], &reply["reply_broadcast"]), (&"0.5".into(), &true.into()));
}

#[tokio::test]
async fn after_a_restart_the_message_is_found_again_from_what_was_stored() {
    let (url, heard) = scripted(fine).await;
    let first = about(NotifyReason::FirstNotification, State::Firing);
    let delivered = bot(&url).sender.attempt(&first).await.expect("delivered");
    let detail = delivered.posted.expect("a message").to_detail();
    assert!(detail.starts_with(Posted::DETAIL_PREFIX), "{detail}");

    let mut restarted = bot(&url);
    let stored = Posted::from_detail(&detail).expect("readable");
    restarted.sender.remember(&[(first.group_key.clone(), stored)]);
    attempt(&mut restarted, &about(NotifyReason::Resolved, State::Resolved)).await;
    assert_eq!(calls(&heard)[1], call("/chat.update", "C1", Some("0.5")));
    assert_eq!(Posted::from_detail("because"), None);
}

#[tokio::test]
async fn a_message_that_was_deleted_is_posted_again() {
    let (url, heard) = scripted(|place, request| match request.path.as_str() {
        "/chat.update" => json!({"ok": false, "error": "message_not_found"}).to_string().into_response(),
        _ => fine(place, request),
    })
    .await;
    let mut bot = bot(&url);
    attempt(&mut bot, &about(NotifyReason::FirstNotification, State::Firing)).await;
    attempt(&mut bot, &about(NotifyReason::NewAlerts, State::Firing)).await;
    let paths: Vec<String> = heard.all().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/chat.postMessage", "/chat.update", "/chat.postMessage"]);
}

#[tokio::test]
async fn what_slack_refuses_is_given_up_and_what_passes_is_tried_again() {
    for (answer, wanted) in [
        (r#"{"ok": false, "error": "channel_not_found"}"#, (Outcome::GaveUp, 200, "channel_not_found")),
        (r#"{"ok": false, "error": "internal_error"}"#, (Outcome::Failed, 200, "internal_error")),
        ("<html>", (Outcome::Failed, 200, "the answer is not one of Slack's Web API")),
    ] {
        let (url, _) = scripted(move |_, _| answer.into_response()).await;
        let (outcome, status, detail) = attempt(&mut bot(&url), &samples::firing("acme")).await;
        assert_eq!((outcome, status, detail.as_str()), wanted);
    }
    let (url, _) = answering(&[429]).await;
    assert_eq!(attempt(&mut bot(&url), &samples::firing("acme")).await.0, Outcome::Failed);
}

#[tokio::test]
async fn an_incoming_webhook_gets_text_and_blocks() {
    let (url, heard) = answering(&[200]).await;
    let receiver =
        format!("slack_configs: [{{api_url: '{url}services/T/B/x', channel: '#ops', icon_emoji: ':bell:'}}]");
    assert_eq!(attempt(&mut endpoint(&receiver), &samples::firing("acme")).await.0, Outcome::Delivered);
    let request = &heard.all()[0];
    let message = request.json();
    assert_eq!(request.path, "/services/T/B/x");
    assert_eq!((&message["channel"], &message["icon_emoji"]), (&"#ops".into(), &":bell:".into()));
    assert!(message["text"].is_string() && message["blocks"].is_array());
}
