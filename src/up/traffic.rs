//! Demo traffic: a number and a moment enter, a call event leaves.
//!
//! Six vendors, thirty customers, retries, costs, one vendor's outage (a minute of every five) and
//! one customer's exhausted quota. Promise: pure; the same moment and number make the same event.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Outage of the payments vendor: from this second after the start on …
const OUTAGE_FROM: i64 = 15;
/// … to this one …
const OUTAGE_TO: i64 = 75;
/// … of a cycle this long.
const CYCLE: i64 = 300;

struct Vendor {
    integration: &'static str,
    host: &'static str,
    calls: [(&'static str, &'static str, &'static str); 3],
    typical_ms: f64,
    /// Price of one attempt in units of 10^-6 USD.
    price_micros: u64,
}

const VENDORS: [Vendor; 6] = [
    Vendor {
        integration: "hubspot",
        host: "api.hubapi.com",
        calls: [
            ("GET", "/crm/v3/objects/contacts/{id}", "contacts"),
            ("POST", "/crm/v3/objects/contacts/search", "contacts"),
            ("PATCH", "/crm/v3/objects/deals/{id}", "deals"),
        ],
        typical_ms: 140.0,
        price_micros: 0,
    },
    Vendor {
        integration: "github",
        host: "api.github.com",
        calls: [
            ("GET", "/repos/{owner}/{repo}/issues", "issues"),
            ("GET", "/repos/{owner}/{repo}/pulls", "pulls"),
            ("POST", "/repos/{owner}/{repo}/issues", "issues"),
        ],
        typical_ms: 90.0,
        price_micros: 0,
    },
    Vendor {
        integration: "shopify",
        host: "shop.myshopify.com",
        calls: [
            ("GET", "/admin/api/orders.json", "orders"),
            ("GET", "/admin/api/products.json", "products"),
            ("PUT", "/admin/api/products/{id}.json", "products"),
        ],
        typical_ms: 210.0,
        price_micros: 0,
    },
    Vendor {
        integration: "stripe",
        host: "api.stripe.com",
        calls: [
            ("GET", "/v1/charges", "charges"),
            ("POST", "/v1/payment_intents", "payments"),
            ("GET", "/v1/customers/{id}", "customers"),
        ],
        typical_ms: 180.0,
        price_micros: 500,
    },
    Vendor {
        integration: "openai",
        host: "api.openai.com",
        calls: [
            ("POST", "/v1/responses", "text"),
            ("POST", "/v1/embeddings", "embeddings"),
            ("GET", "/v1/models", "models"),
        ],
        typical_ms: 900.0,
        price_micros: 4_200,
    },
    Vendor {
        integration: "salesforce",
        host: "acme.my.salesforce.com",
        calls: [
            ("GET", "/services/data/v61.0/query", "accounts"),
            ("PATCH", "/services/data/v61.0/sobjects/Account/{id}", "accounts"),
            ("POST", "/services/data/v61.0/composite", "accounts"),
        ],
        typical_ms: 320.0,
        price_micros: 150,
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

/// The event of this number, sent at this moment by a demo that began at `start`.
pub(crate) fn event(number: u64, start: Timestamp, now: Timestamp) -> Value {
    let dice = mix(number);
    let vendor = &VENDORS[(dice % 6) as usize];
    // The product of two dice: a few customers make most of the traffic, as in life.
    let customer = CUSTOMERS[((dice >> 8) % 30).min((dice >> 16) % 30) as usize];
    let (method, path, data_type) = vendor.calls[((dice >> 24) % 3) as usize];
    let status = status(vendor, customer, dice, now.as_second() - start.as_second());
    let retried = status >= 500 && (dice >> 52).is_multiple_of(2);
    let mut event = json!({
        "id": format!("demo-{:x}-{number:x}", start.as_second()),
        "time": now.to_string(),
        "customer": customer,
        "integration": vendor.integration,
        "host": vendor.host,
        "method": method,
        "endpoint": format!("{method} {path}"),
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
    });
    if vendor.price_micros > 0 {
        let micros = vendor.price_micros + (dice >> 44) % 100;
        event["cost"] =
            json!({"amount": format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000), "currency": "USD"});
    }
    if vendor.integration == "hubspot" {
        let left = if status == 429 { 0 } else { 500_000 - now.as_second() % 86_400 };
        event["quota"] = json!([{"policy": "daily", "scope": customer, "limit": 500_000, "remaining": left}]);
    }
    event
}

fn status(vendor: &Vendor, customer: &str, dice: u64, second: i64) -> u16 {
    let chance = (dice >> 36) % 1000;
    let outage = (OUTAGE_FROM..OUTAGE_TO).contains(&(second % CYCLE));
    match vendor.integration {
        "stripe" if outage && chance < 700 => 503,
        "hubspot" if customer == "globex" && chance < 800 => 429,
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
