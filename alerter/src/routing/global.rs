//! Section `global` of the routing file: a node of YAML enters, what receivers have in common leaves.
//!
//! Promise: pure; files with secrets are only named here.

use super::receivers::Source;
use callmeter_documents::{Fields, Problems, yaml::Node};
use callmeter_schemas::config::Secret;

/// Defaults of ways to notify that are not supported, and settings of every HTTP client.
const LATER: &[&str] = &[
    "http_config",
    "jira_api_url",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_corp_id",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "webex_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "smtp_tls_config",
];

/// What a receiver takes where it says nothing of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Global {
    /// Incoming webhook of Slack.
    pub slack_api_url: Option<Source>,
    /// Address of PagerDuty's Events API.
    pub pagerduty_url: Option<String>,
    /// Address of Opsgenie's API.
    pub opsgenie_api_url: Option<String>,
    /// Key of Opsgenie's API.
    pub opsgenie_api_key: Option<Source>,
    /// How mail is sent.
    pub smtp: Smtp,
}

/// How mail is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Smtp {
    /// Sender.
    pub from: Option<String>,
    /// Server as `host:port`.
    pub smarthost: Option<String>,
    /// Name given to the server.
    pub hello: Option<String>,
    /// User of CRAM-MD5, LOGIN and PLAIN.
    pub auth_username: Option<String>,
    /// Password of LOGIN and PLAIN.
    pub auth_password: Option<Source>,
    /// Identity of PLAIN.
    pub auth_identity: Option<String>,
    /// Secret of CRAM-MD5.
    pub auth_secret: Option<Source>,
    /// Whether mail is sent over TLS only; `None` is Alertmanager's default, true.
    pub require_tls: Option<bool>,
}

/// Reads the section.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Global> {
    let mut fields = Fields::open(node, "global", problems)?;
    // Accepted and without effect: an alert ends when its rule says so, never by time.
    fields.duration("resolve_timeout", problems);
    let global = Global {
        slack_api_url: secret(&mut fields, ["slack_api_url", "slack_api_url_file"], problems),
        pagerduty_url: fields.text("pagerduty_url", problems),
        opsgenie_api_url: fields.text("opsgenie_api_url", problems),
        opsgenie_api_key: secret(&mut fields, ["opsgenie_api_key", "opsgenie_api_key_file"], problems),
        smtp: Smtp {
            from: fields.text("smtp_from", problems),
            smarthost: fields.text("smtp_smarthost", problems),
            hello: fields.text("smtp_hello", problems),
            auth_username: fields.text("smtp_auth_username", problems),
            auth_password: secret(&mut fields, ["smtp_auth_password", "smtp_auth_password_file"], problems),
            auth_identity: fields.text("smtp_auth_identity", problems),
            auth_secret: secret(&mut fields, ["smtp_auth_secret", "smtp_auth_secret_file"], problems),
            require_tls: fields.flag("smtp_require_tls", problems),
        },
    };
    fields.later(LATER, problems);
    fields.close(problems);
    Some(global)
}

/// A secret, or the file that holds it.
fn secret(
    fields: &mut Fields<'_>,
    [key, file]: [&'static str; 2],
    problems: &mut Problems,
) -> Option<Source> {
    let line = fields.line();
    let inline = fields.text(key, problems).map(|text| Source::Inline(Secret::new(text)));
    let from_file = fields.text(file, problems).map(Source::File);
    if inline.is_some() && from_file.is_some() {
        problems.add(line, &fields.path(key), format!("only one of {key} and {file} may be given"), None);
    }
    inline.or(from_file)
}
