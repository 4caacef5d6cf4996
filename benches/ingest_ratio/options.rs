//! The bench's options: a command line enters, what to measure leaves.
//!
//! Promise: an unknown word is an error; `--bench`, which Cargo adds, is none.

use anyhow::{Context, bail};
use std::{path::PathBuf, str::FromStr, time::Duration};

/// How long one measurement lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// Requests are begun for so long.
    Time(Duration),
    /// So many requests.
    Requests(u64),
}

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) length: Length,
    pub(crate) rounds: usize,
    /// Events per request, one measurement each.
    pub(crate) batches: Vec<usize>,
    pub(crate) seed: u64,
    /// Requests per second that both get, as far as they can; `None` sends as fast as answers come.
    pub(crate) pace: Option<f64>,
    /// Folder of the results.
    pub(crate) out: PathBuf,
}

impl Options {
    pub(crate) fn read(args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            length: Length::Time(Duration::from_secs(3)),
            rounds: 5,
            batches: vec![1, 100, 1_000],
            seed: 1,
            pace: None,
            out: "target/ingest-ratio".into(),
        };
        let mut args = args.filter(|arg| arg != "--bench");
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--seconds" => options.length = Length::Time(Duration::from_secs_f64(number(&name, &value)?)),
                "--requests" => options.length = Length::Requests(number(&name, &value)?),
                "--rounds" => options.rounds = number(&name, &value)?,
                "--batches" => {
                    options.batches =
                        value.split(',').map(|batch| number(&name, batch)).collect::<Result<_, _>>()?;
                }
                "--seed" => options.seed = number(&name, &value)?,
                "--pace" => options.pace = Some(number(&name, &value)?),
                "--out" => options.out = value.into(),
                _ => bail!(
                    "{name}: unknown; there are --seconds --requests --rounds --batches --seed --pace --out"
                ),
            }
        }
        if options.pace.is_some_and(|pace| !(1.0..=1e6).contains(&pace)) {
            bail!("--pace is between 1 and 1000000");
        }
        if options.rounds == 0 || options.batches.is_empty() || options.batches.contains(&0) {
            bail!("--rounds and --batches begin at 1");
        }
        Ok(options)
    }
}

fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    value: &str,
) -> anyhow::Result<T> {
    value.parse().with_context(|| format!("{name}: {value} is not such a number"))
}
