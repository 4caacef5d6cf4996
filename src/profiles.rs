//! `callmeter profiles`: profiles or a described call enter, mistakes, a list or an explanation leave.
//!
//! Data goes to standard output, everything else to standard error; mistakes are status 1.

pub(crate) mod args;
mod explain;
mod list;

use crate::{cli::ConfigArgs, commands, config};
use anyhow::bail;
use args::{CheckArgs, ProfilesCommand};
use callmeter_documents::{Problem, files};
use callmeter_vendors::{BUILT_IN, Catalogue, check, folder, profile};
use std::{path::Path, process::ExitCode};

/// Does what the command line asks for.
pub(crate) fn profiles(command: ProfilesCommand) -> anyhow::Result<ExitCode> {
    match command {
        ProfilesCommand::Check(args) => check(&args),
        ProfilesCommand::List(args) => {
            let catalogue = catalogue(&args.config)?;
            match args.json {
                true => println!("{:#}", list::json(&catalogue)),
                false => print!("{}", list::table(&catalogue)),
            }
            Ok(ExitCode::SUCCESS)
        }
        ProfilesCommand::Explain(args) => {
            let catalogue = catalogue(&args.config)?;
            print!("{}", explain::explain(&catalogue, &args));
            Ok(ExitCode::SUCCESS)
        }
        ProfilesCommand::Schema => {
            print!("{}", profile::schema_text());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The profiles that ingest would use.
fn catalogue(config: &ConfigArgs) -> anyhow::Result<Catalogue> {
    let own = config::load(config.config.as_deref())?.ingest.profiles;
    if own.is_empty() {
        return Ok(Catalogue::built_in());
    }
    match folder::load(Path::new(&own)) {
        Ok(catalogue) => Ok(catalogue),
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            bail!("the profiles of ingest.profiles have mistakes\n       {}", lines.join("\n       "));
        }
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let own = match args.paths.is_empty() {
        true => config::load(args.config.config.as_deref())?.ingest.profiles,
        false => String::new(),
    };
    Ok(match checked(args, &own) {
        Ok((profiles, fixtures)) => {
            println!("{profiles} profiles with {fixtures} fixtures, no mistakes");
            ExitCode::SUCCESS
        }
        Err(problems) => commands::refused(&problems),
    })
}

/// How many profiles and fixtures are right.
fn checked(args: &CheckArgs, own: &str) -> Result<(usize, usize), Vec<Problem>> {
    let mut sets = Vec::new();
    if args.paths.is_empty() {
        sets.push(check::check_all(BUILT_IN));
    }
    match (args.paths.as_slice(), own) {
        ([], "") => {}
        ([], own) => sets.push(folder::read(Path::new(own)).and_then(|files| check::check_all(&files))),
        (paths, _) => sets.push(texts(paths).and_then(|files| check::check_all(&files))),
    }
    let (mut profiles, mut fixtures, mut problems) = (0, 0, Vec::new());
    for set in sets {
        match set {
            Ok(read) => {
                profiles += read.len();
                fixtures += read.iter().map(|checked| checked.profile.fixtures.len()).sum::<usize>();
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok((profiles, fixtures)) } else { Err(problems) }
}

/// Names and texts of files and of the files in folders.
fn texts(paths: &[impl AsRef<Path>]) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let (mut texts, mut problems) = (Vec::new(), Vec::new());
    for path in paths.iter().map(AsRef::as_ref) {
        let read = if path.is_dir() { folder::read(path) } else { files::read_all(&[path]) };
        match read {
            Ok(read) => texts.extend(read),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}
