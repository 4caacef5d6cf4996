//! Names of the Kafka topics. Promise: these and no others; a name carries its contract's version.

/// Call events: Avro in the Confluent frame, keyed `workspace/customer/integration`.
pub const CALLS: &str = "callmeter.calls.v1";
/// Records that could not be counted, each a [`crate::DeadLetter`] in JSON, keyed `source/partition/offset`.
pub const DEAD_LETTERS: &str = "callmeter.dead-letters.v1";
/// Keys, switches and other state that every process follows; compacted.
pub const CONTROL: &str = "callmeter.control.v1";
