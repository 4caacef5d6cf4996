//! Replay: rollup rows and a time enter, the changes of state that the live alerter would have stored leave.
//!
//! Rule tests and back-tests are the live path with another source of answers: [`row`] is one stored window of
//! one key, [`history`] answers a [`Query`](crate::query::Query) over such rows as ClickHouse would, and
//! [`player`] walks the schedule and lets the one [`Evaluator`](crate::evaluate::Evaluator) draw its conclusions.
//! Promise: pure.

mod edges;
pub mod history;
pub mod limits;
pub mod player;
pub mod row;
mod tally;
