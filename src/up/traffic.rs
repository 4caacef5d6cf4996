//! Demo traffic: a number and a moment enter, a call event leaves.
//!
//! Six vendors, thirty customers, retries, rate-limit headers, tokens, one vendor's outage (a minute of every five)
//! and one customer's exhausted quota. Promise: pure; the same moment and number make the same event.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Outage of the payments vendor: from this second after the start on …
const OUTAGE_FROM: i64 = 15;
/// … to this one …
const OUTAGE_TO: i64 = 75;
/// … of a cycle this long.
const CYCLE: i64 = 300;

struct Vendor {
    host: &'static str,
    /// Method, path and data type; `#` stands for an id.
    calls: [(&'static str, &'static str, &'static str); 3],
    typical_ms: f64,
}

const VENDORS: [Vendor; 6] = [
    Vendor {
        host: "api.hubapi.com",
        calls: [
            ("GET", "/crm/v3/objects/contacts/#", "contacts"),
            ("POST", "/crm/v3/objects/contacts", "contacts"),
            ("PATCH", "/crm/v3/objects/deals/#", "deals"),
        ],
        typical_ms: 140.0,
    },
    Vendor {
        host: "api.github.com",
        calls: [
            ("GET", "/repos/acme/shop/issues", "issues"),
            ("GET", "/repos/acme/shop/pulls", "pulls"),
            ("POST", "/repos/acme/shop/issues", "issues"),
        ],
        typical_ms: 90.0,
    },
    Vendor {
        host: "shop.myshopify.com",
        calls: [
            ("GET", "/admin/api/2026-10/orders.json", "orders"),
            ("GET", "/admin/api/2026-10/products.json", "products"),
            ("PUT", "/admin/api/2026-10/products/#.json", "products"),
        ],
        typical_ms: 210.0,
    },
    Vendor {
        host: "api.stripe.com",
        calls: [
            ("POST", "/v1/charges", "charges"),
            ("POST", "/v1/payment_intents", "payments"),
            ("GET", "/v1/customers/cus_Nff#rFZrkB", "customers"),
        ],
        typical_ms: 180.0,
    },
    Vendor {
        host: "api.openai.com",
        calls: [
            ("POST", "/v1/responses", "text"),
            ("POST", "/v1/chat/completions", "text"),
            ("GET", "/v1/models", "models"),
        ],
        typical_ms: 900.0,
    },
    Vendor {
        host: "acme.my.salesforce.com",
        calls: [
            ("GET", "/services/data/v61.0/query", "accounts"),
            ("PATCH", "/services/data/v61.0/sobjects/Account/0015g00000#AAC", "accounts"),
            ("POST", "/services/data/v61.0/composite", "accounts"),
        ],
        typical_ms: 320.0,
    },
];

const CUSTOMERS: [&str; 30] = [
    "acme",
    "globex",
    "initech",
    "umbrella",
    "hooli",
    "stark",
    "wayne",
    "wonka",
    "tyrell",
    "cyberdyne",
    "soylent",
    "oscorp",
    "massive",
    "gringotts",
    "vandelay",
    "dunder",
    "pied-piper",
    "aperture",
    "black-mesa",
    "monarch",
    "nakatomi",
    "weyland",
    "rekall",
    "zorg",
    "virtucon",
    "prestige",
    "oceanic",
    "dharma",
    "sirius",
    "blue-sun",
];

/// The event of this number, sent at this moment by a demo that began at `start`: what a service knows of its call, and no
/// more. Endpoint, class, quotas and cost are Callmeter's business.
pub(crate) fn event(number: u64, start: Timestamp, now: Timestamp) -> Value {
    let dice = mix(number);
    let vendor = &VENDORS[(dice % 6) as usize];
    // The product of two dice: a few customers make most of the traffic, as in life.
    let customer = CUSTOMERS[((dice >> 8) % 30).min((dice >> 16) % 30) as usize];
    let (method, path, data_type) = vendor.calls[((dice >> 24) % 3) as usize];
    let status = status(vendor, customer, dice, now.as_second() - start.as_second());
    let retried = status >= 500 && (dice >> 52).is_multiple_of(2);
    json!({
        "id": format!("demo-{:x}-{number:x}", start.as_second()),
        "time": now.to_string(),
        "customer": customer,
        "host": vendor.host,
        "method": method,
        "path": path.replace('#', &(100_000 + (dice >> 22) % 900_000).to_string()),
        "status": status,
        "latency_ms": latency_ms(vendor, status, dice),
        "queue_ms": (dice >> 40 & 0x3f) as f64 / 10.0,
        "attempt": if retried { 2 } else { 1 },
        "run_id": format!("sync-{}", number / 500),
        "data_type": data_type,
        "operation": if method == "GET" { "read" } else { "write" },
        "records": dice >> 32 & 0x1f,
        "bytes_in": 400 + (dice >> 20 & 0xfff),
        "bytes_out": 120 + (dice >> 28 & 0xff),
        "tier": if customer.len().is_multiple_of(3) { "enterprise" } else { "standard" },
        "environment": "production",
        "headers": headers(vendor, customer, status, now.as_second() - start.as_second()),
        "attributes": attributes(vendor, path, dice),
    })
}

/// What the vendor's answer says of its limits.
fn headers(vendor: &Vendor, customer: &str, status: u16, second: i64) -> Value {
    if status >= 500 {
        return json!({});
    }
    // Every customer has a day's allowance of its own; one has used nearly all of it.
    let used =
        second * 3 % 240_000 + if customer == "globex" { 249_000 } else { customer.len() as i64 * 9_000 };
    match vendor.host {
        "api.hubapi.com" if status == 429 => {
            json!({"Retry-After": "10", "X-HubSpot-RateLimit-Daily": "250000",
            "X-HubSpot-RateLimit-Daily-Remaining": "0"})
        }
        "api.hubapi.com" => json!({"X-HubSpot-RateLimit-Daily": "250000",
            "X-HubSpot-RateLimit-Daily-Remaining": (250_000 - used).max(0).to_string()}),
        "api.github.com" => json!({"X-RateLimit-Limit": "5000", "X-RateLimit-Resource": "core",
            "X-RateLimit-Remaining": (5_000 - second * 2 % 4_900).to_string()}),
        "shop.myshopify.com" => json!({"X-Shopify-Shop-Api-Call-Limit": format!("{}/40", second % 30)}),
        "acme.my.salesforce.com" => {
            json!({"Sforce-Limit-Info": format!("api-usage={}/100000", second * 30 % 99_000)})
        }
        "api.openai.com" => json!({"x-ratelimit-limit-requests": "10000", "x-ratelimit-reset-requests": "6s",
            "x-ratelimit-remaining-requests": (10_000 - second % 600).to_string()}),
        _ => json!({}),
    }
}

/// What the example price book meters beside calls.
fn attributes(vendor: &Vendor, path: &str, dice: u64) -> Value {
    match (vendor.host, path) {
        ("api.openai.com", "/v1/responses" | "/v1/chat/completions") => json!({
            "gen_ai.request.model": if dice.is_multiple_of(4) { "gpt-4o" } else { "gpt-4o-mini" },
            "gen_ai.usage.input_tokens": 200 + (dice >> 30) % 1_800,
            "gen_ai.usage.output_tokens": 50 + (dice >> 41) % 450,
        }),
        ("api.stripe.com", "/v1/charges") => json!({"stripe.amount": 500 + (dice >> 33) % 9_500}),
        _ => json!({}),
    }
}

fn status(vendor: &Vendor, customer: &str, dice: u64, second: i64) -> u16 {
    let chance = (dice >> 36) % 1000;
    let outage = (OUTAGE_FROM..OUTAGE_TO).contains(&(second % CYCLE));
    match vendor.host {
        "api.stripe.com" if outage && chance < 700 => 503,
        "api.hubapi.com" if customer == "globex" && chance < 800 => 429,
        _ if chance < 4 => 500,
        _ if chance < 9 => 404,
        _ if chance < 12 => 401,
        _ if chance < 17 => 422,
        _ => 200,
    }
}

/// A long-tailed latency around the vendor's typical one.
fn latency_ms(vendor: &Vendor, status: u16, dice: u64) -> f64 {
    let place = (dice >> 12 & 0xfff) as f64 / 4096.0;
    let tail = 0.6 + place + 4.0 * place.powi(12);
    let factor = if status == 503 { 6.0 } else { 1.0 };
    (vendor.typical_ms * tail * factor * 10.0).round() / 10.0
}

/// SplitMix64 (Steele, Lea, Flood 2014): well-mixed dice from a counter.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
