//! Bodies of many events enter; what each of them allocates leaves.

use super::*;
use crate::cardinality::{Bounds, Cardinality};
use callmeter_vendors::Catalogue;

/// Allocations for each event of a body of a hundred, once the names of its customers are known.
#[track_caller]
fn check(event: &str, wanted: u64) {
    let events: Vec<String> = (0..100).map(|number| event.replace('#', &format!("{number:03}"))).collect();
    let body = format!("[{}]", events.join(","));
    let catalogue = Catalogue::built_in();
    let cardinality = Cardinality::new(Bounds { integrations: 500, endpoints: 2_000, quotas: 200 });
    let read = || {
        let mut new_id = String::new;
        let context = Context {
            workspace: "acme",
            now_us: 1_795_300_000_000_000,
            new_id: &mut new_id,
            catalogue: &catalogue,
            cardinality: &cardinality,
        };
        let intake = take_in(body.as_bytes(), Form::Events(Layout::Array), 1_000, context).expect("an array");
        assert_eq!(intake.batch.len(), 100, "{:?}", intake.rejected);
    };
    read();
    let counted = allocation_counter::measure(read).count_total;
    assert_eq!(counted / 100, wanted, "{counted} allocations for {event}");
}

#[test]
fn an_event_allocates_for_what_it_says_beyond_names_and_numbers_alone() {
    let event = |more: &str| {
        format!(
            r#"{{"id":"e-#","time":"2026-11-20T12:00:00.123Z","customer":"acme-#","tier":"free","status":200,
                "latency_ms":182.4,"attempt":1,"bytes_in":5120{more}}}"#
        )
    };
    let named = r#","integration":"hubspot","endpoint":"GET /crm/v3/objects/contacts/{id}""#;
    check(&event(named), 0);
    check(&event(&format!(r#"{named},"cost":{{"amount":"0.0042","currency":"USD"}}"#)), 1);
    check(&event(r#","host":"api.hubapi.com","method":"GET","path":"/crm/v3/objects/contacts/51""#), 1);
    check(&event(&format!(r#"{named},"headers":{{"X-HubSpot-RateLimit-Remaining":"98"}}"#)), 7);
}
