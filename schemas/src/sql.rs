//! The numbered SQL of tables and views: embedded files leave as single statements.
//!
//! Promise: every statement may be run again without harm, and numbers only grow.

/// One numbered file of SQL.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; the largest is the version of the schema.
    pub version: u32,
    /// Its file name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every migration in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "0001_rollups.sql", text: include_str!("../sql/0001_rollups.sql") },
    Migration { version: 2, name: "0002_calls.sql", text: include_str!("../sql/0002_calls.sql") },
    Migration { version: 3, name: "0003_alerts.sql", text: include_str!("../sql/0003_alerts.sql") },
    Migration { version: 4, name: "0004_meaning.sql", text: include_str!("../sql/0004_meaning.sql") },
    Migration { version: 5, name: "0005_quota.sql", text: include_str!("../sql/0005_quota.sql") },
    Migration { version: 6, name: "0006_costs.sql", text: include_str!("../sql/0006_costs.sql") },
    Migration { version: 7, name: "0007_operators.sql", text: include_str!("../sql/0007_operators.sql") },
    Migration { version: 8, name: "0008_parts.sql", text: include_str!("../sql/0008_parts.sql") },
    Migration { version: 9, name: "0009_routing.sql", text: include_str!("../sql/0009_routing.sql") },
    Migration { version: 10, name: "0010_merges.sql", text: include_str!("../sql/0010_merges.sql") },
];

/// The schema version that this build knows.
pub const VERSION: u32 = 10;

/// Where applied migrations are written down.
pub const VERSIONS_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_versions (version UInt32, name String, applied_at DateTime DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY version";

impl Migration {
    /// The statements of the file: each ends with a semicolon at the end of a line.
    pub fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.text.split(";\n").map(str::trim).filter(|statement| {
            statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_by_one_and_the_last_is_the_version() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(numbers, (1..=VERSION).collect::<Vec<_>>());
        for migration in MIGRATIONS {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
            assert!(
                migration
                    .statements()
                    .all(|statement| statement.contains("CREATE ") || statement.contains("ALTER "))
            );
        }
    }
}
