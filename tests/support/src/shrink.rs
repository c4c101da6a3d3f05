//! Makes a configuration smaller while something still holds of it: takes blocks out, then lines, then what is left in files.

use std::collections::BTreeMap;

/// The smallest files found for which `holds` is still true. It is called a limited number of times.
pub(crate) fn shrink(
    files: BTreeMap<String, Vec<u8>>,
    is_text: impl Fn(&str) -> bool,
    mut holds: impl FnMut(&BTreeMap<String, Vec<u8>>) -> bool,
) -> BTreeMap<String, Vec<u8>> {
    let mut best = files;
    let mut left = 80;
    loop {
        let before = left;
        let mut is_smaller = false;
        for path in best.keys().cloned().collect::<Vec<_>>().into_iter().filter(|path| is_text(path)) {
            let mut at = 0;
            loop {
                let lines: Vec<String> = String::from_utf8_lossy(&best[&path]).lines().map(str::to_owned).collect();
                if at >= lines.len() || left == 0 {
                    break;
                }
                let end = end_of(&lines, at);
                let rest: String =
                    [&lines[..at], &lines[end..]].concat().iter().map(|line| format!("{line}\n")).collect();
                let mut tried = best.clone();
                tried.insert(path.clone(), rest.into_bytes());
                left -= 1;
                if end > at && holds(&tried) {
                    (best, is_smaller) = (tried, true);
                } else {
                    at += 1;
                }
            }
        }
        if !is_smaller || left == 0 || left == before {
            return best;
        }
    }
}

/// Behind the block that begins at a line, or behind the line; the line itself where it ends a block.
fn end_of(lines: &[String], at: usize) -> usize {
    let change = |line: &str| -> i32 {
        let line = line.trim();
        match line {
            _ if line.starts_with("</") => -1,
            _ if line.starts_with('<') => 1,
            _ => line.matches('{').count() as i32 - line.matches('}').count() as i32,
        }
    };
    let mut depth = 0;
    for (place, line) in lines.iter().enumerate().skip(at) {
        depth += change(line);
        if depth < 0 {
            return at;
        }
        if depth == 0 {
            return place + 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let text = "http {\n a;\n server {\n  b;\n }\n server {\n  c;\n  d;\n }\n}\n";
        let files = BTreeMap::from([("x.conf".to_owned(), text.as_bytes().to_vec())]);
        let small = shrink(files, |_| true, |files| String::from_utf8_lossy(&files["x.conf"]).contains("d;"));
        assert_eq!(String::from_utf8_lossy(&small["x.conf"]), "http {\n server {\n  d;\n }\n}\n");
    }
}
