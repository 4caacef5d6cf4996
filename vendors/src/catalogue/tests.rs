//! Own profiles beside built-in ones enter, who has which call is compared.

use super::*;
use crate::meaning::Call;

fn profile(integration: &str, hosts: &str) -> (String, String) {
    let text = format!("integration: {integration}\nname: X\ncategory: crm\nhosts: [{hosts}]\n");
    (format!("own/{integration}.yaml"), text)
}

#[track_caller]
fn check(catalogue: &Catalogue, host: Option<&str>, named: Option<&str>, wanted: &str) {
    let headers = BTreeMap::new();
    let call = Call {
        customer: "acme",
        host,
        integration: named,
        endpoint: None,
        method: None,
        path: None,
        status: None,
        error: None,
        failed: false,
        error_class: None,
        headers: &headers,
        answered_us: 0,
        quota_given: false,
        items: None,
    };
    assert_eq!(catalogue.meaning(&call).integration, wanted, "{host:?} {named:?}");
}

#[test]
fn own_profiles_replace_and_win_what_both_claim() {
    let built_in = Catalogue::built_in();
    let own = [profile("hubspot", "crm.example.com"), profile("mine", "api.github.com, \"*.mine.com\"")];
    let both = Catalogue::with(&built_in, &own).expect("they are right");
    check(&built_in, Some("api.hubapi.com"), None, "hubspot");
    check(&both, Some("api.hubapi.com"), None, "api.hubapi.com");
    check(&both, Some("crm.example.com"), None, "hubspot");
    check(&both, Some("api.github.com"), None, "mine");
    check(&both, Some("uploads.github.com"), None, "github");
    check(&both, Some("a.b.mine.com"), None, "mine");
    check(&both, Some("mine.com"), None, "mine.com");
    check(&both, None, Some("stripe"), "stripe");
    check(&both, None, Some("nobody"), "nobody");
    check(&both, None, None, "");
    assert_eq!(both.profiles().len(), built_in.profiles().len() + 1);
}

#[test]
fn two_own_profiles_never_claim_the_same() {
    let mut again = profile("one", "b.x.com");
    again.0 = "own/sub/one.yaml".into();
    let own =
        [profile("one", "a.x.com"), profile("two", "c.x.com, a.x.com"), again, profile("three", "UP.x.com")];
    let problems = Catalogue::with(&Catalogue::empty(), &own).expect_err("they clash");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    own/three.yaml:4:9: hosts[0]: is written in lower case
    own/two.yaml:4: hosts[1]: own/one.yaml claims a.x.com as well
    own/sub/one.yaml:1: integration: own/one.yaml is a profile of one as well
    ");
}
