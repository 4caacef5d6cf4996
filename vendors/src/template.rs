//! Path templates: the templates of a profile enter, a matcher leaves; a path enters that, its template leaves.
//!
//! Alternatives are written out when the matcher is made, so that a match costs one walk down a tree and no
//! scan. Promise: pure; most literal segments win, then templates without `{name*}`, then those with more
//! literal parts, then the first.

mod holes;
mod parse;

use crate::secret::SECRET;
use holes::{drop_holes, holes};
use parse::parse;
use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeSet,
};

/// Most paths that the alternatives of one template stand for.
const MOST_VARIANTS: usize = 1_000;
/// Most paths that all templates of a profile stand for; the largest built-in one has a few hundred.
const MOST_LEAVES: usize = 20_000;
/// Most segments with placeholders at one place: a match tries each of them.
const MOST_PARTS: usize = 64;
/// Longest path of an endpoint, so that a method fits before it within a dimension.
const ENDPOINT_BYTES: usize = 230;

/// One segment of a template, one alternative of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal,
    /// Texts around placeholders: `{id}.json` has the texts "" and ".json".
    Parts {
        texts: Vec<Box<str>>,
        secret: bool,
    },
    /// `{name*}`.
    Rest {
        secret: bool,
    },
}

#[derive(Clone, Debug)]
struct Alternative {
    text: Box<str>,
    segment: Segment,
}

/// A template written out: one text per alternative.
#[derive(Debug)]
struct Leaf {
    template: usize,
    /// The path of the endpoint.
    text: Box<str>,
    /// Only where a secret has to be cut out.
    segments: Vec<Segment>,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by [`order`].
    literals: Vec<(Box<str>, usize)>,
    parts: Vec<(Vec<Box<str>>, usize)>,
    /// Leaf of `{name*}` here.
    rest: Option<usize>,
    /// Leaf of a path that ends here.
    end: Option<usize>,
}

/// The compiled templates of one profile.
#[derive(Debug)]
pub(crate) struct Templates {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    secrets: bool,
}

/// A template that matched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match<'t>(&'t Leaf);

/// Order of matches: the greatest wins.
type Rank = (usize, bool, usize, Reverse<usize>);

impl Templates {
    /// Compiles templates; mistakes leave with the place of their template.
    pub(crate) fn new(templates: &[String]) -> (Self, Vec<(usize, String)>) {
        let mut this = Self { nodes: vec![Node::default()], leaves: Vec::new(), secrets: false };
        let mut mistakes = Vec::new();
        for (place, text) in templates.iter().enumerate() {
            if let Err(mistake) = parse(text).and_then(|segments| this.add(place, &segments)) {
                mistakes.push((place, mistake));
            }
        }
        (this, mistakes)
    }

    fn add(&mut self, template: usize, segments: &[Vec<Alternative>]) -> Result<(), String> {
        let variants = segments.iter().map(Vec::len).try_fold(1_usize, usize::checked_mul);
        let variants = variants.filter(|variants| *variants <= MOST_VARIANTS);
        let variants = variants.ok_or_else(|| format!("stands for more than {MOST_VARIANTS} paths"))?;
        if self.leaves.len() + variants > MOST_LEAVES {
            return Err(format!("the templates together stand for more than {MOST_LEAVES} paths"));
        }
        let mut taken = BTreeSet::new();
        let before = self.leaves.len();
        for variant in 0..variants {
            let mut number = variant;
            let chosen: Vec<&Alternative> = segments
                .iter()
                .map(|alternatives| {
                    let at = number % alternatives.len();
                    number /= alternatives.len();
                    &alternatives[at]
                })
                .collect();
            if let Some(earlier) = self.insert(template, &chosen)? {
                taken.insert(earlier);
            }
        }
        match taken.first() {
            Some(earlier) if self.leaves.len() == before && *earlier == template => {
                Err("the same alternative stands twice".to_owned())
            }
            Some(earlier) if self.leaves.len() == before => {
                Err(format!("can never match: paths[{earlier}] matches the same"))
            }
            _ => Ok(()),
        }
    }

    /// Adds one path; says which template has it already.
    fn insert(&mut self, template: usize, chosen: &[&Alternative]) -> Result<Option<usize>, String> {
        let text: String = chosen.iter().flat_map(|alternative| ["/", &alternative.text]).collect();
        if text.len() > ENDPOINT_BYTES {
            return Err(format!("an endpoint would be longer than {ENDPOINT_BYTES} bytes: {text}"));
        }
        let secret = chosen.iter().any(|alternative| alternative.segment.is_secret());
        self.secrets |= secret;
        let leaf = Leaf {
            template,
            text: if text.is_empty() { "/".into() } else { text.into() },
            segments: if secret {
                chosen.iter().map(|alternative| alternative.segment.clone()).collect()
            } else {
                Vec::new()
            },
        };
        let mut node = 0;
        for alternative in chosen {
            match &alternative.segment {
                Segment::Literal => node = self.literal_child(node, &alternative.text),
                Segment::Parts { texts, .. } => node = self.parts_child(node, texts)?,
                Segment::Rest { .. } => {
                    let (here, next) = (&mut self.nodes[node].rest, self.leaves.len());
                    return Ok(place(here, next, leaf, &mut self.leaves));
                }
            }
        }
        let (here, next) = (&mut self.nodes[node].end, self.leaves.len());
        Ok(place(here, next, leaf, &mut self.leaves))
    }

    fn literal_child(&mut self, node: usize, text: &str) -> usize {
        let next = self.nodes.len();
        let literals = &mut self.nodes[node].literals;
        match literals.binary_search_by(|(known, _)| order(known, text)) {
            Ok(at) => literals[at].1,
            Err(at) => {
                literals.insert(at, (text.into(), next));
                self.nodes.push(Node::default());
                next
            }
        }
    }

    fn parts_child(&mut self, node: usize, texts: &[Box<str>]) -> Result<usize, String> {
        let next = self.nodes.len();
        let parts = &mut self.nodes[node].parts;
        if let Some((_, child)) = parts.iter().find(|(known, _)| known == texts) {
            return Ok(*child);
        }
        if parts.len() == MOST_PARTS {
            return Err(format!("more than {MOST_PARTS} segments with placeholders at one place"));
        }
        parts.push((texts.to_vec(), next));
        self.nodes.push(Node::default());
        Ok(next)
    }

    /// Whether any template has a `{secret}`.
    pub(crate) fn hold_secrets(&self) -> bool {
        self.secrets
    }

    /// The template of a path.
    pub(crate) fn find(&self, path: &str) -> Option<Match<'_>> {
        let mut best: Option<(Rank, usize)> = None;
        self.walk(0, path, (0, 0), &mut best);
        best.and_then(|(_, leaf)| self.leaves.get(leaf)).map(Match)
    }

    fn walk(
        &self,
        node: usize,
        path: &str,
        (literal, parts): (usize, usize),
        best: &mut Option<(Rank, usize)>,
    ) {
        let node = &self.nodes[node];
        let mut offer = |leaf: Option<usize>, whole: bool| {
            if let Some(leaf) = leaf {
                let rank = (literal, whole, parts, Reverse(self.leaves[leaf].template));
                if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                    *best = Some((rank, leaf));
                }
            }
        };
        // Empty segments, also after a final slash, are none.
        let path = path.trim_start_matches('/');
        if path.is_empty() {
            return offer(node.end, true);
        }
        offer(node.rest, false);
        let (segment, rest) = path.split_at(path.bytes().position(|byte| byte == b'/').unwrap_or(path.len()));
        if let Ok(at) = node.literals.binary_search_by(|(known, _)| order(known, segment)) {
            self.walk(node.literals[at].1, rest, (literal + 1, parts), best);
        }
        for (texts, child) in &node.parts {
            if holes(texts, segment, &mut |_, _| {}) {
                let more = usize::from(texts.iter().any(|text| !text.is_empty()));
                self.walk(*child, rest, (literal, parts + more), best);
            }
        }
    }
}

/// By length first: most texts that a search meets differ in it.
fn order(known: &str, text: &str) -> Ordering {
    known.len().cmp(&text.len()).then_with(|| known.cmp(text))
}

fn place(here: &mut Option<usize>, next: usize, leaf: Leaf, leaves: &mut Vec<Leaf>) -> Option<usize> {
    match *here {
        Some(taken) => Some(leaves[taken].template),
        None => {
            *here = Some(next);
            leaves.push(leaf);
            None
        }
    }
}

impl<'t> Match<'t> {
    /// The path as an endpoint shows it.
    pub(crate) fn text(self) -> &'t str {
        &self.0.text
    }

    /// The path with `{secret}` where the template has it; `None` when it has none.
    pub(crate) fn without_secret(self, path: &str) -> Option<String> {
        if self.0.segments.is_empty() {
            return None;
        }
        let mut kept = String::with_capacity(path.len());
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        for form in &self.0.segments {
            if let Segment::Rest { secret } = form {
                match secret {
                    true => kept.extend(["/", SECRET]),
                    false => segments.by_ref().for_each(|segment| kept.extend(["/", segment])),
                }
                break;
            }
            let segment = segments.next().unwrap_or_default();
            kept.push('/');
            match form {
                Segment::Parts { texts, secret: true } => drop_holes(texts, segment, &mut kept),
                _ => kept.push_str(segment),
            }
        }
        Some(kept)
    }
}

impl Segment {
    fn is_secret(&self) -> bool {
        matches!(self, Self::Parts { secret: true, .. } | Self::Rest { secret: true })
    }
}

#[cfg(test)]
mod tests;
