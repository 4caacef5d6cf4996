//! The facts that counting needs: the fields of a record enter, bounded facts or a reason leave.
//!
//! Ingest checks the same bounds before it publishes; they stand here again because services may
//! write to Kafka themselves. Promise: facts that leave can be summed without overflow, and the
//! verdict depends on the record alone.

use crate::plan::{Block, Fields, Number, Text};
use callmeter_schemas::{Amount, ErrorClass, histogram::MAX_LATENCY_US, limits};

/// What one attempt adds to the rollups.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the event's field of its name")]
pub struct Facts<'a> {
    pub workspace: &'a str,
    pub id: &'a str,
    pub time_us: i64,
    pub customer: &'a str,
    pub integration: &'a str,
    pub endpoint: &'a str,
    pub tier: &'a str,
    pub environment: &'a str,
    /// Empty without a cost.
    pub currency: &'a str,
    /// What the event itself says it cost.
    pub cost: Option<Amount>,
    pub error_class: ErrorClass,
    pub latency_us: Option<u64>,
    pub queue_us: u64,
    pub status: Option<u16>,
    /// 1 is the first try.
    pub attempt: u32,
    pub items: u64,
    pub records: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub billable: Option<bool>,
    /// Microseconds since 1970 UTC.
    pub retry_at_us: Option<i64>,
    /// 0 when the vendor has no endpoint that takes many such calls as one.
    pub batch_size: u32,
    /// Avro bytes of the quota observations.
    pub quota: &'a [u8],
    /// Avro bytes of the attributes.
    pub attributes: &'a [u8],
}

/// Why fields are no countable event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A required text is absent or empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A text is too long.
    #[error("{0} is longer than {1} bytes")]
    TooLong(&'static str, usize),
    /// A number is outside its bounds.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// Not three capital letters.
    #[error("cost.currency is not three capital letters")]
    Currency,
}

impl<'a> Facts<'a> {
    /// Checks the fields of one record.
    // Within its caller facts are made where they stay: copying them costs about as much as checking them.
    #[inline(always)]
    pub fn check(fields: &Fields<'a>) -> Result<Self, Invalid> {
        let status = match fields.number(Number::Status) {
            None => None,
            Some(status) => Some(u16::try_from(status).map_err(|_| Invalid::OutOfBounds("status"))?),
        };
        let (cost, currency) = cost(fields)?;
        Ok(Self {
            workspace: required(fields, Text::Workspace, "workspace", limits::DIMENSION_BYTES)?,
            id: required(fields, Text::Id, "id", limits::ID_BYTES)?,
            time_us: time(fields)?,
            customer: required(fields, Text::Customer, "customer", limits::DIMENSION_BYTES)?,
            integration: required(fields, Text::Integration, "integration", limits::DIMENSION_BYTES)?,
            endpoint: dimension(fields, Text::Endpoint, "endpoint")?,
            tier: dimension(fields, Text::Tier, "tier")?,
            environment: dimension(fields, Text::Environment, "environment")?,
            currency,
            cost,
            error_class: ErrorClass::resolve(
                fields.text(Text::ErrorClass),
                status,
                fields.text(Text::Error).is_some(),
            ),
            latency_us: bounded(fields, Number::LatencyUs, "latency_us", MAX_LATENCY_US + 1)?,
            queue_us: bounded(fields, Number::QueueUs, "queue_us", MAX_LATENCY_US + 1)?.unwrap_or(0),
            status,
            attempt: attempt(fields)?,
            items: bounded(fields, Number::Items, "items", limits::COUNT_BOUND)?.unwrap_or(0),
            records: bounded(fields, Number::Records, "records", limits::COUNT_BOUND)?.unwrap_or(0),
            bytes_in: bounded(fields, Number::BytesIn, "bytes_in", limits::COUNT_BOUND)?.unwrap_or(0),
            bytes_out: bounded(fields, Number::BytesOut, "bytes_out", limits::COUNT_BOUND)?.unwrap_or(0),
            billable: fields.number(Number::Billable).map(|billable| billable != 0),
            // What only advises is unknown when it is absurd; it costs no event.
            retry_at_us: fields.number(Number::RetryAt).filter(|at| is_moment(*at)),
            batch_size: batch_size(fields),
            quota: fields.block(Block::Quota),
            attributes: fields.block(Block::Attributes),
        })
    }

    /// Whether this is an attempt after the first.
    pub fn is_retry(&self) -> bool {
        self.attempt > 1
    }

    /// When the answer had come, µs since 1970 UTC.
    pub fn answered_us(&self) -> i64 {
        self.time_us + self.latency_us.unwrap_or(0) as i64
    }

    /// Start of the event's window, seconds since 1970 UTC; `window_s` divides the time axis from 1970 on.
    pub fn window_start(&self, window_s: u32) -> u32 {
        let second = (self.time_us / 1_000_000) as u32;
        second - second % window_s
    }
}

fn dimension<'a>(fields: &Fields<'a>, text: Text, name: &'static str) -> Result<&'a str, Invalid> {
    let value = fields.text(text).unwrap_or("");
    if value.len() > limits::DIMENSION_BYTES {
        Err(Invalid::TooLong(name, limits::DIMENSION_BYTES))
    } else {
        Ok(value)
    }
}

fn required<'a>(
    fields: &Fields<'a>,
    text: Text,
    name: &'static str,
    bound: usize,
) -> Result<&'a str, Invalid> {
    match fields.text(text) {
        None | Some("") => Err(Invalid::Empty(name)),
        Some(value) if value.len() > bound => Err(Invalid::TooLong(name, bound)),
        Some(value) => Ok(value),
    }
}

fn time(fields: &Fields<'_>) -> Result<i64, Invalid> {
    fields.number(Number::Time).filter(|time| is_moment(*time)).ok_or(Invalid::OutOfBounds("time"))
}

fn is_moment(at: i64) -> bool {
    (limits::TIME_MIN_US..limits::TIME_END_US).contains(&at)
}

fn attempt(fields: &Fields<'_>) -> Result<u32, Invalid> {
    let attempt = u32::try_from(fields.number(Number::Attempt).unwrap_or(1));
    let attempt = attempt.ok().filter(|attempt| (1..=limits::ATTEMPT_MAX).contains(attempt));
    attempt.ok_or(Invalid::OutOfBounds("attempt"))
}

fn batch_size(fields: &Fields<'_>) -> u32 {
    let size = fields.number(Number::BatchSize).and_then(|size| u32::try_from(size).ok());
    size.filter(|size| *size <= limits::BATCH_SIZE_MAX).unwrap_or(0)
}

fn bounded(
    fields: &Fields<'_>,
    number: Number,
    name: &'static str,
    end: u64,
) -> Result<Option<u64>, Invalid> {
    match fields.number(number) {
        None => Ok(None),
        Some(value) => match u64::try_from(value) {
            Ok(value) if value < end => Ok(Some(value)),
            _ => Err(Invalid::OutOfBounds(name)),
        },
    }
}

fn cost<'a>(fields: &Fields<'a>) -> Result<(Option<Amount>, &'a str), Invalid> {
    let Some(units) = fields.amount else { return Ok((None, "")) };
    let amount = Amount::from_units(units).ok_or(Invalid::OutOfBounds("cost.amount"))?;
    match fields.text(Text::Currency) {
        Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Ok((Some(amount), code))
        }
        _ => Err(Invalid::Currency),
    }
}

#[cfg(test)]
mod tests;
