//! The commands: a parsed command line enters, work is done, an exit status leaves.

use crate::{
    alerts,
    cli::{Command, ConfigArgs, EnginesCommand, KeysCommand, KeysCreateArgs},
    config::{self, Config},
    doctor, migrate, partitions, prices, profiles, rebuild, roles, rules, silences, telemetry, up,
};
use anyhow::{Context, bail};
use callmeter_documents::Problem;
use rand::RngCore;
use std::process::ExitCode;

/// Does what the command line asks for.
pub(crate) fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    // Two TLS providers could be linked one day; the choice is made here, once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Up(args) => up::up(args),
        Command::Engines(EnginesCommand::Start(args)) => up::engines_start(args),
        Command::Ingest(args) => role(&args, "ingest", roles::ingest),
        Command::Aggregate(args) => role(&args, "aggregate", roles::aggregate),
        Command::Alert(args) => role(&args, "alert", roles::alert),
        Command::Migrate(args) => role(&args, "migrate", async |config: Config| {
            for line in migrate::migrate(&config.kafka, &config.clickhouse).await? {
                println!("{line}");
            }
            Ok(())
        }),
        Command::Keys(KeysCommand::Create(args)) => keys_create(&args),
        Command::Rules(command) => rules::rules(command),
        Command::Alerts(command) => alerts::alerts(command),
        Command::Silences(command) => silences::silences(command),
        Command::Profiles(command) => profiles::profiles(command),
        Command::Prices(command) => prices::prices(command),
        Command::Partitions(command) => partitions::partitions(command),
        Command::Rebuild(args) => rebuild::rebuild(args),
        Command::Doctor(args) => doctor::doctor(&args),
    }
}

/// Runs something that needs configuration, logging and the runtime.
fn role(
    args: &ConfigArgs,
    name: &str,
    run: impl AsyncFnOnce(Config) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let config = config::load(args.config.as_deref())?;
    let _telemetry = telemetry::start(&config.log, name)?;
    tracing::debug!(config = serde_json::to_string(&config).unwrap_or_default(), "effective configuration");
    runtime()?.block_on(run(config))?;
    Ok(ExitCode::SUCCESS)
}

/// The runtime of every long-running command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")
}

fn keys_create(args: &KeysCreateArgs) -> anyhow::Result<ExitCode> {
    let mut random = [0; callmeter_ingest::keys::RANDOM_BYTES];
    rand::rng().fill_bytes(&mut random);
    let callmeter_ingest::keys::Generated { key, entry } =
        callmeter_ingest::keys::generate(&args.workspace, &random);
    // A name that the entry cannot hold is found by reading the entry.
    if callmeter_ingest::keys::Keys::parse(std::slice::from_ref(&entry)).is_err() {
        bail!("workspace {:?}: use letters, digits, '-', '_' and '.'", args.workspace);
    }
    if args.json {
        println!("{}", serde_json::json!({"workspace": args.workspace, "key": key, "entry": entry}));
    } else {
        println!("{key}");
        eprintln!("The key is shown this once. To admit it, put this under ingest.keys:\n  - \"{entry}\"");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what is wrong with files; the status of a check that found something.
pub(crate) fn refused(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        println!("{problem}");
    }
    ExitCode::FAILURE
}
