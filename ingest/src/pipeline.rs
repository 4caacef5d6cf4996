//! The way of a request: identify → receive → admit → publish → answer.
//!
//! What enters is an HTTP request, what leaves is its answer. Promise: a success is answered only after
//! Kafka acknowledged every accepted event; every item is accepted or rejected, never forgotten.

use crate::{
    admit::Context,
    answer::{self, Problem},
    budget::Budget,
    cardinality::{Bounds, Cardinality},
    config::IngestConfig,
    intake::{Form, Intake, take_in},
    json::BodyError,
    kafka::{PublishError, Publisher},
    keys::{Credential, KeyError, Keys},
    limits::{Buckets, Rate},
    metrics::IngestMetrics,
    profiles::Profiles,
    receive::{self, Received},
};
use axum::{
    body::Body,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use prometheus_client::metrics::gauge::Gauge;
use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Seconds after which Kafka may be back.
const AWAY_SECONDS: u64 = 5;
/// Seconds after which the producer's memory is likely to be free again.
const FULL_SECONDS: u64 = 1;

/// Everything that a request needs.
pub(crate) struct Pipeline {
    config: IngestConfig,
    keys: Keys,
    buckets: Buckets,
    bodies: Budget,
    /// One place per core: a body that is being read holds a multiple of what `bodies` counts.
    readers: Arc<Semaphore>,
    profiles: Arc<Profiles>,
    cardinality: Cardinality,
    publisher: Arc<Publisher>,
    metrics: IngestMetrics,
    stopping: AtomicBool,
    started: Instant,
}

impl Pipeline {
    pub(crate) fn new(
        config: IngestConfig,
        keys: Keys,
        profiles: Arc<Profiles>,
        publisher: Arc<Publisher>,
        metrics: IngestMetrics,
    ) -> Self {
        Self {
            keys,
            buckets: Buckets::new(Rate { per_second: config.events_per_second, burst: config.events_burst }),
            bodies: Budget::new(config.body_memory_bytes),
            cardinality: Cardinality::new(Bounds {
                integrations: config.integrations_per_customer,
                endpoints: config.endpoints_per_customer,
                quotas: config.quotas_per_customer,
            }),
            profiles,
            readers: Arc::new(Semaphore::new(available_parallelism().map_or(1, NonZero::get))),
            publisher,
            metrics,
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            config,
        }
    }

    /// `POST /v1/events`.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn events(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let form = receive::events_form(request.headers());
        self.handle("events", form, request).await
    }

    /// `POST /v1/traces`.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn traces(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let form = receive::spans_form(request.headers());
        self.handle("traces", form, request).await
    }

    async fn handle(
        self: Arc<Self>,
        route: &'static str,
        form: Result<Form, Problem>,
        request: Request<Body>,
    ) -> Response<Body> {
        let _open = Open::new(&self.metrics.in_flight);
        let shape = form.as_ref().ok().copied();
        let (head, body) = request.into_parts();
        let sender = self.identify(&head.headers);
        let key = sender.as_ref().ok().map(|sender| sender.key_id.as_str());
        let outcome = match (&sender, form) {
            (Ok(sender), Ok(form)) => self.run(sender, &head.headers, body, form).await,
            (Err(problem), _) => Err(problem.clone()),
            (_, Err(problem)) => Err(problem),
        };
        let response = outcome.unwrap_or_else(|problem| {
            self.metrics.refused(key, problem.code);
            answer::problem(&problem, shape)
        });
        self.count(route, &response);
        response
    }

    async fn run(
        self: &Arc<Self>,
        sender: &Credential,
        headers: &HeaderMap,
        body: Body,
        form: Form,
    ) -> Result<Response<Body>, Problem> {
        self.open_to(sender)?;
        let received = receive::receive(headers, body, form, &self.config, &self.bodies).await?;
        let (form, intake) = self.admit(sender, received).await?;
        let Intake { batch, rejected, .. } = intake;
        let accepted = batch.len();
        let handed_over = Instant::now();
        self.publisher.publish(batch).await.map_err(unpublished)?;
        if accepted > 0 {
            self.metrics.ack.observe(handed_over.elapsed().as_secs_f64());
        }
        Ok(match form {
            Form::Events(_) => answer::events(accepted, &rejected),
            Form::SpansProtobuf | Form::SpansJson => answer::spans(form, &rejected),
        })
    }

    fn identify(&self, headers: &HeaderMap) -> Result<&Credential, Problem> {
        let header = headers.get(header::AUTHORIZATION).map(|header| header.as_bytes());
        self.keys.authenticate(header).map_err(|error| {
            let code = match error {
                KeyError::Missing => "key_missing",
                KeyError::Malformed => "key_malformed",
                KeyError::Unknown => "key_unknown",
            };
            Problem::new(StatusCode::UNAUTHORIZED, code, error.to_string())
        })
    }

    /// Refuses early what would be refused later at a higher price.
    fn open_to(&self, sender: &Credential) -> Result<(), Problem> {
        if !self.publisher.is_reachable() {
            let detail = "kafka cannot be reached; nothing of this request was stored";
            return Err(Problem::later(StatusCode::SERVICE_UNAVAILABLE, "kafka_away", detail, AWAY_SECONDS));
        }
        self.buckets.check(&sender.key_id, self.started.elapsed()).map_err(|seconds| {
            let detail = "this key sends more events per second than it may";
            Problem::later(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail, seconds)
        })
    }

    async fn admit(
        self: &Arc<Self>,
        sender: &Credential,
        received: Received,
    ) -> Result<(Form, Intake), Problem> {
        let turn = self.turn().await?;
        let (form, intake) = if !received.is_large() {
            let read = self.take_in(&sender.workspace, received);
            drop(turn);
            read?
        } else {
            let (pipeline, workspace) = (self.clone(), sender.workspace.clone());
            let reading = tokio::task::spawn_blocking(move || {
                // Moved in: a sender who goes away does not make room for another while this one is read.
                let _turn = turn;
                pipeline.take_in(&workspace, received)
            });
            reading.await.map_err(|_| {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the body could not be read")
            })??
        };
        // Spans that are no calls cost as much to read as those that are.
        let items = intake.batch.len() + intake.rejected.len() + intake.ignored as usize;
        self.buckets.charge(&sender.key_id, self.started.elapsed(), items);
        self.metrics.taken_in(&intake);
        match answer::lone_rejection(form, &intake) {
            Some(rejected) => Err(Problem::of_item(&rejected.why)),
            None => Ok((form, intake)),
        }
    }

    /// As many bodies are read at once as there are processors: more would only delay each other, and those who have not
    /// been heard yet.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.readers).acquire_owned();
        let waited = tokio::time::timeout(Duration::from_millis(self.config.queue_timeout_ms), turn).await;
        // The semaphore is never closed.
        waited.ok().and_then(Result::ok).ok_or_else(receive::busy)
    }

    fn take_in(&self, workspace: &str, received: Received) -> Result<(Form, Intake), Problem> {
        let received = received.unpack(&self.config)?;
        self.metrics.body(received.bytes.len());
        self.metrics.body_memory.set(self.bodies.used() as i64);
        let now_us = now_us();
        let mut new_id = || new_id(now_us);
        let catalogue = self.profiles.current();
        let context = Context {
            workspace,
            now_us,
            new_id: &mut new_id,
            catalogue: &catalogue,
            cardinality: &self.cardinality,
        };
        let intake = take_in(&received.bytes, received.form, self.config.max_events, context);
        intake.map(|intake| (received.form, intake)).map_err(|error| unreadable(&error))
    }

    /// `GET /healthz`: the process works.
    pub(crate) fn healthz(&self) -> Response<Body> {
        answer::text(StatusCode::OK, "ok\n")
    }

    /// `GET /readyz`: requests will be taken.
    pub(crate) fn readyz(&self) -> Response<Body> {
        if self.stopping.load(Ordering::Relaxed) {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
        }
        match self.publisher.is_reachable() {
            true => answer::text(StatusCode::OK, "ready\n"),
            false => answer::text(StatusCode::SERVICE_UNAVAILABLE, "kafka cannot be reached\n"),
        }
    }

    /// No such path, or not with this method.
    pub(crate) fn lost(&self, status: StatusCode) -> Response<Body> {
        let (code, detail) = match status {
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this path does not take that method"),
            _ => ("not_found", "there is nothing at this path"),
        };
        let response = answer::problem(&Problem::new(status, code, detail), None);
        self.count("other", &response);
        response
    }

    /// Fails readiness, as the first step of a shutdown.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn count(&self, route: &'static str, response: &Response<Body>) {
        self.metrics.request(route, response.status().as_u16());
        self.metrics.body_memory.set(self.bodies.used() as i64);
        self.metrics.producer_memory.set(self.publisher.waiting_bytes() as i64);
    }
}

/// Counts a request as open until it is dropped, be it answered or given up by its sender.
struct Open<'m>(&'m Gauge);

impl<'m> Open<'m> {
    fn new(gauge: &'m Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn unreadable(error: &BodyError) -> Problem {
    match error {
        BodyError::TooManyItems(_) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", error.to_string())
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", error.to_string()),
    }
}

fn unpublished(error: PublishError) -> Problem {
    let (code, detail, seconds) = match error {
        PublishError::Full => {
            ("overloaded", "too many events wait for kafka; nothing of this request was stored", FULL_SECONDS)
        }
        PublishError::NotAcknowledged => (
            "not_acknowledged",
            "kafka did not acknowledge every event in time; some may have been stored, and sending all of \
             them again with the same ids is safe",
            AWAY_SECONDS,
        ),
    };
    Problem::later(StatusCode::SERVICE_UNAVAILABLE, code, detail, seconds)
}

/// The one place where ingest looks at the clock.
#[allow(clippy::disallowed_methods, reason = "the pure core is told the time from here")]
fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// A UUIDv7 for an event without an id.
fn new_id(now_us: i64) -> String {
    let now = Duration::from_micros(now_us.unsigned_abs());
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid().to_string()
}
