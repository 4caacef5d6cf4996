//! throw-away
use callmeter_engines::*;
use std::time::{Duration, Instant};
fn main() {
    let mut a = std::env::args_os().skip(1);
    let first = a.next().expect("dir");
    if first == CLICKHOUSE_CHILD_COMMAND {
        clickhouse_child_main(a);
    }
    let mut o = EnginesOptions::new(&first, Password::new("secret"), Password::new("reads"));
    let num = |n: &str, d: u16| std::env::var(n).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    o.kafka.port = num("KPORT", 0);
    o.clickhouse.http_port = num("CPORT", 0);
    o.kafka.fast_start = num("FAST", 0) == 1;
    o.start_kafka = num("KAFKA", 1) == 1;
    o.start_clickhouse = num("CH", 1) == 1;
    o.cache_dir = std::env::var_os("CACHE").map(Into::into);
    tokio::runtime::Runtime::new().expect("rt").block_on(async move {
        if std::env::var_os("DOCTOR").is_some() {
            for c in doctor(&o) {
                println!("{c:?}");
            }
            return;
        }
        let t = Instant::now();
        if let Err(e) = fetch(&o).await {
            println!("ERR {e}");
            std::process::exit(1)
        }
        println!("fetch {:?}", t.elapsed());
        let t = Instant::now();
        let e = match Engines::start(&o).await {
            Ok(e) => e,
            Err(e) => {
                println!("ERR {e}");
                std::process::exit(1)
            }
        };
        println!("ready {:?} {:?} {:?} {:?}", t.elapsed(), e.kafka_brokers(), e.clickhouse_url(), e.pids());
        for mut s in e.status() {
            let t = t;
            tokio::spawn(async move {
                while s.changed().await.is_ok() {
                    println!("{:?} {:?}", t.elapsed(), *s.borrow());
                }
            });
        }
        use tokio::signal::unix::*;
        signal(SignalKind::terminate()).expect("s").recv().await;
        let t = Instant::now();
        e.stop(Duration::from_secs(10)).await;
        println!("stopped {:?}", t.elapsed());
    });
}
