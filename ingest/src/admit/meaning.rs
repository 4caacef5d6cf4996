//! The meaning of an event: a draft and what is known of vendors enter, integration, endpoint, class and limits leave.
//!
//! Promise: pure; the sender's own words win; names beyond a customer's bounds become `other`, whoever said them.

use super::{Context, Notes, assign, assign_option, bounded, cleaned, dimension, filled};
use crate::{
    cardinality::{Names, OTHER, Whose},
    draft::{Code, Draft, Rejection},
    sieve,
};
use callmeter_schemas::{CallEvent, ErrorClass, limits};
use callmeter_vendors::{Call, Catalogue, Meaning};
use std::{borrow::Cow, collections::BTreeMap};

/// What the sender did not say of vendor, endpoint, outcome and limits, the vendor's profile tells.
pub(super) fn tell(
    draft: &Draft<'_>,
    catalogue: &Catalogue,
    headers: &BTreeMap<String, String>,
    event: &mut CallEvent,
) -> Result<(), Rejection> {
    let integration = filled(&draft.integration)
        .map(|name| cleaned(name, "integration", limits::DIMENSION_BYTES))
        .transpose()?
        .filter(|name| !name.is_empty());
    let endpoint = filled(&draft.endpoint).map(sieve::without_query).filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.map(sieve::without_urls_secrets);
    let endpoint = endpoint.as_deref().map(|endpoint| dimension(endpoint, "endpoint")).transpose()?;
    let path = path(draft)?;
    if integration.is_none() && event.host.is_none() {
        let detail = "neither integration nor host is there";
        return Err(Rejection::new(Code::MissingField, "integration", detail));
    }
    let word = filled(&draft.error_class);
    let waited_us = event.latency_us.and_then(|latency| i64::try_from(latency).ok()).unwrap_or_default();
    let Meaning { integration, endpoint, path, error_class, quota, retry_at_us, billable, batch_size } =
        catalogue.meaning(&Call {
            customer: &event.customer,
            host: event.host.as_deref(),
            integration: integration.as_deref(),
            endpoint,
            method: event.method.as_deref(),
            path: path.as_deref(),
            status: event.status,
            error: event.error.as_deref(),
            failed: draft.failed || event.error.is_some(),
            error_class: word,
            headers,
            answered_us: event.time_us.saturating_add(waited_us),
            quota_given: !draft.quota.is_empty(),
            items: event.items,
        });
    assign(&mut event.integration, dimension(&integration, "integration")?);
    // Templates know a token by its place: what is cut out by its form alone goes after them.
    assign(&mut event.endpoint, &cleaned(&endpoint, "endpoint", limits::DIMENSION_BYTES)?);
    assign_option(&mut event.path, path.as_deref());
    event.error_class = Some(error_class);
    // An unknown word is kept in `error` when nothing else stands there.
    if let Some(word) = word.filter(|word| event.error.is_none() && ErrorClass::parse(word).is_none()) {
        event.error = Some(
            cleaned(shortened(word, limits::TEXT_BYTES), "error_class", limits::TEXT_BYTES)?.into_owned(),
        );
    }
    (event.quota, event.retry_at_us, event.billable, event.batch_size) =
        (quota, retry_at_us, billable, batch_size);
    Ok(())
}

/// The path as the sender wrote it, or of the URL; without query string.
fn path<'d>(draft: &'d Draft<'_>) -> Result<Option<Cow<'d, str>>, Rejection> {
    let from_url = draft.url.as_deref().and_then(sieve::split_url).map(|(_, path)| path);
    let path = filled(&draft.path).map(sieve::path).or(from_url.map(Cow::Borrowed));
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
    bounded(&path, "path", limits::TEXT_BYTES)?;
    Ok(Some(path))
}

/// Names beyond the bounds of their customer become `other`.
pub(super) fn cap(context: &Context<'_>, event: &mut CallEvent, notes: &mut Notes) {
    let names = Names {
        workspace: &event.workspace,
        customer: &event.customer,
        integration: &event.integration,
        endpoint: &event.endpoint,
        tier: &event.tier,
        environment: &event.environment,
    };
    let capped = context.cardinality.check(&names, context.now_us);
    if capped.integration {
        notes.capped_integrations += 1;
        assign(&mut event.integration, OTHER);
        assign(&mut event.endpoint, OTHER);
    }
    if capped.endpoint {
        notes.capped_endpoints += 1;
        [&mut event.endpoint, &mut event.tier, &mut event.environment]
            .into_iter()
            .for_each(|name| assign(name, OTHER));
    }
    cap_quotas(context, event, notes);
}

/// Limits whose policy and scope are beyond the bound are one, called `other`: the first of them stays.
fn cap_quotas(context: &Context<'_>, event: &mut CallEvent, notes: &mut Notes) {
    if event.quota.is_empty() {
        return;
    }
    let whose =
        Whose { workspace: &event.workspace, customer: &event.customer, integration: &event.integration };
    if context.cardinality.cap_quotas(&whose, &mut event.quota, context.now_us) {
        notes.capped_quotas += 1;
    }
}

fn shortened(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
