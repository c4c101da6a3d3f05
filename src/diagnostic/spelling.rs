//! What somebody may have meant: the known word that is nearest to one that is not known.

/// Edits between two words: insertion, deletion, replacement, exchange of neighbours.
pub fn distance(one: &str, two: &str) -> usize {
    let (one, two) = (one.as_bytes(), two.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in two.iter().enumerate() {
            let mut best = (row[j] + usize::from(a != b)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == two[j - 1] && one[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[two.len()]
}

/// The known word that is nearest, with its distance: at most `most` edits and a third of the word away, and nearer than any
/// other.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>, most: usize) -> Option<(&'k str, usize)> {
    // A third of the word: where that is no letter, only the word itself would be near.
    let most = most.min(word.len() / 3);
    let near = known.filter(|other| other.len().abs_diff(word.len()) <= most);
    let mut found: Vec<(usize, &str)> = near.map(|other| (distance(word, other), other)).collect();
    found.retain(|(distance, _)| *distance <= most && distance * 3 <= word.len());
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [(distance, one)] => Some((one, distance)),
        [(distance, one), (next, _), ..] if distance < next => Some((one, distance)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_few_edits_away() {
        assert_eq!(distance("ECHDE", "ECDHE"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("debian-21", ["debian-12", "rhel-9"].into_iter(), 3), Some(("debian-12", 1)));
        assert_eq!(nearest("debian-1", ["debian-12", "debian-13"].into_iter(), 3), None);
        assert_eq!(nearest("abc", ["xyz"].into_iter(), 3), None);
    }
}
