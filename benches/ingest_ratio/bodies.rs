//! Seeded traffic: a seed and a batch size enter, whole HTTP requests leave.
//!
//! Events hold 15 members and more: six of ten name integration and endpoint, the others host, method and path, whose
//! meaning the vendor's profile tells; a quarter carries six response headers. Promise: one seed, the same bytes.

/// Bytes of all requests of one batch size together, about: more than a cache holds.
const POOL_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of one event, about.
const EVENT_BYTES: usize = 420;

/// One request, ready to be written to a connection.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// Where its body begins.
    body: usize,
    /// The answer's body when every event was accepted.
    pub(crate) answer: String,
}

impl Request {
    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// Different requests of `batch` events each; a single event is an object, more are an array.
pub(crate) fn requests(seed: u64, batch: usize, key: &str) -> Vec<Request> {
    let mut dice = Dice(seed ^ batch as u64);
    let count = (POOL_BYTES / EVENT_BYTES / batch).max(16);
    (0..count).map(|_| request(&mut dice, batch, key)).collect()
}

fn request(dice: &mut Dice, batch: usize, key: &str) -> Request {
    let events: Vec<String> = (0..batch).map(|_| event(dice)).collect();
    let body = if batch == 1 { events.concat() } else { format!("[{}]", events.join(",")) };
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: ingest\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Request {
        body: head.len(),
        bytes: (head + &body).into_bytes(),
        answer: format!(r#"{{"accepted":{batch},"rejected":[]}}"#),
    }
}

fn event(dice: &mut Dice) -> String {
    let described = dice.below(10) >= 6;
    let status = if dice.below(20) == 0 { 429 } else { 200 };
    let (id, minute, second) = (dice.next(), dice.below(60), dice.below(60));
    let mut text = format!(
        r#"{{"id":"01JD3ZK{id:020}","time":"2026-11-20T12:{minute:02}:{second:02}.123Z","customer":"customer-{}""#,
        dice.below(10_000)
    );
    text += &if described { call(dice) } else { named(dice) };
    text += &format!(
        r#","status":{status},"latency_ms":{}.{},"attempt":1,"run_id":"sync-{}","records":{},"bytes_in":{},"bytes_out":{}"#,
        dice.below(400),
        dice.below(10),
        dice.below(100),
        dice.below(100),
        dice.below(10_000),
        dice.below(1_000)
    );
    text += r#","tier":"enterprise","environment":"production","cost":{"amount":"0.0042","currency":"USD"}"#;
    if dice.below(4) == 0 {
        text += &headers(dice);
    }
    text + "}"
}

/// The sender names integration and endpoint.
fn named(dice: &mut Dice) -> String {
    let integration = ["hubspot", "stripe", "github", "openai"][dice.below(4) as usize];
    format!(r#","integration":"{integration}","endpoint":"GET /v1/things/{{id}}/{}""#, dice.below(20))
}

/// The sender describes the call.
fn call(dice: &mut Dice) -> String {
    let (host, path) = [
        ("api.hubapi.com", "/crm/v3/objects/contacts"),
        ("api.stripe.com", "/v1/customers"),
        ("api.github.com", "/repos/acme/site/issues"),
        ("api.example.com", "/v1/orders"),
    ][dice.below(4) as usize];
    format!(r#","host":"{host}","method":"GET","path":"{path}/{}""#, dice.below(100_000))
}

fn headers(dice: &mut Dice) -> String {
    format!(
        concat!(
            r#","headers":{{"x-hubspot-ratelimit-daily":"250000","x-hubspot-ratelimit-daily-remaining":"{}","#,
            r#""x-hubspot-ratelimit-max":"110","x-hubspot-ratelimit-remaining":"{}","#,
            r#""content-type":"application/json","x-request-id":"{:016x}"}}"#
        ),
        dice.below(250_000),
        dice.below(110),
        dice.next()
    )
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}
