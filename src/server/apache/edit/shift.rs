//! Directives and virtual hosts that are moved, and modules that are loaded.

use super::ApacheEditor;
use crate::diagnostic::Edit;
use crate::model::{Edits, SiteId};
use crate::server::apache::include::Statement;
use crate::server::apache::syntax::Kind;
use crate::source::Span;

/// Directives of which each says something more.
const ADDING: &[&[u8]] = &[b"listen", b"sslrandomseed"];

impl<'a> ApacheEditor<'a> {
    /// Moves a directive above the outermost section around it. Of several that say the same one is enough; which of those
    /// that differ is meant, nobody knows.
    pub(super) fn move_out(&self, written: Span) -> Option<Edits> {
        let at = self.position(written)?;
        let statement = &self.loaded.statements[at];
        let line = self.line(statement)?;
        let outermost = &self.loaded.statements[self.outermost(at)?];
        if outermost.line.file != statement.line.file || statement.kind != Kind::Directive {
            return None;
        }
        let name = self.loaded.name(statement).to_ascii_lowercase();
        let words = |one: &Statement| {
            let text = self.loaded.text(one.text);
            self.loaded.words(one).iter().map(|word| word.value(text).into_owned()).collect::<Vec<_>>()
        };
        let own = words(statement);
        let mut edits = vec![self.removal(written)?];
        let mut others = self.named(&name).iter().filter(|other| **other != at);
        let is_adding = ADDING.contains(&&name[..]);
        if !is_adding && others.clone().any(|other| words(&self.loaded.statements[*other]) != own) {
            return None;
        }
        let is_said = |other: &usize| *other < at && words(&self.loaded.statements[*other]) == own;
        if !others.any(is_said) {
            edits.push(self.above(outermost, &[line])?);
        }
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// Moves a directive to the top of another virtual host.
    pub(super) fn move_to(&self, written: Span, site: SiteId) -> Option<Edits> {
        let line = self.line(self.statement(written)?)?;
        let edits = vec![self.removal(written)?, self.insertion(site, &line)?];
        Some(Edits { edits, reaches: vec![site] })
    }

    /// Moves a virtual host with its lines behind another one of the same file. What stands between them stays in the same
    /// sections.
    pub(super) fn move_behind(&self, site: SiteId, behind: SiteId) -> Option<Edits> {
        let (moved, before) = (self.deployment.site(site).block, self.deployment.site(behind).block);
        let file = moved.file;
        if file != before.file || moved.end > before.start || !self.is_file(file) {
            return None;
        }
        let text = self.loaded.text(file);
        let lines = |block: Span| {
            let (start, end) = (block.start as usize, block.end as usize);
            let from = text.get(..start)?.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let to = text.get(end..)?.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| end + at + 1);
            let is_alone = text[from..start].trim_ascii().is_empty() && text[end..to].trim_ascii().is_empty();
            is_alone.then_some((from, to))
        };
        let ((from, to), (_, place)) = (lines(moved)?, lines(before)?);
        let mut depth = 0_i64;
        for line in text[to..place].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start) {
            depth += i64::from(line.starts_with(b"<")) - 2 * i64::from(line.starts_with(b"</"));
            if depth < 0 {
                return None;
            }
        }
        let is_ended = |range: &[u8]| range.ends_with(b"\n");
        if depth != 0 || !is_ended(&text[from..to]) {
            return None;
        }
        let words = String::from_utf8_lossy(&text[from..to]);
        let words = if is_ended(&text[..place]) { words.into_owned() } else { format!("\n{}", words.trim_end()) };
        let edits = vec![
            Edit { span: Span::new(file, from as u32, to as u32), text: String::new() },
            Edit { span: Span::new(file, place as u32, place as u32), text: words },
        ];
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// Loads mod_ssl before the first directive that needs it, from the folder of the other modules.
    pub(super) fn load_tls(&self) -> Option<Edits> {
        let file = self.loaded.modules.file("mod_ssl")?;
        let needs = |problem: &&crate::diagnostic::Problem| problem.rule.as_str() == "ssl-module-not-loaded";
        let first = self.deployment.problems.iter().find(needs)?;
        let at = self.position(first.at)?;
        let place = &self.loaded.statements[self.outermost(at).unwrap_or(at)];
        let edits = vec![self.above(place, &[format!("LoadModule ssl_module {file}")])?];
        Some(Edits { edits, reaches: Vec::new() })
    }

    /// Responses of OCSP responders for one virtual host, with a place to keep them.
    pub(super) fn staple(&self, site: SiteId, written: Option<Span>) -> Option<Edits> {
        let block = self.deployment.site(site).block;
        let is_own = |at: &Span| at.file == block.file && block.start <= at.start && at.end <= block.end;
        let switch = match written.filter(is_own) {
            Some(span) => Edit { span, text: "on".to_owned() },
            None => self.insertion(site, "SSLUseStapling on")?,
        };
        let mut lines = Vec::new();
        if self.named(b"sslstaplingcache").is_empty() {
            const CACHE: &str = "mod_socache_shmcb";
            if !self.loaded.modules.has_table(CACHE) {
                lines.push(format!("LoadModule socache_shmcb_module {}", self.loaded.modules.file(CACHE)?));
            }
            lines.push("SSLStaplingCache shmcb:stapling(32768)".to_owned());
        }
        let mut edits = vec![switch];
        if !lines.is_empty() {
            edits.push(self.before_sites(&lines)?);
        }
        Some(Edits { edits, reaches: vec![site] })
    }

    /// A directive as it is written, where that means the same in another place: without variables.
    fn line(&self, statement: &Statement) -> Option<String> {
        let Span { file, start, end } = statement.line;
        let text = self.is_file(file).then(|| self.loaded.text(file))?.get(start as usize..end as usize)?;
        let is_plain = !text.contains(&b'\n') && !text.windows(2).any(|pair| pair == b"${");
        is_plain.then(|| String::from_utf8_lossy(text.trim_ascii()).into_owned())
    }

    /// The outermost section around a statement; absent where it stands in none.
    fn outermost(&self, at: usize) -> Option<usize> {
        let all = self.outermost.get_or_init(|| {
            let mut open: Vec<usize> = Vec::new();
            let outermost = |(at, statement): (usize, &Statement)| {
                if statement.kind == Kind::Close {
                    open.pop();
                }
                let around = open.first().copied();
                if statement.kind == Kind::Open {
                    open.push(at);
                }
                around
            };
            self.loaded.statements.iter().enumerate().map(outermost).collect()
        });
        all.get(at).copied().flatten()
    }

    /// The directives of a name, in reading order.
    fn named(&self, name: &[u8]) -> &[usize] {
        let all = self.by_name.get_or_init(|| {
            let mut all: foldhash::HashMap<Vec<u8>, Vec<usize>> = foldhash::HashMap::default();
            for (at, statement) in self.loaded.statements.iter().enumerate() {
                if statement.kind == Kind::Directive {
                    all.entry(self.loaded.name(statement).to_ascii_lowercase()).or_default().push(at);
                }
            }
            all
        });
        all.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}
