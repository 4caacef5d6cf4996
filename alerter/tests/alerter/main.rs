//! The alerter's pure core from outside: rules, life-cycle and dispatch. One binary, to link once.

mod conditions;
mod dispatch;
mod lifecycle;
mod model;
mod rules;
