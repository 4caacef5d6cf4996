//! Prices: usage enters, exact money leaves.
