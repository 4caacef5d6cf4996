//! Bugs on purpose: the chaos command must find each of them, or its silence proves nothing.
//!
//! A test build chooses one by the variable `CALLMETER_SEEDED_BUG`. Promise: only a build with the feature `seeded-bugs` and
//! with debug assertions contains any; in every other one [`is`] is the constant false.

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The marker is not compared inside the insert.
    NoCompare,
    /// Two inserts of one partition may run at once.
    NoMutex,
    /// A deduplication token in place of comparison and mutex.
    TokenOnly,
    /// The position is stored before the rows.
    CommitFirst,
    /// The position is stored after the rows, in an insert of its own.
    MarkerApart,
    /// ClickHouse gathers inserts and answers before they are stored: in the table `deltas_gathered` where it has no queue for it.
    AsyncInsert,
    /// Money goes through a double.
    FloatCost,
    /// Dead letters are written after the insert that counts them.
    LettersAfterInsert,
    /// A batch's range ends one offset early.
    RangeEnd,
    /// Ids below the marker are not remembered again.
    MemoryNotRebuilt,
}

/// Whether this process has the bug.
#[cfg(all(feature = "seeded-bugs", debug_assertions))]
pub(crate) fn is(bug: Bug) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| {
        let chosen = std::env::var("CALLMETER_SEEDED_BUG").ok();
        tracing::warn!(?chosen, "this build can be broken on purpose");
        chosen
    });
    CHOSEN.as_deref() == Some(&format!("{bug:?}"))
}

/// Whether this process has the bug: never.
#[cfg(not(all(feature = "seeded-bugs", debug_assertions)))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

/// What the bug makes of an insert's statement and settings; nothing without one.
pub(crate) fn spoil(
    sql: &mut String,
    settings: &mut Vec<(&'static str, String)>,
    columns: &str,
    check: &str,
) {
    if [Bug::NoCompare, Bug::TokenOnly, Bug::CommitFirst].into_iter().any(is) {
        *sql = sql.replace(check, "1");
    }
    if [Bug::NoMutex, Bug::TokenOnly].into_iter().any(is) {
        settings.retain(|(name, _)| *name != "query_id");
    }
    if is(Bug::TokenOnly) {
        settings.retain(|(name, _)| *name != "insert_deduplicate");
        // The check names the batch's first offset, and the parameters its partition.
        let part = settings.iter().find(|(name, _)| *name == "param_part").map_or("", |(_, part)| part);
        let token = format!("{part} {check}");
        settings.extend([("insert_deduplicate", "1".to_owned()), ("insert_deduplication_token", token)]);
    }
    if is(Bug::AsyncInsert) {
        *sql = format!("INSERT INTO deltas_gathered ({columns}) FORMAT Native");
        settings.retain(|(name, _)| *name != "async_insert");
        settings.extend([("async_insert", "1".to_owned()), ("wait_for_async_insert", "0".to_owned())]);
    }
}
