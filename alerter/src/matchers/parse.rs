//! Matchers as people write them: one text enters, its conditions leave.
//!
//! Two syntaxes, as in Alertmanager: names and values in any UTF-8, quoted where they hold white space or one
//! of ``{}!=~,\"'` ``; and the older one, whose names are ASCII and whose backslashes mean themselves before
//! most letters, so that `path=~"a\.b"` is read too. What both understand differently is read as the older
//! one does, because existing files were written for it. Promise: pure.

use super::{MatchOp, Matcher, MatcherError};

/// Longest text, in bytes.
const MAX_BYTES: usize = 8_192;
/// What ends a name or a value that is not quoted, beside white space.
const RESERVED: &str = "{}!=~,\\\"'`";

/// Reads one text with one condition or several: `a="b"`, `a=b, "c d"!~e` or `{a="b"}`.
pub fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    if text.len() > MAX_BYTES {
        return Err(MatcherError(format!("longer than {MAX_BYTES} bytes")));
    }
    match (Reader { rest: text }.list(), older_list(text)) {
        (_, Ok(matchers)) => Ok(matchers),
        (newer, Err(_)) => newer,
    }
}

/// What is left of a text in the newer syntax.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn list(mut self) -> Result<Vec<Matcher>, MatcherError> {
        let braces = self.eat("{");
        let mut matchers = Vec::new();
        loop {
            self.skip_space();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                break;
            }
            matchers.push(self.matcher()?);
            if !self.eat(",") {
                break;
            }
        }
        if braces && !self.eat("}") {
            return Err(MatcherError("a closing } is missing".to_owned()));
        }
        self.skip_space();
        match self.rest.chars().next() {
            None => Ok(matchers),
            Some(letter) => Err(MatcherError(format!("`{letter}` is not expected here"))),
        }
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let name = self.word("the name of a label")?;
        let Some(op) = MatchOp::ALL.into_iter().find(|op| self.eat(op.sign())) else {
            return Err(MatcherError(format!("one of =, !=, =~ and !~ is expected after `{name}`")));
        };
        let value = self.word("a value")?;
        Matcher::new(&name, op, &value)
    }

    fn word(&mut self, what: &str) -> Result<String, MatcherError> {
        self.skip_space();
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let ends = |letter: char| letter.is_whitespace() || RESERVED.contains(letter);
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        match word {
            "" => Err(MatcherError(format!("{what} is expected, in double quotes if it holds {RESERVED}"))),
            word => Ok(word.to_owned()),
        }
    }

    /// A text in double quotes with Go's escapes.
    fn quoted(&mut self) -> Result<String, MatcherError> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => {
                    let escaped = letters.next().map(|(_, letter)| letter);
                    let digits = |count| letters.by_ref().take(count).map(|(_, digit)| digit).collect();
                    text.extend([unescape(escaped, digits)?]);
                }
                letter => text.push(letter),
            }
        }
        Err(MatcherError("a closing double quote is missing".to_owned()))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, sign: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn unescape(letter: Option<char>, digits: impl FnOnce(usize) -> String) -> Result<char, MatcherError> {
    let code = match letter {
        Some('n') => return Ok('\n'),
        Some('r') => return Ok('\r'),
        Some('t') => return Ok('\t'),
        Some(same @ ('\\' | '"')) => return Ok(same),
        Some('u') => digits(4),
        Some('U') => digits(8),
        _ => String::new(),
    };
    let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
    code.ok_or_else(|| MatcherError("a backslash is written \\\\ within double quotes".to_owned()))
}

/// The older syntax: commas outside of quotes separate.
fn older_list(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let text = text.trim();
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut inside, mut escaped) = (false, false);
    let separates = |letter: char| {
        inside ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        letter == ',' && !inside
    };
    // Quotes are followed from the front: the parts are taken in order.
    let mut parts: Vec<&str> = text.split(separates).collect();
    parts.pop_if(|last| last.trim().is_empty());
    parts.into_iter().map(older).collect()
}

fn older(text: &str) -> Result<Matcher, MatcherError> {
    let text = text.trim();
    let named = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let (name, rest) = text.split_at(text.find(|letter| !named(letter)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    let found = MatchOp::ALL.into_iter().find_map(|op| Some((op, rest.strip_prefix(op.sign())?)));
    match found {
        Some((op, value)) if !name.starts_with(|letter: char| letter.is_ascii_digit()) => {
            Matcher::new(name, op, &older_value(value.trim())?)
        }
        _ => Err(MatcherError("not a matcher".to_owned())),
    }
}

fn older_value(text: &str) -> Result<String, MatcherError> {
    let error = |message: &str| Err(MatcherError(message.to_owned()));
    let inner = match text.strip_prefix('"') {
        None => text,
        Some(inner) => match inner.strip_suffix('"') {
            Some(inner) => inner,
            None => return error("a closing double quote is missing"),
        },
    };
    let mut value = String::new();
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return error("a double quote is written \\\" within a value"),
            '\\' => match letters.next() {
                Some('n') => value.push('\n'),
                Some(same @ ('\\' | '"')) => value.push(same),
                Some(other) => value.extend(['\\', other]),
                None if inner.len() < text.len() => return error("a closing double quote is missing"),
                None => value.push('\\'),
            },
            letter => value.push(letter),
        }
    }
    Ok(value)
}
