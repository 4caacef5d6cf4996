//! Asks a server whether it is ready. Enters: a port and a password. Leaves: yes, or why not.
//!
//! Two questions over plain sockets: `/ping`, which needs no user, and `SELECT 1` as the user that the caller will be.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ADMIN_USER;
use crate::child::ReadyCheck;
use crate::options::Password;

/// How long one question may take; longer than a local answer ever needs.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longer answers are not understood anyway.
const LONGEST_ANSWER: u64 = 64 << 10;

/// The two questions to the server on that port.
pub(super) fn check(port: u16, password: Password) -> ReadyCheck {
    Box::new(move || {
        let password = password.clone();
        Box::pin(async move {
            let both = async {
                expect(ask(port, "GET /ping", "", "").await?, "Ok.")?;
                let user =
                    format!("X-ClickHouse-User: {ADMIN_USER}\r\nX-ClickHouse-Key: {}\r\n", password.expose());
                expect(ask(port, "POST /", &user, "SELECT 1").await?, "1")
            };
            tokio::time::timeout(PATIENCE, both).await.unwrap_or_else(|_| Err("no answer".to_owned()))
        })
    })
}

async fn ask(port: u16, request: &str, headers: &str, body: &str) -> Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(text)?;
    let length = body.len();
    let request = format!(
        "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await.map_err(text)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The status must be 200 and the wanted word a line of the body, which may come in chunks.
fn expect(answer: String, word: &str) -> Result<(), String> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.contains(" 200 ") && body.lines().any(|line| line == word) {
        return Ok(());
    }
    let said = body.lines().find(|line| line.contains("Exception")).unwrap_or_default();
    Err(format!("{status} {}", &said[..said.floor_char_boundary(300)]))
}
