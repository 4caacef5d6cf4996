//! Any bytes enter, nothing panics.

use super::harness::context;
use callmeter_ingest::{
    intake::{Form, take_in},
    json::{self, Layout},
};
use proptest::prelude::*;

fn take(body: &[u8], form: Form) {
    let mut new_id = || "new".to_owned();
    let _ = take_in(body, form, 1_000, context("w", 1_795_176_000_000_000, &mut new_id));
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(r#"{"customer":"a","integration":"x""#.to_owned()),
        Just(r#""latency_ms":"#.to_owned()),
        Just(r#""cost":{"amount":"#.to_owned()),
        Just(r#""quota":[{"policy":"p","reset":"#.to_owned()),
        Just(r#""headers":{"retry-after":"#.to_owned()),
        Just(r#""url":"a://"#.to_owned()),
        "[\\[\\]{}:,\"\\\\0-9eE.+-]{1,6}",
        "\\PC{0,8}",
    ];
    let text = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![text, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #[test]
    fn no_body_panics(body in soup()) {
        for layout in [Layout::Single, Layout::Array, Layout::Lines, json::sniff(&body)] {
            take(&body, Form::Events(layout));
        }
        take(&body, Form::SpansProtobuf);
        take(&body, Form::SpansJson);
    }

    #[test]
    fn no_recorded_span_with_changed_bytes_panics(at in 0_usize..13_736, byte in any::<u8>()) {
        let mut body = include_bytes!("../../../tests/data/otlp/python/001.bin").to_vec();
        body[at] = byte;
        take(&body, Form::SpansProtobuf);
    }
}
