//! Receivers on this machine: a script of answers enters, what was heard leaves.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::any,
};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("json")
    }
}

/// Every request, in order.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<Request>>>);

impl Heard {
    pub(super) fn all(&self) -> Vec<Request> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// What is answered to a request, given its place from 0.
type Answer = dyn Fn(usize, &Request) -> Response + Send + Sync;

#[derive(Clone)]
struct Script {
    heard: Heard,
    answer: Arc<Answer>,
}

/// A receiver that answers a request, given its place from 0.
pub(super) async fn scripted(
    answer: impl Fn(usize, &Request) -> Response + Send + Sync + 'static,
) -> (String, Heard) {
    let heard = Heard::default();
    let script = Script { heard: heard.clone(), answer: Arc::new(answer) };
    let take = async |State(script): State<Script>, uri: Uri, headers: HeaderMap, body: String| {
        let request = Request { path: uri.path().to_owned(), headers, body };
        let mut all = script.heard.0.lock().expect("not poisoned");
        let answer = (script.answer)(all.len(), &request);
        all.push(request);
        answer
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new().fallback(any(take)).with_state(script);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/"), heard)
}

/// A receiver that answers one status after the other, the last one for ever.
pub(super) async fn answering(statuses: &'static [u16]) -> (String, Heard) {
    scripted(|place, _| {
        let status = statuses[place.min(statuses.len() - 1)];
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [("location", "/elsewhere"), ("retry-after", "0")], "because\u{7}").into_response()
    })
    .await
}

/// A receiver that takes connections in its own way; its address without a scheme.
pub(super) async fn raw<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address.to_string()
}

/// A receiver that takes a request and never answers.
pub(super) async fn hanging() -> String {
    let address = raw(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    });
    format!("http://{}/", address.await)
}
