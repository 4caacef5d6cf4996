//! Receivers that do what receivers should not.

use super::{server::raw, *};
use axum::response::IntoResponse;
use reqwest::StatusCode;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Reads a request's beginning, so that closing is not taken for refusing to read.
async fn heard(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 4_096]).await;
}

/// Writes the same bytes until nobody reads any more.
async fn endless(mut stream: TcpStream, head: &'static str, piece: &'static [u8], pause: Duration) {
    heard(&mut stream).await;
    let _ = stream.write_all(head.as_bytes()).await;
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn statuses_lead_to_what_they_mean_and_redirects_lead_nowhere() {
    for (status, wanted) in [
        (&[204_u16], (Outcome::Delivered, 204, "")),
        (&[302], (Outcome::GaveUp, 302, "redirects are not followed")),
        (&[307], (Outcome::GaveUp, 307, "redirects are not followed")),
        (&[404], (Outcome::GaveUp, 404, "because")),
        (&[410], (Outcome::Gone, 410, "the receiver answered 410 and is off until a restart")),
        (&[429], (Outcome::Failed, 429, "because")),
        (&[500], (Outcome::Failed, 500, "because")),
    ] {
        let (url, heard) = answering(status).await;
        let (outcome, status, detail) =
            attempt(&mut endpoint(&webhook(&url)), &samples::firing("acme")).await;
        assert_eq!((outcome, status, detail.as_str()), wanted);
        assert_eq!(heard.all().len(), 1);
    }
}

#[tokio::test]
async fn retry_after_is_heard_in_seconds_and_as_a_date() {
    let date = "Fri, 31 Dec 2100 23:59:59 GMT";
    for (value, wanted) in [("17", 17..=17), (date, 1_000_000_000..=u64::MAX), ("soon", 0..=0)] {
        let (url, _) = server::scripted(move |_, _| {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", value)]).into_response()
        })
        .await;
        let error = endpoint(&webhook(&url)).sender.attempt(&samples::firing("acme")).await.expect_err("429");
        let DeliveryError::Retry { asked, .. } = error else { panic!("{error:?}") };
        assert!(wanted.contains(&asked.unwrap_or_default().as_secs()), "{value}: {asked:?}");
    }
}

#[tokio::test]
async fn connections_that_break_hang_or_trickle_cost_one_bounded_attempt() {
    let reset = raw(|mut stream| async move {
        heard(&mut stream).await;
        let _ = stream.set_zero_linger();
    });
    let closing = raw(|mut stream| async move { heard(&mut stream).await });
    let nonsense = raw(|stream| endless(stream, "SSH-2.0-OpenSSH_9.9\r\n", b"x", Duration::ZERO));
    let trickling =
        raw(|stream| endless(stream, "HTTP/1.1 200 OK\r\n", b"a: b\r\n", Duration::from_millis(20)));
    let flooding = raw(|stream| {
        endless(stream, "HTTP/1.1 200 OK\r\n", b"a: bcdefghijklmnopqrstuvwxyz\r\n", Duration::ZERO)
    });
    let addresses = [reset.await, closing.await, nonsense.await, trickling.await, flooding.await];
    for url in
        addresses.map(|address| format!("http://{address}/")).into_iter().chain([server::hanging().await])
    {
        let (outcome, status, detail) =
            attempt(&mut endpoint(&webhook(&url)), &samples::firing("acme")).await;
        assert_eq!((outcome, status), (Outcome::Failed, 0), "{detail}");
        assert!(!detail.contains(&url), "an address may hold a token: {detail}");
    }
}

#[tokio::test]
async fn of_an_answer_without_end_the_beginning_is_kept_and_a_taken_page_is_taken() {
    let body = "HTTP/1.1 500 Oops\r\ncontent-length: 99999999999\r\n\r\n";
    let huge = raw(move |stream| endless(stream, body, &[b'x'; 65_536], Duration::ZERO)).await;
    let slow = raw(move |stream| endless(stream, body, b"x", Duration::from_millis(20))).await;
    for (address, least) in [(huge, 200), (slow, 1)] {
        let (outcome, status, detail) =
            attempt(&mut endpoint(&webhook(&format!("http://{address}/"))), &samples::firing("acme")).await;
        assert_eq!((outcome, status), (Outcome::Failed, 500));
        assert!((least..=200).contains(&detail.len()), "{}", detail.len());
    }
    let taken = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
    let taken = raw(move |stream| endless(stream, taken, &[b'x'; 65_536], Duration::ZERO)).await;
    let (outcome, status, _) =
        attempt(&mut endpoint(&webhook(&format!("http://{taken}/"))), &samples::firing("acme")).await;
    assert_eq!((outcome, status), (Outcome::Delivered, 200));
}
