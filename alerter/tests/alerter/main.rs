//! The alerter's pure core from outside: rules, life-cycle, dispatch, and kills at any instant. One binary, to link once.

mod conditions;
mod crashes;
mod dispatch;
mod lifecycle;
mod model;
mod rules;
