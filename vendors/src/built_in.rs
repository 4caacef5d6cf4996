//! The built-in profiles: files of the folder `profiles` enter when this is compiled, names and texts leave.
//!
//! Promise: the list is the folder; a test says so.

/// File name and text of each.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("adyen.yaml", include_str!("../../profiles/adyen.yaml")),
    ("airtable.yaml", include_str!("../../profiles/airtable.yaml")),
    ("anthropic.yaml", include_str!("../../profiles/anthropic.yaml")),
    ("asana.yaml", include_str!("../../profiles/asana.yaml")),
    ("auth0.yaml", include_str!("../../profiles/auth0.yaml")),
    ("aws-s3.yaml", include_str!("../../profiles/aws-s3.yaml")),
    ("bigcommerce.yaml", include_str!("../../profiles/bigcommerce.yaml")),
    ("bitbucket.yaml", include_str!("../../profiles/bitbucket.yaml")),
    ("cloudflare.yaml", include_str!("../../profiles/cloudflare.yaml")),
    ("discord.yaml", include_str!("../../profiles/discord.yaml")),
    ("exact-online.yaml", include_str!("../../profiles/exact-online.yaml")),
    ("freshdesk.yaml", include_str!("../../profiles/freshdesk.yaml")),
    ("gemini.yaml", include_str!("../../profiles/gemini.yaml")),
    ("github.yaml", include_str!("../../profiles/github.yaml")),
    ("gitlab.yaml", include_str!("../../profiles/gitlab.yaml")),
    ("google-calendar.yaml", include_str!("../../profiles/google-calendar.yaml")),
    ("google-maps.yaml", include_str!("../../profiles/google-maps.yaml")),
    ("hubspot.yaml", include_str!("../../profiles/hubspot.yaml")),
    ("intercom.yaml", include_str!("../../profiles/intercom.yaml")),
    ("jira.yaml", include_str!("../../profiles/jira.yaml")),
    ("klaviyo.yaml", include_str!("../../profiles/klaviyo.yaml")),
    ("linear.yaml", include_str!("../../profiles/linear.yaml")),
    ("mailchimp.yaml", include_str!("../../profiles/mailchimp.yaml")),
    ("mailgun.yaml", include_str!("../../profiles/mailgun.yaml")),
    ("meta-graph.yaml", include_str!("../../profiles/meta-graph.yaml")),
    ("microsoft-graph.yaml", include_str!("../../profiles/microsoft-graph.yaml")),
    ("mistral.yaml", include_str!("../../profiles/mistral.yaml")),
    ("netsuite.yaml", include_str!("../../profiles/netsuite.yaml")),
    ("notion.yaml", include_str!("../../profiles/notion.yaml")),
    ("okta.yaml", include_str!("../../profiles/okta.yaml")),
    ("openai.yaml", include_str!("../../profiles/openai.yaml")),
    ("paypal.yaml", include_str!("../../profiles/paypal.yaml")),
    ("pipedrive.yaml", include_str!("../../profiles/pipedrive.yaml")),
    ("plaid.yaml", include_str!("../../profiles/plaid.yaml")),
    ("quickbooks.yaml", include_str!("../../profiles/quickbooks.yaml")),
    ("salesforce.yaml", include_str!("../../profiles/salesforce.yaml")),
    ("sendgrid.yaml", include_str!("../../profiles/sendgrid.yaml")),
    ("shopify.yaml", include_str!("../../profiles/shopify.yaml")),
    ("slack.yaml", include_str!("../../profiles/slack.yaml")),
    ("square.yaml", include_str!("../../profiles/square.yaml")),
    ("stripe.yaml", include_str!("../../profiles/stripe.yaml")),
    ("telegram.yaml", include_str!("../../profiles/telegram.yaml")),
    ("twilio.yaml", include_str!("../../profiles/twilio.yaml")),
    ("xero.yaml", include_str!("../../profiles/xero.yaml")),
    ("zendesk.yaml", include_str!("../../profiles/zendesk.yaml")),
    ("zoho-crm.yaml", include_str!("../../profiles/zoho-crm.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles")).expect("the folder");
        let names = folder.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
        names.sort();
        let listed: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, names, "src/built_in.rs lists every file of profiles/, sorted");
    }
}
