//! Holds the tool's predictions against a real server: same start, same handshakes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arena::{Fight, fight, line};
use crate::case::Case;
use crate::finding::{self, Judged};
use crate::handshake::Outcome;
use crate::prediction::{Comparison, Platform, Prediction, arguments, predict};
use crate::recipe::write;
use crate::shrink::shrink;

/// A real server and the tool.
pub struct Judge {
    /// The tool's program; absent: the real server alone is asked, for the figures.
    pub tool: Option<PathBuf>,
    /// What the tool is told.
    pub platform: Platform,
    /// The line of a shell that starts the server in the folder of a case with the main file `$MAIN`.
    pub start: String,
    /// How many disagreements are still worth the time to make them small.
    pub patience: AtomicUsize,
    /// Whether a file is configuration, which may be made smaller.
    pub is_text: fn(&str) -> bool,
}

/// Something on which tool and server do not agree.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// `start`, `result-ok`, `result-fail`, `stage`, `protocol`, `cipher`, `group`, `certificate`, `verify`, `entry`.
    pub kind: String,
    /// Both sides, and how to see it.
    pub words: String,
}

/// What came of one or more cases.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Configurations.
    pub cases: usize,
    /// Those that the server took.
    pub started: usize,
    /// Handshakes by outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// Handshakes where default and named server differ, by setting.
    pub differing: BTreeMap<&'static str, usize>,
    /// Successful ones by protocol, cipher, group and verdict.
    pub seen: BTreeMap<String, usize>,
    /// Configurations that the server refused, by its reason.
    pub refusals: BTreeMap<String, usize>,
    /// Predictions that say `unknown`, by reason.
    pub unknown: BTreeMap<String, usize>,
    /// All disagreements.
    pub disagreements: Vec<Disagreement>,
}

impl Verdict {
    /// Both together.
    pub fn and(mut self, other: Verdict) -> Verdict {
        self.cases += other.cases;
        self.started += other.started;
        other.unknown.into_iter().for_each(|(key, count)| *self.unknown.entry(key).or_default() += count);
        other.outcomes.into_iter().for_each(|(key, count)| *self.outcomes.entry(key).or_default() += count);
        other.differing.into_iter().for_each(|(key, count)| *self.differing.entry(key).or_default() += count);
        other.refusals.into_iter().for_each(|(key, count)| *self.refusals.entry(key).or_default() += count);
        other.seen.into_iter().for_each(|(key, count)| *self.seen.entry(key).or_default() += count);
        self.disagreements.extend(other.disagreements);
        self
    }

    /// Handshakes that were tried.
    pub fn handshakes(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// Predictions that say `unknown`.
    pub fn unknowns(&self) -> usize {
        self.unknown.values().sum()
    }

    /// Handshakes of an outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&format!("{outcome:?}")).copied().unwrap_or(0)
    }

    /// The figures, for people.
    pub fn figures(&self) -> String {
        let table = |counts: &mut dyn Iterator<Item = (String, usize)>| {
            counts.map(|(key, count)| format!("{count} {key}")).collect::<Vec<_>>().join(", ")
        };
        let owned =
            |counts: &BTreeMap<String, usize>| table(&mut counts.iter().map(|(key, count)| (key.clone(), *count)));
        format!(
            "{} configurations, {} started; {} handshakes: {}; {} predictions unknown\ndiffering: {}\nseen: {}\nrefusals: {}\nunknown: {}",
            self.cases,
            self.started,
            self.handshakes(),
            owned(&self.outcomes),
            self.unknowns(),
            table(&mut self.differing.iter().map(|(key, count)| ((*key).to_owned(), *count))),
            owned(&self.seen),
            owned(&self.refusals),
            owned(&self.unknown),
        )
    }
}

impl Judge {
    /// Asks both sides about a case.
    pub fn judge(&self, case: &Case) -> Verdict {
        let folder = tempfile::Builder::new().prefix("shakedown-handshake-").tempdir().expect("a temporary folder");
        let (fight, prediction) = self.ask(folder.path(), case);
        let mut verdict = Verdict { cases: 1, started: usize::from(fight.starts), ..Verdict::default() };
        if !fight.starts {
            verdict.refusals.insert(reason(&fight.words), 1);
        }
        for (attempt, real) in case.attempts.iter().zip(&fight.handshakes) {
            *verdict.outcomes.entry(format!("{:?}", real.outcome)).or_default() += 1;
            attempt.differing.iter().for_each(|setting| *verdict.differing.entry(setting).or_default() += 1);
            if real.outcome == Outcome::Ok {
                let code = real.verify.map(|code| format!("verify {code}"));
                for value in [&real.protocol, &real.cipher, &real.group, &code].into_iter().flatten() {
                    *verdict.seen.entry(value.clone()).or_default() += 1;
                }
            }
            if real.outcome == Outcome::Unclear {
                let client = &case.clients[attempt.client].name;
                let words = format!("{client} to {} for {}:\n{}", attempt.listen, attempt.host, real.words);
                verdict.disagreements.push(Disagreement { kind: "unclear".to_owned(), words });
            }
        }
        let Some(prediction) = prediction else {
            if !verdict.disagreements.is_empty() {
                let kept = folder.keep();
                verdict.disagreements.iter_mut().for_each(|one| one.words += &format!("\n{}", kept.display()));
            }
            return verdict;
        };
        let found = compare(case, &fight, &prediction, &mut verdict.unknown);
        if found.is_empty() {
            return verdict;
        }
        let mut sorts = BTreeSet::new();
        for one in &found {
            // One small reproduction for each sort and case is enough.
            let is_new = sorts.insert((&one.kind, &one.sort));
            let spend = |left: usize| left.checked_sub(1);
            let is_new = is_new && self.patience.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok();
            let place = if is_new { self.reproduce(case, one) } else { String::new() };
            let words = format!("{}: {}\n{place}", case.name, one.words);
            verdict.disagreements.push(Disagreement { kind: one.kind.clone(), words });
        }
        verdict
    }

    fn ask(&self, folder: &Path, case: &Case) -> (Fight, Option<(Prediction, Option<Judged>)>) {
        write(folder, &case.files);
        for client in &case.clients {
            std::fs::write(folder.join(format!("client-{}.toml", client.name)), client.toml())
                .expect("a client's file");
        }
        let arguments: Vec<Vec<String>> = case
            .attempts
            .iter()
            .map(|attempt| case.clients[attempt.client].arguments(&attempt.listen, &attempt.host, "root.pem"))
            .collect();
        let prediction = self.tool.as_ref().map(|tool| {
            (predict(tool, folder, &self.platform, case), finding::judge(tool, folder, &self.platform, case))
        });
        (fight(folder, &format!("MAIN={}; {}", case.main, self.start), &arguments), prediction)
    }

    /// Keeps the smallest configuration on which both still differ in the same way, and says how to see it.
    fn reproduce(&self, case: &Case, wanted: &Difference) -> String {
        let at = wanted.at;
        let alone = Case { attempts: at.map(|at| case.attempts[at].clone()).into_iter().collect(), ..case.clone() };
        let alone = if at.is_none() { case.clone() } else { alone };
        let differs = |case: &Case| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let (fight, prediction) = self.ask(folder.path(), case);
            let found = prediction.map(|ours| compare(case, &fight, &ours, &mut BTreeMap::new()));
            let is_it = |one: &Difference| one.kind == wanted.kind && one.sort == wanted.sort;
            found.into_iter().flatten().find(is_it).map(|one| one.words)
        };
        let files = shrink(alone.files.clone(), self.is_text, |files| {
            differs(&Case { files: files.clone(), ..alone.clone() }).is_some()
        });
        let small = Case { files, ..alone };
        let words = differs(&small).unwrap_or_else(|| "(does not come again)".to_owned());
        let folder = tempfile::Builder::new().prefix("shakedown-disagreement-").tempdir().expect("a temporary folder");
        self.ask(folder.path(), &small);
        let tool = self.tool.as_ref().map(|tool| tool.display().to_string()).unwrap_or_default();
        let command = line(&[vec![tool], arguments(&self.platform, &small)].concat());
        let kept = folder.keep();
        let texts: String = small
            .files
            .iter()
            .filter(|(path, _)| (self.is_text)(path))
            .map(|(path, bytes)| format!("--- {path}\n{}", String::from_utf8_lossy(bytes)))
            .collect();
        let client = small.attempts.first().filter(|_| at.is_some()).map(|attempt| {
            let client = &small.clients[attempt.client];
            format!("--- client-{}.toml\n{}", client.name, client.toml())
        });
        format!(
            "smallest: {words}\n{texts}{}cd {}; {command}\ncd {}; unshare -n -p -f --kill-child sh fight/run.sh\n",
            client.unwrap_or_default(),
            kept.display(),
            kept.display()
        )
    }
}

/// The kind of a server's reason: the end of its last word on it, without what is quoted.
fn reason(words: &str) -> String {
    let is_reason = |line: &&str| {
        !line.contains("process exited with") && ["emerg", ": AH", "rror"].iter().any(|word| line.contains(word))
    };
    let told = words.lines().rev().find(is_reason).or(words.lines().last()).unwrap_or_default();
    // Apache says the reason on the next line.
    let next = words.lines().skip_while(|line| *line != told).nth(1);
    let told = next.filter(|_| told.contains("Syntax error")).unwrap_or(told);
    let mut plain: Vec<&str> = told.split(['"', '\'']).step_by(2).collect();
    plain.retain(|part| !part.starts_with('/'));
    let plain: String = plain.join("*").chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let start = plain.char_indices().rev().nth(90).map_or(0, |(at, _)| at);
    plain[start..].to_owned()
}

/// A difference of one handshake, or of the start.
struct Difference {
    kind: String,
    /// Tells apart what has different reasons.
    sort: String,
    /// Which handshake; absent: the start.
    at: Option<usize>,
    /// Both sides.
    words: String,
}

fn compare(
    case: &Case,
    fight: &Fight,
    (prediction, judged): &(Prediction, Option<Judged>),
    unknown: &mut BTreeMap<String, usize>,
) -> Vec<Difference> {
    let real = if fight.starts { "ok" } else { "fail" };
    if prediction.start == "unknown" {
        *unknown.entry(format!("start: {}", prediction.words)).or_default() += 1;
        return Vec::new();
    }
    if prediction.start != real {
        let words =
            format!("starts: real {real}, tool {}\n  {}\n  {}", prediction.start, fight.words, prediction.words);
        let sort = if fight.starts { prediction.rules() } else { reason(&fight.words) };
        return vec![Difference { kind: format!("start-{}", prediction.start), sort, at: None, words }];
    }
    let mut found = Vec::new();
    if let Some((kind, sort, words)) = judged.as_ref().and_then(|judged| judged.contradiction(fight.starts)) {
        found.push(Difference { kind: kind.to_owned(), sort, at: None, words });
    }
    for (at, (attempt, real)) in case.attempts.iter().zip(&fight.handshakes).enumerate() {
        let client = &case.clients[attempt.client].name;
        match prediction.compare(&attempt.listen, &attempt.host, client, real) {
            Comparison::Same => {}
            Comparison::Unknown(why) => *unknown.entry(why).or_default() += 1,
            Comparison::Differs(kind, sort, words) => {
                let words = format!("{kind}: {client} to {} for {}: {words}", attempt.listen, attempt.host);
                found.push(Difference { kind: kind.to_owned(), sort, at: Some(at), words });
            }
        }
    }
    found
}
