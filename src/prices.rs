//! `callmeter prices`: a price book and a question enter, mistakes or an explanation leave.
//!
//! Data goes to standard output; a book with mistakes is status 1.

pub(crate) mod args;
mod month;

use crate::{commands, config};
use anyhow::{Context, bail};
use args::{CallArgs, CheckArgs, ExplainArgs, PricesCommand};
use callmeter_documents::{Problem, files};
use callmeter_prices::{
    Attempt, Book, document,
    explain::attempt::{self, Question},
};
use callmeter_schemas::ErrorClass;
use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Read when neither the command line nor the configuration names another.
const DEFAULT_BOOK: &str = "prices.yaml";

/// Does what the command line asks for.
pub(crate) fn prices(command: PricesCommand) -> anyhow::Result<ExitCode> {
    match command {
        PricesCommand::Check(args) => check(&args),
        PricesCommand::Explain(args) => explain(&args),
        PricesCommand::Schema => {
            println!("{}", serde_json::to_string_pretty(&document::schema())?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let path = match &args.file {
        Some(file) => file.clone(),
        None => configured(config::load(None)?.aggregator.prices),
    };
    match read(&path) {
        Ok(book) => {
            let (lines, integrations) = (book.lines().len(), book.integrations().count());
            println!("{lines} lines of {integrations} integrations, no mistakes; book {}", book.id());
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => Ok(commands::refused(&problems)),
    }
}

fn configured(prices: Option<impl Into<PathBuf>>) -> PathBuf {
    prices.map_or_else(|| PathBuf::from(DEFAULT_BOOK), Into::into)
}

fn read(path: &Path) -> Result<Book, Vec<Problem>> {
    let name = path.to_string_lossy();
    let text = files::read(&name).map_err(|problem| vec![problem])?;
    Book::parse(&name, &text)
}

fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let needs_config = args.month.is_some() || args.prices.is_none();
    let config = if needs_config { Some(config::load(args.config.config.as_deref())?) } else { None };
    let path = match &args.prices {
        Some(path) => path.clone(),
        None => configured(config.as_ref().and_then(|config| config.aggregator.prices.as_ref())),
    };
    let book = match read(&path) {
        Ok(book) => book,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("the price book has mistakes\n       {}", lines.join("\n       "));
        }
    };
    match (args.month, config) {
        (Some(month), Some(config)) => {
            let told = month::explain(&book, month, args, &config.clickhouse)?;
            print(&told, args.json)
        }
        _ => print(&call(&book, args.integration.as_deref().unwrap_or_default(), &args.call)?, args.json),
    }
}

fn print(told: &(impl Display + serde::Serialize), json: bool) -> anyhow::Result<ExitCode> {
    match json {
        true => println!("{}", serde_json::to_string_pretty(told)?),
        false => println!("{told}"),
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::disallowed_methods, reason = "a call without a time is one of now")]
fn call(book: &Book, integration: &str, args: &CallArgs) -> anyhow::Result<attempt::Explanation> {
    let time_us = match args.time {
        Some(time_us) => time_us,
        None => jiff::Timestamp::now().as_microsecond(),
    };
    let status = match (args.status, args.error_class) {
        (Some(status), _) => Some(status),
        (None, _) if args.no_response => None,
        // Whoever names another class and no status means an attempt of which nothing more is known.
        (None, Some(class)) if class != ErrorClass::Ok => None,
        (None, _) => Some(200),
    };
    let word = args.error_class.map(ErrorClass::as_str);
    let attributes: BTreeMap<String, String> = args.attributes.iter().cloned().collect();
    let attempt = Attempt {
        time_us,
        attempt: args.attempt,
        error_class: ErrorClass::resolve(word, status, false),
        status,
        billable: args.billable,
        items: args.items,
        records: args.records,
        bytes_in: args.bytes_in,
        bytes_out: args.bytes_out,
        attributes: &attributes,
    };
    let endpoint = args.endpoint.as_deref().context("--endpoint is missing")?;
    Ok(attempt::explain(book, &Question { integration, endpoint, tier: &args.tier, attempt }))
}
