//! Host names as clients send them: in ASCII, other letters as punycode (RFC 3492, RFC 5891).
//!
//! Left out on purpose: letters that clients map to others, that read from right to left, or that are made of several; of
//! those nothing is said here.

/// A name in lower case as a client sends it, its stars kept. Absent where that takes more than is known here.
pub fn ascii(name: &str) -> Option<String> {
    let labels: Option<Vec<String>> = name.split('.').map(label).collect();
    labels.map(|labels| labels.join("."))
}

fn label(label: &str) -> Option<String> {
    if label.is_ascii() {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
        return label.bytes().all(is_plain).then(|| label.to_ascii_lowercase());
    }
    // RFC 1035: a label has 63 octets at most.
    if label.chars().count() > 63 {
        return None;
    }
    let lower: Vec<char> = label.chars().flat_map(char::to_lowercase).collect();
    let is_known = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-' || is_itself(*letter);
    let has_hyphens = |at: usize| lower.get(at) == Some(&'-');
    if !lower.iter().all(is_known) || has_hyphens(0) || has_hyphens(lower.len() - 1) || has_hyphens(2) && has_hyphens(3)
    {
        return None;
    }
    punycode(&lower).map(|encoded| format!("xn--{encoded}")).filter(|encoded| encoded.len() <= 63)
}

/// Whether a letter stands for itself in every mapping of names, and joins with none beside it.
fn is_itself(letter: char) -> bool {
    match letter {
        // One letter to IDNA 2008, two to IDNA 2003; or mapped to others by both.
        '\u{df}' | '\u{3c2}' | '\u{133}' | '\u{140}' | '\u{149}' | '\u{17f}' => false,
        '\u{e0}'..='\u{f6}' | '\u{f8}'..='\u{17f}' => letter.is_lowercase(),
        '\u{3ac}'..='\u{3ce}' | '\u{430}'..='\u{45f}' => true,
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' => true,
        '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => true,
        _ => false,
    }
}

/// RFC 3492, 6.3, with the parameters of section 5. Absent where a number overflows.
fn punycode(letters: &[char]) -> Option<String> {
    const BASE: u32 = 36;
    const FIRST: u32 = 128;
    let mut out: String = letters.iter().filter(|letter| letter.is_ascii()).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut next, mut delta, mut bias, mut handled) = (FIRST, 0_u32, 72_u32, basic);
    while let Some(smallest) = letters.iter().map(|letter| u32::from(*letter)).filter(|code| *code >= next).min() {
        delta = (smallest - next).checked_mul(handled + 1)?.checked_add(delta)?;
        next = smallest;
        for code in letters.iter().map(|letter| u32::from(*letter)) {
            if code < next {
                delta = delta.checked_add(1)?;
            }
            if code != next {
                continue;
            }
            let mut rest = delta;
            let mut weight = BASE;
            loop {
                let threshold = weight.saturating_sub(bias).clamp(1, 26);
                if rest < threshold {
                    break;
                }
                let span = BASE - threshold;
                out.push(digit(threshold + (rest - threshold) % span)?);
                rest = (rest - threshold) / span;
                weight += BASE;
            }
            out.push(digit(rest)?);
            bias = adapted(delta, handled + 1, handled == basic);
            delta = 0;
            handled += 1;
        }
        delta = delta.checked_add(1)?;
        next += 1;
    }
    Some(out)
}

/// A digit: 0 to 25 are a to z, 26 to 35 are 0 to 9.
fn digit(value: u32) -> Option<char> {
    match value {
        0..=25 => char::from_digit(value + 10, 36),
        _ => char::from_digit(value - 26, 10),
    }
}

/// RFC 3492, 6.1.
fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut steps = 0;
    while delta > 35 * 26 / 2 {
        delta /= 35;
        steps += 36;
    }
    steps + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sent_as_browsers_send_them() {
        let table = [
            ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("*.M\u{dc}NCHEN.example", Some("*.xn--mnchen-3ya.example")),
            ("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.test", Some("xn--e1afmkfd.test")),
            ("\u{4f8b}\u{3048}.test", Some("xn--r8jz45g.test")),
            (
                "\u{3c0}\u{3b1}\u{3c1}\u{3ac}\u{3b4}\u{3b5}\u{3b9}\u{3b3}\u{3bc}\u{3b1}.test",
                Some("xn--hxajbheg2az3al.test"),
            ),
            ("\u{6e2c}\u{8a66}", Some("xn--g6w251d")),
            ("\u{d14c}\u{c2a4}\u{d2b8}", Some("xn--9t4b11yi5a")),
            ("a.test", Some("a.test")),
            // Clients differ, or more is needed than is known here.
            ("stra\u{df}e.example", None),
            ("\u{5d0}.test", None),
            ("u\u{308}.test", None),
            ("-\u{fc}.test", None),
            ("a b.test", None),
        ];
        for (name, expected) in table {
            assert_eq!(ascii(name).as_deref(), expected, "{name}");
        }
    }
}
