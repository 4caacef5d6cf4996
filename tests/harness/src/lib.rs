//! What the end-to-end tests and the chaos command share.
//!
//! [`stack`] starts an installation on genuine engines, [`producer`] and [`tariff`] say what services send and what it
//! costs, [`oracle`] recomputes the tables from the log with code of its own, [`stored`] reads what the tables hold, and
//! [`inspector`] compares the two, invariant by invariant; [`usage`] and [`spread`] are
//! for what is measured, [`shared`] for what tasks share. Promise: a check that could not be made is a violation.

pub mod inspector;
pub mod oracle;
pub mod producer;
pub mod proxy;
pub mod role;
pub mod shared;
pub mod spread;
pub mod stack;
pub mod stored;
pub mod tariff;
pub mod topic;
pub mod usage;

/// The product's allocator, so that what it is measured against has it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The product's settings of it; `src/main.rs` says why.
#[allow(unsafe_code, reason = "the allocator looks for a symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 21] = b"oversize_threshold:0\0";
