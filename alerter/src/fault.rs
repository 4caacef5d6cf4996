//! Whose fault it is: calls and errors of the last minutes beside those of the hour before enter, verdicts leave.
//!
//! When a vendor fails, every customer's rule fires; when one credential expires, only that customer's calls fail. This
//! module looks at all cells (customer × integration × endpoint × environment) at once and says which, so that one
//! alert stands for many. [`evidence`] decides whether a set of calls fails, [`mod@judge`] which sets explain what fails,
//! [`alerts`] turns verdicts into alerts and says which other alerts they make needless. Promise: all of it is
//! pure, and every number of the rule stands as a named constant beside its reason.
//!
//! **When calls fail.** A set of calls fails when at least 3 of them did, at least a fifth, at least three times the share
//! that was usual in the hour before (smoothed, so that 1 % is usual where nothing is known), and when so many errors would
//! hardly be chance (n · KL ≥ 9 nats, Chernoff's bound on the binomial tail: below 1 in 8,000).
//!
//! **Which errors.** `auth_expired` and `forbidden` speak of a credential; `upstream_5xx`, `timeout`, `connect`, `dns`, `tls`,
//! `schema_mismatch` and `unknown` of a service. What the caller got wrong (`validation`, `not_found`, `conflict`), what a
//! limit refused (`rate_limited`, `quota_exhausted`, `throttled_soft`) and what was not tried (`killed`, `cancelled`) is
//! nobody's outage. Both families are judged apart, so that two incidents of one vendor do not hide each other.
//!
//! **Who, in this order.**
//! 1. *Us*: `dns`, `connect`, `tls` or `timeout` fail at 3 or more integrations at once, and at 60 % or more of those with
//!    calls. These errors are then explained and no longer held against the vendors.
//! 2. *Credential* (one customer): one customer fails, others do not, and most of its endpoints fail.
//! 3. *Endpoint*, then *region* (the environment): at most half of those with calls fail, they hold 80 % of the errors
//!    beyond the usual, the rest does not fail, and most of their customers are affected.
//! 4. *Vendor* for errors of a service, *shared credential* for errors of credentials: several customers are affected, a
//!    quarter of those with calls (half for credentials); or the vendor has one customer only, and it is no credential's error.
//! 5. Else each affected customer is a *credential* of its own.
//!
//! A verdict that led to an alert goes on until fewer than a tenth of its calls fail: an outage ends when calls succeed
//! again, not when it has become usual. Not told apart, because nothing in the calls tells it: a vendor's shard from some
//! of its customers' networks, and an endpoint from a customer who alone uses it and nothing else.

pub mod alerts;
pub mod evidence;
pub mod judge;
mod store;

pub use alerts::Inhibition;
pub use evidence::{Cell, Counts};
pub use judge::{Scope, Verdict, judge};

#[cfg(test)]
mod tests;
