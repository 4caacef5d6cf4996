//! Vendors: one described call enters, what it meant leaves.
