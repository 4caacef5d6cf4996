//! x
use callmeter_vendors::{Call, Catalogue};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a.len() > 1 && a[1] == "bench" {
        let h: std::collections::BTreeMap<String, String> = [
            ("x-hubspot-ratelimit-daily", "250000"),
            ("x-hubspot-ratelimit-daily-remaining", "249000"),
            ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
            ("x-hubspot-ratelimit-max", "110"),
            ("x-hubspot-ratelimit-remaining", "17"),
            ("x-request-id", "4bf92f35"),
        ]
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .into();
        let t = std::time::Instant::now();
        let c = Catalogue::built_in();
        eprintln!("built_in {:?}", t.elapsed());
        for (host, path) in [
            ("api.hubapi.com", "/crm/v3/objects/contacts/51"),
            ("api.unknown.example", "/v2/things/550e8400-e29b-41d4-a716-446655440000/parts"),
        ] {
            let call = Call {
                customer: "acme",
                host: Some(host),
                integration: None,
                endpoint: None,
                method: Some("GET"),
                path: Some(path),
                status: Some(200),
                error: None,
                failed: false,
                error_class: None,
                headers: &h,
                answered_us: 1_768_478_400_000_000,
                quota_given: false,
            };
            for _ in 0..3 {
                let t = std::time::Instant::now();
                let mut n = 0;
                for _ in 0..1_000_000 {
                    n += c.meaning(std::hint::black_box(&call)).quota.len();
                }
                eprintln!("{host} {:?} ns {n}", t.elapsed().as_nanos() / 1_000_000);
            }
        }
        return;
    }
    print!("{}", callmeter_vendors::profile::schema_text());
}
