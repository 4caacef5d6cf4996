//! Records of one request: admitted events enter, Kafka keys and values leave, in one buffer.
//!
//! Promise: a record's value is the framed Avro of the event, and its key depends on what the sender said alone, so that an
//! event which is sent again meets its first copy in one partition, whatever profiles and bounds have become of
//! its integration in between; nothing is added that exceeds `limits::EVENT_BYTES`.

use crate::draft::{Code, Rejection};
use callmeter_schemas::{CallEvent, avro, limits};

/// Encoded records, in order.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    key: usize,
    value: usize,
}

impl Batch {
    /// Appends the record of an event; `said` is the integration or, without one, the host in the sender's words.
    pub fn push(&mut self, event: &CallEvent, said: &str) -> Result<(), Rejection> {
        let start = self.bytes.len();
        for part in [&event.workspace, "/", &event.customer, "/", said] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        let key = self.bytes.len();
        avro::encode(event, &mut self.bytes);
        if self.bytes.len() - key > limits::EVENT_BYTES {
            self.bytes.truncate(start);
            return Err(Rejection::new(Code::TooMany, "", "the whole event is larger than 256 KiB"));
        }
        self.ends.push(Ends { key, value: self.bytes.len() });
        Ok(())
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Key and value of each record.
    pub fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |ends| {
            let record = (&self.bytes[start..ends.key], &self.bytes[ends.key..ends.value]);
            start = ends.value;
            record
        })
    }
}
