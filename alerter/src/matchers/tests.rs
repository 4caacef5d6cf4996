//! Matchers as they stand in existing files.

use super::*;
use proptest::prelude::*;

/// What a text is read as.
fn read(text: &str) -> String {
    match parse(text) {
        Ok(matchers) => matchers.into_iter().collect::<Matchers>().to_string(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn both_syntaxes_are_read_and_the_older_one_wins_where_they_differ() {
    for (text, wanted) in [
        ("severity=page", r#"{severity="page"}"#),
        (r#" severity = "page" "#, r#"{severity="page"}"#),
        (r#"{a="b",c!="d",}"#, r#"{a="b",c!="d"}"#),
        ("a=~^(x|y)$", r#"{a=~"^(x|y)$"}"#),
        (r#"a=~"x,y", b!~z"#, r#"{a=~"x,y",b!~"z"}"#),
        (r#"path=~"/v1\.0/.*""#, r#"{path=~"/v1\\.0/.*"}"#),
        (r"path=~a\.b", r#"{path=~"a\\.b"}"#),
        (r#"a="say \"hi\"""#, r#"{a="say \"hi\""}"#),
        (r#"a="""#, r#"{a=""}"#),
        (r#"a=b,c=~"x\.\",""#, r#"{a="b",c=~"x\\.\","}"#),
        ("a=", r#"{a=""}"#),
        ("a=b c", r#"{a="b c"}"#),
        (r#""über service"="ü""#, r#"{"über service"="ü"}"#),
        ("größe=groß", r#"{"größe"="groß"}"#),
        (r#""a\u00e9"=b"#, r#"{"aé"="b"}"#),
        ("{}", "{}"),
        ("", "{}"),
    ] {
        assert_eq!(read(text), wanted, "{text}");
    }
}

#[test]
fn what_is_no_matcher_is_refused_with_what_was_expected() {
    let texts = ["a", "=b", "a==b", r#"a="b"#, "a=b}", "{a=b", "a=~(", "ü=a b", ",a=b"];
    let errors: Vec<String> = texts.iter().map(|text| format!("{text:8} {}", read(text))).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
a        error: one of =, !=, =~ and !~ is expected after `a`
=b       error: the name of a label is expected, in double quotes if it holds {}!=~,\"'`
a==b     {a="=b"}
a="b     error: a closing double quote is missing
a=b}     {a="b"}
{a=b     {a="b"}
a=~(     error: `(` is not a regular expression: unclosed group
ü=a b    error: `b` is not expected here
,a=b     error: the name of a label is expected, in double quotes if it holds {}!=~,\"'`
"#);
}

#[test]
fn a_missing_label_is_empty_and_expressions_match_whole_values() {
    let labels = Texts::from([("a".to_owned(), "page".to_owned())]);
    for (text, wanted) in [
        ("a=page", true),
        ("a!=page", false),
        ("a=~pa", false),
        ("a=~pa.*", true),
        ("a=~x|page", true),
        ("a!~pa", true),
        ("b=", true),
        ("b!=", false),
        ("b=~.*", true),
        ("b=~.+", false),
        ("b!=x", true),
        ("a=page,b=x", false),
    ] {
        let matchers: Matchers = parse(text).expect(text).into_iter().collect();
        assert_eq!(matchers.matches(&labels), wanted, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(name in ".{1,8}", value in ".{0,8}", negative: bool) {
        let op = if negative { MatchOp::Unequal } else { MatchOp::Equal };
        let matcher = Matcher::new(&name, op, &value).expect("no expression");
        prop_assert_eq!(parse(&matcher.to_string()), Ok(vec![matcher]));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a\"{}=~!,\\\\ é]{0,12}") {
        let _ = parse(&text);
    }
}
