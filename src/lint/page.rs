//! A rule's page: the only home of its title, severity, words, citations and examples.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::Template;
use super::precedence::Relations;
use crate::diagnostic::Severity;

/// A page of `rules/lint/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// What is wrong, as a phrase.
    pub title: String,
    /// Unless a case or the user says otherwise.
    pub severity: Severity,
    /// `nginx`, `apache`, `caddy`.
    pub servers: Vec<String>,
    /// Whether a fix is offered, and of what kind.
    #[serde(default)]
    pub fix: Fixability,
    /// What it means for clients.
    pub why: String,
    /// When the rule does not apply.
    #[serde(default)]
    pub not_when: String,
    /// Where the facts come from.
    #[serde(default)]
    pub citation: Vec<String>,
    /// Former names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What does the looking, where no code of the rule's own does.
    pub template: Option<Template>,
    /// Numbers that the rule reads.
    #[serde(default)]
    pub parameters: BTreeMap<String, i64>,
    /// How it stands to other rules.
    #[serde(default)]
    pub relations: Relations,
    /// The words of the main case.
    pub message: Words,
    /// Other cases; what they leave out is the main one's.
    #[serde(default)]
    pub case: BTreeMap<String, Case>,
    /// Words for one server alone, where the others' do not fit it; by its name.
    #[serde(default)]
    pub words: BTreeMap<String, ServerWords>,
    /// Configurations that the rule speaks of, and ones that it does not.
    #[serde(default)]
    pub example: Vec<Example>,
}

/// Whether a rule offers a fix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixability {
    /// What works today still works.
    Safe,
    /// Behaviour changes: a person looks first.
    Unsafe,
    /// None.
    #[default]
    None,
}

/// Words with placeholders in braces.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The fault and its effect on a client.
    pub text: String,
    /// Whether the server does not start then, and refuses a reload: the text says so with `{no-start}`.
    #[serde(default)]
    pub stops: bool,
    /// What stands under the token.
    pub caption: String,
    /// Exactly what to write.
    pub help: Option<String>,
    /// A fact that makes it credible.
    pub note: Option<String>,
}

/// The words of a case, as far as they differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Instead of the main text.
    pub text: Option<String>,
    /// Instead of the main answer, where the text here says otherwise.
    pub stops: Option<bool>,
    /// Instead of the main caption.
    pub caption: Option<String>,
    /// Instead of the main help; empty for none.
    pub help: Option<String>,
    /// Instead of the main note; empty for none.
    pub note: Option<String>,
    /// Instead of the page's severity.
    pub severity: Option<Severity>,
}

/// What a page says for one server alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerWords {
    /// Instead of the page's.
    pub why: Option<String>,
    /// Instead of the page's.
    pub not_when: Option<String>,
    /// Instead of the main text.
    pub text: Option<String>,
    /// Instead of the main answer, where the text here says otherwise.
    pub stops: Option<bool>,
    /// Instead of the main caption.
    pub caption: Option<String>,
    /// Instead of the main help; empty for none.
    pub help: Option<String>,
    /// Instead of the main note; empty for none.
    pub note: Option<String>,
    /// Instead of the page's severity.
    pub severity: Option<Severity>,
    /// Cases, as far as they differ.
    #[serde(default)]
    pub case: BTreeMap<String, Case>,
}

/// What fits into every page, by server and name.
static SERVERS: LazyLock<BTreeMap<String, BTreeMap<String, String>>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../rules/servers/words.toml")).expect("a test reads every embedded table")
});

/// A configuration that a test holds the rule against.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Which server reads it.
    pub server: String,
    /// Whether the rule fires: at each caret, or not at all.
    pub expect: Expect,
    /// The case that fires.
    #[serde(default)]
    pub case: String,
    /// What the real server does with a bad one.
    #[serde(default)]
    pub effect: Effect,
    /// Other rules that may speak too.
    #[serde(default)]
    pub also: Vec<String>,
    /// The platform, else Debian 12.
    pub platform: Option<String>,
    /// Another version of the server.
    pub server_version: Option<String>,
    /// Another TLS library.
    pub tls_library: Option<String>,
    /// A profile that is chosen.
    pub profile: Option<String>,
    /// The text of a shakedown.toml that the run reads.
    pub settings: Option<String>,
    /// Whether the trust anchors count as named by the user.
    #[serde(default)]
    pub trust_is_given: bool,
    /// Files of the system around it, by absolute paths: no real server is shown them.
    #[serde(default)]
    pub system: BTreeMap<String, String>,
    /// Whether the trust anchors count as publicly trusted ones.
    #[serde(default)]
    pub trust_is_public: bool,
    /// The block that a test puts around the text: `http` (which is the default), or `main` for a whole file.
    pub context: Option<String>,
    /// The text, with carets in comment lines under the tokens.
    pub config: String,
    /// Files beside it: texts, or recipes for certificates and keys.
    #[serde(default)]
    pub files: BTreeMap<String, toml::Value>,
    /// Who reads certificates and keys (`--run-as`): no real server is asked, as it runs as whoever runs the tests.
    pub run_as: Option<String>,
    /// The clock that the time is read from, where rules may doubt it.
    pub clock: Option<ExampleClock>,
    /// What is said of files beside their content.
    #[serde(default)]
    pub metadata: BTreeMap<String, ExampleMetadata>,
}

/// What an example says of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleClock {
    /// What it says (RFC 3339), else the time of all examples.
    pub now: Option<String>,
    /// When the program was built (RFC 3339).
    pub built: String,
    /// Whether the kernel says that nothing keeps it in step.
    #[serde(default)]
    pub unkept: bool,
}

/// What an example says of a file beside its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleMetadata {
    /// How many days ago it was changed last.
    pub days_old: Option<i64>,
    /// Permission bits, in octal.
    pub mode: Option<String>,
    /// The number of its owner, else 0.
    #[serde(default)]
    pub uid: u32,
    /// The number of its group, else 0.
    #[serde(default)]
    pub gid: u32,
}

/// What an example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// The rule fires at its carets.
    Bad,
    /// Silence, at warning and above.
    Good,
}

/// What the real server does with a bad example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It does not start.
    NoStart,
    /// It starts; some client that ought to connect fails, or something is weaker than it should be.
    #[default]
    Starts,
}

/// One set of words, its placeholders filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message.
    pub text: Arc<str>,
    /// What stands under the token.
    pub caption: Arc<str>,
    /// What to write.
    pub help: Option<Arc<str>>,
    /// Why to believe it.
    pub note: Option<Arc<str>>,
    /// How bad this case is.
    pub severity: Severity,
    /// Whether the server does not start then, and refuses a reload.
    pub stops: bool,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// What the text lacks or has too much.
    pub fn parse(text: &str) -> Result<Page, toml::de::Error> {
        toml::from_str(text)
    }

    /// Reads a page without its examples, which are most of its text and which no run looks at.
    ///
    /// # Errors
    /// As [`Page::parse`].
    pub fn parse_brief(text: &str) -> Result<Page, toml::de::Error> {
        Page::parse(&without_examples(text))
    }

    /// The words of a case for a server, with placeholders filled: those that the page has for that server alone come first,
    /// and those of the case before those of the page. A case that the page does not have is its main one.
    pub fn render(&self, server: &str, case: &str, arguments: &[(&'static str, String)]) -> Message {
        let main = &self.message;
        let own = self.words.get(server);
        let cases = [own.and_then(|own| own.case.get(case)), self.case.get(case)];
        let of_case = |pick: fn(&Case) -> Option<&String>| cases.into_iter().flatten().find_map(pick);
        let fill = |words: &str| -> Arc<str> { Arc::from(fill(words, server, arguments)) };
        let caption = of_case(|case| case.caption.as_ref()).or(own.and_then(|own| own.caption.as_ref()));
        let help = of_case(|case| case.help.as_ref()).or(own.and_then(|own| own.help.as_ref())).or(main.help.as_ref());
        let note = of_case(|case| case.note.as_ref()).or(own.and_then(|own| own.note.as_ref())).or(main.note.as_ref());
        let severity = cases.into_iter().flatten().find_map(|case| case.severity);
        Message {
            text: fill(self.text(server, case)),
            caption: fill(caption.unwrap_or(&main.caption)),
            help: help.map(|words| fill(words)).filter(|words| !words.is_empty()),
            note: note.map(|words| fill(words)).filter(|words| !words.is_empty()),
            severity: severity.or(own.and_then(|own| own.severity)).unwrap_or(self.severity),
            stops: self.stops(server, case),
        }
    }

    /// The text of a case for a server, its placeholders open.
    pub fn text<'p>(&'p self, server: &str, case: &str) -> &'p str {
        let own = self.words.get(server);
        let of_case = own.and_then(|own| own.case.get(case)?.text.as_ref());
        let of_case = of_case.or(self.case.get(case).and_then(|case| case.text.as_ref()));
        of_case.or(own.and_then(|own| own.text.as_ref())).unwrap_or(&self.message.text)
    }

    /// Whether the server does not start with a case: found as the text is.
    pub fn stops(&self, server: &str, case: &str) -> bool {
        let own = self.words.get(server);
        let of_case = own.and_then(|own| own.case.get(case)?.stops);
        let of_case = of_case.or(self.case.get(case).and_then(|case| case.stops));
        of_case.or(own.and_then(|own| own.stops)).unwrap_or(self.message.stops)
    }
}

/// The text of a page without the tables of its examples.
fn without_examples(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_example, mut in_text) = (false, false);
    for line in text.split_inclusive('\n') {
        if !in_text && line.starts_with('[') {
            in_example = line.starts_with("[[example]]") || line.starts_with("[example.");
        }
        in_text ^= (line.matches("'''").count() + line.matches("\"\"\"").count()) % 2 == 1;
        if !in_example {
            out.push_str(line);
        }
    }
    out
}

/// Replaces `{name}` by its argument, or by the word that the server has for it; `{{` is one brace. A placeholder without
/// either stays, for a test to find.
fn fill(words: &str, server: &str, arguments: &[(&'static str, String)]) -> String {
    let mut out = String::with_capacity(words.len() + 32);
    let mut rest = words;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('{') {
            out.push('{');
            rest = escaped;
            continue;
        }
        let argument = after.find('}').and_then(|end| {
            let found = arguments.iter().find(|(name, _)| *name == &after[..end]).map(|(_, value)| value);
            let found = found.or_else(|| SERVERS.get(server)?.get(&after[..end]));
            found.map(|value| (value, &after[end + 1..]))
        });
        match argument {
            Some((value, behind)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_the_same_without_its_examples() {
        for rule in crate::lint::rules() {
            let whole = Page { example: Vec::new(), ..Page::parse(&rule.source).expect("a page") };
            let brief = Page::parse_brief(&rule.source).expect("a page without examples");
            assert_eq!(format!("{whole:?}"), format!("{brief:?}"), "{}", rule.name);
            for server in ["nginx", "apache", "caddy"] {
                assert_eq!(rule.speaks_of(server), whole.servers.iter().any(|one| one == server), "{}", rule.name);
            }
        }
    }

    #[test]
    fn a_page_stops_the_server_exactly_where_its_words_say_so() {
        for rule in crate::lint::rules() {
            let page = Page::parse_brief(&rule.source).expect("a page without examples");
            for server in &page.servers {
                let own = page.words.get(server).into_iter().flat_map(|own| own.case.keys());
                let cases = page.case.keys().chain(own).map(String::as_str);
                for case in std::iter::once("").chain(cases) {
                    let says = page.text(server, case).contains("{no-start}");
                    assert_eq!(page.stops(server, case), says, "{}, case `{case}` for {server}", rule.name);
                }
            }
        }
    }

    #[test]
    fn placeholders_are_filled() {
        let arguments = [("name", "listen".to_owned()), ("block", "{".to_owned())];
        assert_eq!(fill("`{name}` and {block}{{ {other}", "nginx", &arguments), "`listen` and {{ {other}");
        assert_eq!(fill("{", "nginx", &arguments), "{");
        assert_eq!(fill("{check}: {no-start}", "nginx", &arguments), "`nginx -t`: nginx does not start");
    }
}
