//! Mail to a small server on this machine.

use super::{server::raw, tls::Identity, *};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

type Said = Arc<Mutex<String>>;

/// A server that offers `offers` and answers the end of a mail with `verdict`.
async fn smtp(offers: &'static str, verdict: &'static str) -> (String, Said) {
    let said = Said::default();
    let heard = said.clone();
    let converse = move |stream| {
        let heard = heard.clone();
        async move {
            converse(stream, "220 mail.example ESMTP\r\n", offers, verdict, heard).await;
        }
    };
    (raw(converse).await, said)
}

/// Talks until the client goes, or wants to go on encrypted: then the stream leaves.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greeting: &str,
    offers: &str,
    verdict: &str,
    said: Said,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let (mut in_data, mut line) = (false, String::new());
    let _ = stream.write_all(greeting.as_bytes()).await;
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        said.lock().expect("not poisoned").push_str(&line);
        let reply = match line.trim_end().split(' ').next().unwrap_or_default() {
            "." if in_data => {
                in_data = false;
                format!("{verdict}\r\n")
            }
            _ if in_data => String::new(),
            "EHLO" => format!("250-mail.example\r\n{offers}250 SIZE 1000000\r\n"),
            "STARTTLS" => {
                let _ = stream.write_all(b"220 go on\r\n").await;
                return Some(stream.into_inner());
            }
            "AUTH" => "235 2.7.0 welcome\r\n".to_owned(),
            "DATA" => {
                in_data = true;
                "354 go on\r\n".to_owned()
            }
            _ => "250 fine\r\n".to_owned(),
        };
        let _ = stream.write_all(reply.as_bytes()).await;
        line.clear();
    }
    None
}

fn mail(smarthost: &str, more: &str) -> Endpoint {
    endpoint(&format!(
        "email_configs: [{{to: 'Ops <ops@example.com>, boss@example.com', from: callmeter@example.com,
         smarthost: '{smarthost}', timeout: 500ms{more}}}]"
    ))
}

#[tokio::test]
async fn a_mail_reaches_every_recipient_as_text_and_html() {
    let (smarthost, said) = smtp("250-AUTH PLAIN LOGIN\r\n", "250 2.0.0 queued").await;
    let login = ", require_tls: false, auth_username: callmeter, auth_password: hush, hello: here.example";
    let (outcome, status, detail) = attempt(&mut mail(&smarthost, login), &samples::firing("acme")).await;
    assert_eq!((outcome, status), (Outcome::Delivered, 250), "{detail}");
    let said = said.lock().expect("not poisoned").clone();
    for wanted in [
        "EHLO here.example",
        "AUTH PLAIN AGNhbGxtZXRlcgBodXNo",
        "MAIL FROM:<callmeter@example.com>",
        "RCPT TO:<ops@example.com>",
        "RCPT TO:<boss@example.com>",
        "Message-ID: <msg_0@callmeter>",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[tokio::test]
async fn replies_that_pass_are_tried_again_and_others_given_up() {
    for (verdict, wanted) in
        [("451 4.3.0 try later", (Outcome::Failed, 451)), ("550 5.7.1 no such user", (Outcome::GaveUp, 550))]
    {
        let (smarthost, _) = smtp("", verdict).await;
        let mut mail = mail(&smarthost, ", require_tls: false");
        let (outcome, status, detail) = attempt(&mut mail, &samples::firing("acme")).await;
        assert_eq!((outcome, status), wanted, "{detail}");
    }
}

#[tokio::test]
async fn where_tls_is_required_nothing_is_said_without_it() {
    let (smarthost, said) = smtp("250-AUTH PLAIN\r\n", "250 queued").await;
    let mut mail = mail(&smarthost, ", auth_username: callmeter, auth_password: hush");
    let (outcome, _, detail) = attempt(&mut mail, &samples::firing("acme")).await;
    assert_eq!(outcome, Outcome::Failed);
    assert!(detail.contains("STARTTLS"), "{detail}");
    let said = said.lock().expect("not poisoned").clone();
    assert!(!said.contains("AUTH") && !said.contains("MAIL"), "{said}");
}

#[tokio::test]
async fn a_server_that_hangs_or_trickles_costs_one_bounded_attempt() {
    let hanging = server::hanging().await.replace("http://", "").replace('/', "");
    let trickling = raw(|mut stream| async move {
        while stream.write_all(b"220-and more\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for smarthost in [hanging, trickling.await] {
        let mut mail = mail(&smarthost, ", require_tls: false");
        let (outcome, status, detail) = attempt(&mut mail, &samples::firing("acme")).await;
        assert_eq!((outcome, status), (Outcome::Failed, 0), "{detail}");
    }
}

#[tokio::test]
async fn after_starttls_the_login_and_the_mail_go_to_whom_the_named_issuer_vouches_for() {
    let identity = Identity::of("127.0.0.1");
    let said = Said::default();
    let (heard, acceptor) = (said.clone(), identity.acceptor());
    let smarthost = raw(move |stream| {
        let (heard, acceptor) = (heard.clone(), acceptor.clone());
        async move {
            let offers = "250-STARTTLS\r\n";
            let plain = converse(stream, "220 mail.example ESMTP\r\n", offers, "", Said::default()).await;
            let Ok(stream) = acceptor.accept(plain.expect("asked to go on encrypted")).await else { return };
            converse(stream, "", "250-AUTH PLAIN\r\n", "250 queued", heard).await;
        }
    })
    .await;
    let login = ", auth_username: callmeter, auth_password: hush";
    let trusted = format!("{login}, tls_config: {{ca: \"{}\"}}", identity.pem_in_yaml());
    let (outcome, status, detail) = attempt(&mut mail(&smarthost, &trusted), &samples::firing("acme")).await;
    assert_eq!((outcome, status), (Outcome::Delivered, 250), "{detail}");
    assert!(said.lock().expect("not poisoned").contains("AUTH PLAIN"));

    said.lock().expect("not poisoned").clear();
    let (outcome, _, detail) = attempt(&mut mail(&smarthost, login), &samples::firing("acme")).await;
    assert_eq!((outcome, said.lock().expect("not poisoned").as_str()), (Outcome::Failed, ""), "{detail}");
}
