//! What the three differential tests have in common: kept and drawn configurations, and what a run of the usual size must show.

use std::time::Instant;

use rayon::prelude::*;

use crate::case::Case;
use crate::handshake::Outcome;
use crate::judge::{Judge, Verdict};

/// How many disagreements are shown.
const SHOWN: usize = 60;

/// A parameter of the environment, or its default.
pub fn parameter(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// A run against one server. `SHAKEDOWN_SEED` and `SHAKEDOWN_COUNT` choose other configurations.
pub struct Trial {
    /// Who compares.
    pub judge: Judge,
    /// Configurations that are tried whatever the seed.
    pub kept: Vec<Case>,
    /// How many are drawn by default.
    pub usual: u64,
    /// How many handshakes they must come to.
    pub least_handshakes: usize,
    /// At most one prediction in so many may be unknown.
    pub one_unknown_in: usize,
    /// What must differ between the two sides, each in 20 handshakes.
    pub settings: &'static [&'static str],
    /// The two sides, for people.
    pub sides: &'static str,
}

impl Trial {
    /// Tries all. `case` draws a configuration from a number.
    pub fn run(&self, case: impl Fn(u64) -> Case + Sync) {
        let seed: u64 = parameter("SHAKEDOWN_SEED", "1").parse().expect("a seed");
        let count: u64 = parameter("SHAKEDOWN_COUNT", &self.usual.to_string()).parse().expect("a count");
        let kept = self.kept.par_iter().map(|case| self.judge.judge(case)).reduce(Verdict::default, Verdict::and);
        agrees(&kept, "kept");
        assert!(kept.count(Outcome::Ok) * 5 >= kept.handshakes(), "few of the kept cases mean anything");
        let began = Instant::now();
        let numbers = (0..count).into_par_iter().map(|number| seed * 1_000_003 + number);
        let drawn = numbers.map(|number| self.judge.judge(&case(number))).reduce(Verdict::default, Verdict::and);
        let rate = drawn.handshakes() as f64 / began.elapsed().as_secs_f64();
        println!("{}\n{rate:.0} handshakes a second", drawn.figures());
        agrees(&drawn, "drawn");
        // The figures below are those of a run of the usual size.
        if count >= self.usual {
            self.means_something(&drawn, seed);
        }
    }

    fn means_something(&self, drawn: &Verdict, seed: u64) {
        let handshakes = drawn.handshakes();
        assert!(handshakes >= self.least_handshakes, "too few handshakes: {handshakes}");
        assert!(drawn.count(Outcome::Ok) * 3 >= handshakes, "too few succeed");
        assert!(drawn.started * 2 >= drawn.cases, "too few configurations start");
        assert!(drawn.started < drawn.cases, "no configuration fails to start");
        assert!(drawn.unknowns() * self.one_unknown_in <= handshakes, "too much is unknown: {}", drawn.unknowns());
        // Other seeds show other settings more and less often.
        for setting in self.settings.iter().filter(|_| seed == 1) {
            let seen = drawn.differing.get(setting).copied().unwrap_or(0);
            assert!(seen >= 20, "{setting} differs between {} in {seen} handshakes only", self.sides);
        }
    }
}

fn agrees(verdict: &Verdict, which: &str) {
    let words: Vec<&str> = verdict.disagreements.iter().map(|one| one.words.as_str()).collect();
    let shown = words[..words.len().min(SHOWN)].join("\n");
    assert!(words.is_empty(), "{} disagreements in {which} configurations:\n{shown}", words.len());
}
