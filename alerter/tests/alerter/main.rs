//! The alerter's pure core from outside: rules, life-cycle and dispatch. One binary, to link once.

mod dispatch;
mod lifecycle;
mod rules;
