//! Templates and paths enter, the template that won is compared.

use super::*;
use proptest::prelude::*;

fn templates(texts: &[&str]) -> Templates {
    let (templates, mistakes) =
        Templates::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    assert_eq!(mistakes, []);
    templates
}

#[track_caller]
fn check(texts: &[&str], path: &str, wanted: Option<&str>) {
    assert_eq!(templates(texts).find(path).map(Match::text), wanted, "{path}");
}

#[test]
fn most_literal_segments_win_and_alternatives_stay() {
    let crm = &[
        "/objects/contacts|deals/{id}",
        "/objects/contacts|deals/search|merge",
        "/objects/{type}",
        "/objects/{type}/{id}",
        "/objects/{type}/search",
        "/products/{id}",
        "/products/{id}.json",
        "/products/{id}.{format}",
        "/files/{path*}",
        "/files/{id}",
        "/bot{secret}/{method}",
        "/",
    ];
    check(crm, "/objects/contacts/51", Some("/objects/contacts/{id}"));
    check(crm, "/objects/contacts/search", Some("/objects/contacts/search"));
    check(crm, "/objects/p_7/search", Some("/objects/{type}/search"));
    check(crm, "/objects/p_7/9", Some("/objects/{type}/{id}"));
    check(crm, "/objects/deals", Some("/objects/{type}"));
    check(crm, "/products/5.json", Some("/products/{id}.json"));
    check(crm, "/products/5.xml", Some("/products/{id}.{format}"));
    check(crm, "/products/.json", Some("/products/{id}"));
    check(crm, "/products/5", Some("/products/{id}"));
    check(crm, "/files/5", Some("/files/{id}"));
    check(crm, "/files/5/6/7", Some("/files/{path*}"));
    check(crm, "/files", None);
    check(crm, "/files//a//b/", Some("/files/{path*}"));
    check(crm, "/bot12:ab/getMe", Some("/bot{secret}/{method}"));
    check(crm, "/bot/getMe", None);
    check(crm, "/", Some("/"));
    check(crm, "", Some("/"));
    check(crm, "/objects/contacts/51/more", None);
}

#[test]
fn secrets_are_cut_out_of_the_path() {
    let texts =
        &["/bot{secret}/{method}", "/hooks/{id}/{secret}", "/t/{secret*}", "/plain/{id}", "/f{secret}x{y*z}"];
    let (templates, mistakes) = Templates::new(&texts.map(str::to_owned));
    assert_eq!(mistakes.len(), 1);
    let cut = |path: &str| templates.find(path).and_then(|found| found.without_secret(path));
    assert_eq!(cut("/bot12:ab/getMe").as_deref(), Some("/bot{secret}/getMe"));
    assert_eq!(cut("/hooks/5/s3cr3t/").as_deref(), Some("/hooks/5/{secret}"));
    assert_eq!(cut("/t/a/b/c").as_deref(), Some("/t/{secret}"));
    assert_eq!(cut("/plain/7"), None);
}

#[test]
fn templates_that_cannot_match_are_mistakes() {
    let texts = [
        "/a/{id}",
        "/a/{other}",
        "/a|a/x",
        "b",
        "/c//d",
        "/d/{id",
        "/e/id}",
        "/f/{path*}/g",
        "/g/{a}{b}",
        "/h/{}",
        "/i?x=1",
        "/a/x|y",
        "/a/x",
        "/k/{x*}.json",
        "/l/m|{x*}",
    ];
    let (_, mistakes) = Templates::new(&texts.map(str::to_owned));
    let told: Vec<String> = mistakes.iter().map(|(at, why)| format!("{}: {why}", texts[*at])).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    /a/{other}: can never match: paths[0] matches the same
    b: begins with `/`
    /c//d: has an empty segment or alternative
    /d/{id: `{id`: `{` without `}`
    /e/id}: `id}`: `}` without `{`
    /f/{path*}/g: `{path*}` may only be the whole last segment
    /g/{a}{b}: `{a}{b}`: nothing parts two placeholders
    /h/{}: `{}`: a placeholder has a name of letters, digits and `_`
    /i?x=1: is a path: no query string, no spaces
    /a/x: can never match: paths[2] matches the same
    /k/{x*}.json: `{x*}` may only be the whole last segment
    /l/m|{x*}: `{x*}` may only be the whole last segment
    ");
}

#[test]
fn what_templates_stand_for_is_bounded() {
    let told = |texts: Vec<String>| -> Vec<String> {
        Templates::new(&texts).1.into_iter().map(|(at, why)| format!("{at}: {why}")).collect()
    };
    let wide: String = (0..30).map(|n| format!("a{n}|")).collect();
    let many = (0..21).map(|n| format!("/{n}/{wide}b/{wide}b|c")).collect();
    assert_eq!(told(many), ["20: the templates together stand for more than 20000 paths"]);
    let parts = (0..66).map(|n| format!("/p{n}-{{id}}")).collect();
    let wanted = "more than 64 segments with placeholders at one place";
    assert_eq!(told(parts), [format!("64: {wanted}"), format!("65: {wanted}")]);
}

proptest! {
    #[test]
    fn no_path_panics(path in "[a-z0-9/.é{}-]{0,60}", template in "/[a-z{}/|*.]{0,30}") {
        let (templates, _) = Templates::new(&[template, "/{a}.{b}/x-{c}-{secret}".to_owned()]);
        if let Some(found) = templates.find(&path) {
            let _ = found.without_secret(&path);
        }
    }
}
