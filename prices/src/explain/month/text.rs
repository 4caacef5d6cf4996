//! The explanation of a month as people read it: numbers and names enter, lines of text leave.

use super::{AttemptsCost, Explanation, Part, PoolPrice};
use crate::number::{counted, grouped};
use std::fmt;

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let customer = self.customer.as_ref().map(|name| format!(", customer {name}")).unwrap_or_default();
        writeln!(out, "{}{customer}; book {}", self.month, self.book)?;
        for pool in &self.pools {
            write!(out, "{pool}")?;
        }
        if !self.attempts.is_empty() {
            writeln!(out, "priced or told with the attempts")?;
        }
        for row in &self.attempts {
            let AttemptsCost { workspace, customer, integration, currency, cost, unpriced } = row;
            let unpriced = if *unpriced > 0 { format!(", {unpriced} unpriced") } else { String::new() };
            writeln!(
                out,
                "  {workspace}, {customer}, {integration}: {} {currency}{unpriced}",
                grouped(cost)
            )?;
        }
        let totals: Vec<String> =
            self.totals.iter().map(|(currency, cost)| format!("{} {currency}", grouped(cost))).collect();
        match totals.is_empty() {
            true => write!(out, "total nothing")?,
            false => write!(out, "total {}", totals.join(", "))?,
        }
        let unpriced = self.pools.iter().any(|pool| pool.price.is_none())
            || self.attempts.iter().any(|attempts| attempts.unpriced > 0);
        if unpriced { write!(out, ", and what has no price") } else { Ok(()) }
    }
}

impl fmt::Display for PoolPrice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workspace, line, usage, .. } = self;
        let whose = match &self.pool_of {
            Some(customer) => format!("customer {customer} of workspace {workspace}"),
            None => format!("workspace {workspace}"),
        };
        let integration = self.integration.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        let currency = self.price.as_ref().map_or("", |price| &price.currency);
        match &self.price {
            Some(price) => {
                writeln!(
                    out,
                    "{line} ({integration}{}, since {}): {whose}",
                    price.model, price.effective_from
                )?;
                writeln!(out, "  usage {}, of which free {}", counted(*usage), counted(price.free))?;
                for product in &price.arithmetic {
                    writeln!(out, "  {product}")?;
                }
                writeln!(out, "  sum {} {currency}", grouped(&price.cost))?;
            }
            None => {
                let why = self.unpriced.as_deref().unwrap_or_default();
                writeln!(out, "{line}: {whose}\n  usage {}, no price: {why}", counted(*usage))?;
            }
        }
        for Part { customer, usage, cost, .. } in &self.parts {
            let cost =
                cost.as_ref().map(|cost| format!(" = {} {currency}", grouped(cost))).unwrap_or_default();
            writeln!(out, "  part of {customer}: {}{cost}", counted(*usage))?;
        }
        Ok(())
    }
}
