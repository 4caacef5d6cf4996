//! Ingest from outside: bodies and requests enter, events, answers and Kafka records leave. One binary, to link once.

mod admission;
mod harness;
mod recordings;
mod secrets;
mod serve;
mod soup;
mod spans;
