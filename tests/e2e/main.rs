//! End to end, on genuine Kafka and ClickHouse: events enter over HTTP, OTLP and Kafka, and what comes out of the
//! tables and at a webhook receiver is compared with an independent recompute and with recorded truth.
//!
//! Promise: nothing is skipped; if an engine cannot start, the test fails and says what is missing.

mod alerts;
mod exactness;
mod full_disk;
mod gaps;
mod inspector;
mod intake;
mod prices;
mod rebuild;
mod rules;
mod telemetry;
mod up;
mod views;
