//! What a sender still sends after its answer: bodies enter and are read by the handlers; the rest of one that was
//! refused before its end is read and forgotten.
//!
//! Promise: a sender that writes its whole request before it reads the answer hears why it was refused. A connection
//! that is closed with bytes unread is reset, and the reset may take the answer with it (RFC 9112, section 9.6). The
//! rest is read no longer than the body might have taken, one piece at a time.

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, time::Instant};

/// A body whose end is waited for, also when its reader has gone.
struct Whole {
    body: Body,
    ended: bool,
    until: Instant,
}

/// Lets the rest of this request's body be read within so much time from now, whoever drops it.
pub(crate) fn read_on(request: Request, time: Duration) -> Request {
    // Who expects a word before the body has not sent it yet.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Whole { body, ended: false, until: Instant::now() + time }))
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if self.ended || self.is_end_stream() || self.until <= Instant::now() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (mut body, until) = (std::mem::take(&mut self.body), self.until);
        runtime.spawn(tokio::time::timeout_at(until, async move {
            while let Some(Ok(_)) = body.frame().await {}
        }));
    }
}
