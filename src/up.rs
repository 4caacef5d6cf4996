//! `up`: everything on one machine. A data folder and a configuration enter; engines, tables, roles, demo
//! traffic and a status leave, until the first signal.
//!
//! engines → tables → roles → receiver → run.json → demo → status. Promise: whatever dies comes back; Ctrl-C stops
//! all within ten seconds and leaves no process; the next start goes on with the same data and keys.

mod board;
mod crew;
mod demo;
mod receiver;
mod status;
mod store;
mod traffic;

use crate::{
    admin::Readiness,
    cli::{EnginesArgs, UpArgs},
    commands::runtime,
    config::{self, Config},
    migrate,
    roles::Stop,
    telemetry,
};
use anyhow::Context;
use callmeter_engines::{Engines, EnginesOptions, Password};
use callmeter_schemas::config::Secret;
use std::{path::Path, process::ExitCode, time::Duration};
use store::DataFolder;
pub(crate) use store::Secrets;

/// Time for the roles, and then for the engines, to end by themselves; together below ten seconds.
const GRACE: Duration = Duration::from_secs(4);
/// After this long the process ends whatever is left; its children end with it.
const SHUTDOWN_BOUND: Duration = Duration::from_millis(9_500);

/// Runs everything until told to stop.
pub(crate) fn up(args: UpArgs) -> anyhow::Result<ExitCode> {
    let mut config = config::load(args.config.config.as_deref())?;
    // The status is what a person watches here; the roles log to files.
    if !config.names("log.filter") {
        config.log.filter = "warn".into();
    }
    let _telemetry = telemetry::start(&config.log, "up")?;
    runtime()?.block_on(run(config, args))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the engines alone until told to stop.
pub(crate) fn engines_start(args: EnginesArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(args.config.config.as_deref())?;
    let _telemetry = telemetry::start(&config.log, "engines")?;
    runtime()?.block_on(async {
        let stop = Stop::on_signals(Readiness::default(), SHUTDOWN_BOUND)?;
        let folder = DataFolder::open(&args.data)?;
        let mut config = config;
        let Some(engines) = start_engines(&mut config, &args.data, &folder, &stop).await? else {
            return Ok(());
        };
        folder.write_run(&store::Run::of_engines(&config))?;
        eprintln!("kafka {}  clickhouse {}  until Ctrl-C", config.kafka.brokers, config.clickhouse.url);
        println!("{}", folder.run_file().display());
        stop.wait().await;
        folder.remove_run();
        engines.stop(GRACE * 2).await;
        anyhow::Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn run(mut config: Config, args: UpArgs) -> anyhow::Result<()> {
    let stop = Stop::on_signals(Readiness::default(), SHUTDOWN_BOUND)?;
    let folder = DataFolder::open(&args.data)?;
    let Some(engines) = start_engines(&mut config, &args.data, &folder, &stop).await? else { return Ok(()) };
    let outcome = serve(&mut config, &args, &folder, &engines, &stop).await;
    folder.remove_run();
    engines.stop(GRACE).await;
    outcome
}

/// Tables, roles, receiver, demo and status, on engines that run.
async fn serve(
    config: &mut Config,
    args: &UpArgs,
    folder: &DataFolder,
    engines: &Engines,
    stop: &Stop,
) -> anyhow::Result<()> {
    migrate::migrate(&config.kafka, &config.clickhouse).await.context("topics and tables")?;
    let inbox = receiver::Inbox::open(folder).await?;
    let start = crew::Crew::start(config, args.config.config.as_deref(), folder, &inbox, !args.no_demo);
    let crew = tokio::select! { crew = start => crew?, () = stop.wait() => return Ok(()) };
    let board = board::open(config, folder).await?;
    let run = store::Run { board_url: board.url(), ..store::Run::of(config, folder, &crew) };
    folder.write_run(&run)?;
    let watch = status::Watch::new(config, &run, engines, &crew, &inbox, folder.logs());
    let demo = async {
        match args.no_demo {
            true => std::future::pending().await,
            false => demo::send(&run.ingest_url, &folder.secrets().demo_key).await,
        }
    };
    tokio::select! {
        () = watch.show() => {}
        () = board.serve(&watch) => {}
        () = demo => {}
        () = stop.wait() => eprintln!("stopping; the data stays in {}", args.data.display()),
    }
    folder.remove_run();
    crew.stop(GRACE).await;
    Ok(())
}

/// What the engines are told; the doctor looks at it without secrets.
pub(crate) fn engine_options(config: &Config, data: &Path, secrets: &Secrets) -> EnginesOptions {
    let secret = |text: &str| Password::new(text.to_owned());
    let mut options = EnginesOptions::new(
        data,
        secret(&secrets.clickhouse_password),
        secret(&secrets.clickhouse_read_password),
    );
    options.start_kafka = !config.names("kafka.brokers");
    options.start_clickhouse = !config.names("clickhouse.url");
    options.kafka.port = config.engines.kafka_port;
    options.clickhouse.http_port = config.engines.clickhouse_port;
    options.kafka.fast_start = config.engines.fast_start;
    options
}

/// Starts what the configuration does not name and notes in it where that listens; `None` when told to stop.
async fn start_engines(
    config: &mut Config,
    data: &Path,
    folder: &DataFolder,
    stop: &Stop,
) -> anyhow::Result<Option<Engines>> {
    let options = engine_options(config, data, folder.secrets());
    if options.start_kafka || options.start_clickhouse {
        eprintln!("starting kafka and clickhouse in {}", data.display());
    }
    let engines = tokio::select! {
        engines = Engines::start(&options) => engines?,
        () = stop.wait() => return Ok(None),
    };
    if let Some(brokers) = engines.kafka_brokers() {
        config.kafka.brokers = brokers;
    }
    if let Some(url) = engines.clickhouse_url() {
        config.clickhouse.url = url;
        config.clickhouse.user = callmeter_engines::ADMIN_USER.into();
        config.clickhouse.password = Secret::new(folder.secrets().clickhouse_password.clone());
    }
    Ok(Some(engines))
}
