//! Writes DER (X.690), and PEM around it.

use crate::clock::date;

/// One element: tag, length, content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let bytes: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | bytes.len() as u8);
            out.extend(bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A sequence of elements.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// A set of elements.
pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    element(0x31, &parts.concat())
}

/// A number that is not negative, big-endian.
pub fn integer(bytes: &[u8]) -> Vec<u8> {
    let trimmed: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let pad = trimmed.first().is_none_or(|byte| byte & 0x80 != 0);
    element(2, &[if pad { vec![0] } else { Vec::new() }, trimmed].concat())
}

/// An object identifier in dotted form.
pub fn identifier(dotted: &str) -> Vec<u8> {
    let parts: Vec<u64> = dotted.split('.').map(|part| part.parse().expect("a number")).collect();
    let mut out = vec![(parts[0] * 40 + parts[1]) as u8];
    for part in &parts[2..] {
        let mut digits = vec![(part & 0x7f) as u8];
        let mut rest = part >> 7;
        while rest > 0 {
            digits.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.extend(digits.into_iter().rev());
    }
    element(6, &out)
}

/// A bit string without unused bits.
pub fn bits(content: &[u8]) -> Vec<u8> {
    element(3, &[&[0], content].concat())
}

/// An octet string.
pub fn octets(content: &[u8]) -> Vec<u8> {
    element(4, content)
}

/// A UTF-8 string.
pub fn text(content: &str) -> Vec<u8> {
    element(12, content.as_bytes())
}

/// A truth value.
pub fn boolean(value: bool) -> Vec<u8> {
    element(1, &[if value { 0xff } else { 0 }])
}

/// A time in seconds since 1970-01-01 UTC: UTCTime from 1950 to 2049, else GeneralizedTime (RFC 5280, 4.1.2.5).
pub fn time(seconds: i64) -> Vec<u8> {
    let ((year, month, day), rest) = (date(seconds), seconds.rem_euclid(86_400));
    let clock = format!("{month:02}{day:02}{:02}{:02}{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60);
    match year {
        1950..=2049 => element(0x17, format!("{:02}{clock}", year % 100).as_bytes()),
        _ => element(0x18, format!("{year:04}{clock}").as_bytes()),
    }
}

/// Base64 in lines of 64 between a head and an end line.
pub fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = String::new();
    for chunk in der.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize] as char;
            letters.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in letters.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).expect("letters"));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        assert_eq!(time(1_795_392_000), b"\x17\x0d261123000000Z");
        assert_eq!(time(4_102_444_800), b"\x18\x0f21000101000000Z".to_vec());
        assert_eq!(identifier("1.2.840.113549"), [6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(pem("X", b"ab"), "-----BEGIN X-----\nYWI=\n-----END X-----\n");
        assert_eq!(element(4, &[0; 200])[..4], [4, 0x81, 200, 0]);
    }
}
