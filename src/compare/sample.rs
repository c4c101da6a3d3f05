//! Names that a regular expression of a `server_name` takes, to ask for them: one for each way through its alternatives, as far
//! as those are few.

/// How many names are made of one expression.
const MOST: usize = 8;
/// How deep groups may nest.
const DEPTH: usize = 16;
/// How long a name may be, in bytes (RFC 1035, 3.1): counts within counts would make names without end.
const LONGEST: usize = 255;
/// How often what is counted is repeated at most.
const REPEATED: usize = 63;

/// Names that an expression takes.
pub struct Samples {
    /// In the order in which the expression has them.
    pub names: Vec<String>,
    /// Whether it takes others too.
    pub is_open: bool,
}

/// Makes names. Absent where the expression holds what is not read here, such as a look around. `label` stands for any text.
/// Whoever asks makes sure that the expression takes them.
pub fn samples(expression: &str, label: &str) -> Option<Samples> {
    let mut reader = Reader { rest: expression, label, is_open: false, depth: 0 };
    let mut names = reader.alternatives()?;
    if !reader.rest.is_empty() {
        return None;
    }
    reader.is_open |= !(expression.starts_with('^') && expression.ends_with('$'));
    for name in &mut names {
        // Where the expression is not held to the ends of a name, a label makes one of it.
        if name.starts_with('.') {
            name.insert_str(0, label);
        }
        if name.ends_with('.') {
            name.push_str(label);
        }
        name.make_ascii_lowercase();
    }
    names.dedup();
    Some(Samples { names, is_open: reader.is_open })
}

struct Reader<'e> {
    rest: &'e str,
    label: &'e str,
    is_open: bool,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.rest.strip_prefix(word);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// What stands between bars, up to the end of the group.
    fn alternatives(&mut self) -> Option<Vec<String>> {
        let mut all = self.sequence()?;
        while self.takes("|") {
            all.extend(self.sequence()?);
        }
        self.cut(&mut all);
        Some(all)
    }

    fn sequence(&mut self) -> Option<Vec<String>> {
        let mut all = vec![String::new()];
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let (mut one, stands_for_any) = self.atom()?;
            self.counted(&mut one, stands_for_any)?;
            all = all.iter().flat_map(|before| one.iter().map(move |after| format!("{before}{after}"))).collect();
            self.cut(&mut all);
            if all.iter().any(|text| text.len() > LONGEST) {
                return None;
            }
        }
        Some(all)
    }

    fn cut(&mut self, all: &mut Vec<String>) {
        self.is_open |= all.len() > MOST;
        all.truncate(MOST);
    }

    /// One atom, and whether it stands for any letter, so that many of them may be a label.
    fn atom(&mut self) -> Option<(Vec<String>, bool)> {
        let letter = self.take()?;
        let one = |text: &str| Some((vec![text.to_owned()], false));
        match letter {
            '^' | '$' => one(""),
            '.' => {
                self.is_open = true;
                Some((vec!["x".to_owned()], true))
            }
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH || !self.group() {
                    return None;
                }
                let inside = self.alternatives()?;
                self.depth -= 1;
                self.takes(")").then_some((inside, false))
            }
            '[' => self.class(),
            '\\' => match self.take()? {
                'd' => {
                    self.is_open = true;
                    one("1")
                }
                'w' => {
                    self.is_open = true;
                    one("x")
                }
                'A' | 'z' | 'Z' => one(""),
                other if other.is_ascii_alphanumeric() => None,
                other => one(other.encode_utf8(&mut [0; 4])),
            },
            '*' | '+' | '?' | '{' => None,
            other => one(other.encode_utf8(&mut [0; 4])),
        }
    }

    /// The head of a group; false where it is no plain one.
    fn group(&mut self) -> bool {
        if !self.takes("?") || self.takes(":") {
            return true;
        }
        self.takes("P");
        let is_named = self.rest.starts_with('<') && !self.rest.starts_with("<=") && !self.rest.starts_with("<!");
        let end = if is_named { self.rest.find('>') } else { None };
        let Some(end) = end else { return false };
        self.rest = &self.rest[end + 1..];
        true
    }

    /// One letter of a class.
    fn class(&mut self) -> Option<(Vec<String>, bool)> {
        self.is_open = true;
        let is_negated = self.takes("^");
        let end =
            self.rest.char_indices().skip(1).find(|(at, letter)| *letter == ']' && !self.rest[..*at].ends_with('\\'));
        let (inside, rest) = self.rest.split_at(end?.0);
        self.rest = &rest[1..];
        if is_negated {
            let free = ["x", "a", "1"].into_iter().find(|letter| !inside.contains(letter));
            let is_wide = !inside.contains('-') && !inside.contains('\\') && inside.len() <= 2;
            return Some((vec![free?.to_owned()], is_wide));
        }
        let first = match inside.strip_prefix('\\') {
            Some(rest) if rest.starts_with('d') => "1".to_owned(),
            Some(rest) if rest.starts_with('w') => "x".to_owned(),
            Some(rest) => rest.chars().next().filter(|letter| !letter.is_ascii_alphanumeric())?.to_string(),
            None if inside.starts_with("[:") => return None,
            None => inside.chars().next()?.to_string(),
        };
        Some((vec![first], false))
    }

    /// How often what was read stands there.
    fn counted(&mut self, one: &mut Vec<String>, stands_for_any: bool) -> Option<()> {
        let label = self.label;
        if self.takes("?") {
            if !one.iter().any(String::is_empty) {
                one.push(String::new());
            }
        } else if self.takes("*") || self.takes("+") {
            self.is_open = true;
            if stands_for_any {
                *one = vec![label.to_owned()];
            }
        } else if self.takes("{") {
            let end = self.rest.find('}')?;
            let counts = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            let (least, most) = counts.split_once(',').map_or((counts, counts), |(least, most)| (least, most));
            self.is_open |= least != most;
            let least: usize = least.parse().ok().filter(|count| *count <= REPEATED)?;
            if one.iter().any(|text| text.len().saturating_mul(least) > LONGEST) {
                return None;
            }
            one.iter_mut().for_each(|text| *text = text.repeat(least));
        } else {
            return Some(());
        }
        // Whether as few or as many as can be are taken makes no difference to what is.
        let _ = self.takes("?") || self.takes("+");
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expression: &str) -> Option<(String, bool)> {
        samples(expression, "probe").map(|found| (found.names.join(" "), found.is_open))
    }

    #[test]
    fn names_are_made_of_expressions() {
        let closed = |names: &str| Some((names.to_owned(), false));
        let open = |names: &str| Some((names.to_owned(), true));
        assert_eq!(told(r"^www\.a\.test$"), closed("www.a.test"));
        assert_eq!(told(r"^(www|api)\.a\.test$"), closed("www.a.test api.a.test"));
        assert_eq!(told(r"^(?:www\.)?a\.test$"), closed("www.a.test a.test"));
        assert_eq!(told(r"^(?<sub>.+)\.a\.test$"), open("probe.a.test"));
        assert_eq!(told(r"^(?<sub>[^.]+)\.a\.test$"), open("probe.a.test"));
        assert_eq!(told(r"^www\d+\.a\.test$"), open("www1.a.test"));
        assert_eq!(told(r"^[a-z]{3}\.a\.test$"), open("aaa.a.test"));
        assert_eq!(told(r"\.a\.test$"), open("probe.a.test"));
        assert_eq!(told(r"^WWW\."), open("www.probe"));
        for strange in [r"^(?!www)\.a\.test$", r"^(?i)a\.test$", r"\bwww", "(", "[", "*a", "a{9999}", &"(".repeat(50)] {
            assert_eq!(told(strange), None, "{strange}");
        }
        assert_eq!(told(&format!("{}a{}", "(".repeat(12), "){63}".repeat(12))), None);
        assert_eq!(told(&"a".repeat(1 << 20)), None);
        assert!(samples(&"(a|b)".repeat(100), "x").is_some_and(|found| found.names.len() <= MOST && found.is_open));
    }
}
