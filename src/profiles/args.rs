//! The arguments of `callmeter profiles`.

use crate::cli::{ConfigArgs, ListArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesCommand {
    /// Check profiles and run their fixtures: every mistake with file and line
    Check(CheckArgs),
    /// Which vendors are known
    List(ListArgs),
    /// What one call becomes, and why
    Explain(ExplainArgs),
    /// The JSON Schema of profile files, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Files, and folders of them; else the built-in profiles and those of ingest.profiles
    #[arg(value_name = "FILE|FOLDER")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Host of the vendor
    #[arg(long, required_unless_present = "integration")]
    pub(crate) host: Option<String>,
    /// Integration, as if the sender had named it
    #[arg(long)]
    pub(crate) integration: Option<String>,
    /// HTTP method
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Path; a query string is dropped
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// HTTP status; absent: no answer
    #[arg(long, value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) status: Option<u16>,
    /// Response header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// The vendor's error code, or the client library's type of error
    #[arg(long, value_name = "CODE")]
    pub(crate) error: Option<String>,
    /// How many items it was about
    #[arg(long)]
    pub(crate) items: Option<u64>,
    /// On whose behalf
    #[arg(long, default_value = "customer")]
    pub(crate) customer: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `name: value`")?;
    match name.trim() {
        "" => Err("it has no name".to_owned()),
        name => Ok((name.to_owned(), value.trim().to_owned())),
    }
}
