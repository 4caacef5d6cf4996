//! The identity of a log: a topic's name enters, `cluster:topic:topic id` leaves.
//!
//! A re-created topic has another id and so is another source, whose offsets are not those of the old
//! one. Unsafe because the rdkafka crate does not offer DescribeTopics. Promise: an answer or nothing,
//! within ten seconds.
#![allow(unsafe_code, reason = "DescribeTopics exists in librdkafka's C interface only")]

use crate::fetch::Fetcher;
use rdkafka_sys as sys;
use std::{
    ffi::{CStr, CString},
    ptr,
};

const TIMEOUT_MS: i32 = 5_000;

/// The source of a topic; `None` while no broker says what its id is.
pub(crate) fn source(fetcher: &Fetcher, topic: &str) -> Option<String> {
    let cluster = fetcher.cluster_id()?;
    let id = topic_id(fetcher.native(), topic)?;
    Some(format!("{cluster}:{topic}:{id}"))
}

fn topic_id(client: *mut sys::rd_kafka_t, topic: &str) -> Option<String> {
    let name = CString::new(topic).ok()?;
    let mut names = [name.as_ptr()];
    // SAFETY: the client lives; every handle made here is destroyed here, once, after its last use; what
    // is read out of the event is copied before the event is destroyed.
    unsafe {
        let queue = sys::rd_kafka_queue_new(client);
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        sys::rd_kafka_DescribeTopics(client, topics, ptr::null(), queue);
        let event = sys::rd_kafka_queue_poll(queue, TIMEOUT_MS);
        let id = if event.is_null() { None } else { read_id(event) };
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_TopicCollection_destroy(topics);
        sys::rd_kafka_queue_destroy(queue);
        id
    }
}

/// # Safety
/// The event must be alive and the answer to DescribeTopics.
unsafe fn read_id(event: *mut sys::rd_kafka_event_t) -> Option<String> {
    // SAFETY: as the caller says; librdkafka keeps the descriptions as long as the event.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let descriptions = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if count == 0 {
            return None;
        }
        let description = *descriptions;
        let error = sys::rd_kafka_TopicDescription_error(description);
        if sys::rd_kafka_error_code(error) != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let text = sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(description));
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}
