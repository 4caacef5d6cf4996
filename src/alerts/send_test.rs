//! `callmeter alerts send-test`: a receiver's name enters, what became of a test at each of its targets leaves.
//!
//! A target that did not take its test is status 1.

use super::args::SendTestArgs;
use crate::table::aligned;
use callmeter_alerter::{AlerterConfig, Tested};
use std::process::ExitCode;

/// Sends the test and prints what became of it.
pub(super) async fn run(config: &AlerterConfig, args: &SendTestArgs) -> anyhow::Result<ExitCode> {
    let tested = callmeter_alerter::send_test(config, &args.receiver).await?;
    match args.list.json {
        true => println!("{}", serde_json::to_string_pretty(&tested)?),
        false => print!("{}", shown(&tested)),
    }
    Ok(if tested.iter().all(|tested| tested.delivered) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line per target.
fn shown(tested: &[Tested]) -> String {
    let head = ["TARGET", "OUTCOME", "STATUS", "TIME", "DETAIL"].map(str::to_owned);
    let row = |tested: &Tested| {
        let outcome = if tested.delivered { "delivered" } else { "failed" };
        let status = if tested.status == 0 { "no answer".to_owned() } else { tested.status.to_string() };
        let took = format!("{} ms", tested.took_ms);
        [tested.target.clone(), outcome.to_owned(), status, took, tested.detail.clone()]
    };
    let rows: Vec<_> = [head].into_iter().chain(tested.iter().map(row)).collect();
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_target_what_happened_and_how_long_it_took() {
        let tested = |target: &str, delivered, status, detail: &str| Tested {
            target: target.into(),
            delivered,
            status,
            detail: detail.into(),
            took_ms: 12,
        };
        let all =
            [tested("ops/email/0", false, 0, "connection refused"), tested("ops/webhook/0", true, 204, "")];
        assert_eq!(
            shown(&all),
            "TARGET         OUTCOME    STATUS     TIME   DETAIL\n\
             ops/email/0    failed     no answer  12 ms  connection refused\n\
             ops/webhook/0  delivered  204        12 ms\n"
        );
    }
}
