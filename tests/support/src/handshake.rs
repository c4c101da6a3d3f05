//! What came of a handshake, read from the words of `openssl s_client -state` 3.0.
//!
//! A cipher and a verdict are printed of failed handshakes too, so that only the record of states and alerts tells which it was.

use sha2::{Digest as _, Sha256};

/// Where a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was finished, and the server went on to speak.
    Ok,
    /// Nobody listens there, or something other than TLS.
    Connect,
    /// The client itself has nothing that it could offer.
    Offer,
    /// Refused by either side.
    Negotiate,
    /// Refused for want of a client certificate (the alert of TLS 1.3; older protocols only say `handshake failure`).
    ClientCertificate,
    /// It was finished, and the server then cut the connection without a word.
    Cut,
    /// The words do not say; tests fail on it.
    Unclear,
}

/// One handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Where it ended. The other fields speak of [`Outcome::Ok`] alone.
    pub outcome: Outcome,
    /// `TLSv1.0` to `TLSv1.3`.
    pub protocol: Option<String>,
    /// OpenSSL's name.
    pub cipher: Option<String>,
    /// `X25519`, `P-256`, `DH`, `ffdhe2048`; absent without an exchange.
    pub group: Option<String>,
    /// SHA-256 of the first certificate, lower-case hex.
    pub certificate: Option<String>,
    /// The number of `Verify return code`.
    pub verify: Option<u32>,
    /// The alerts that ended it, and errors, for people.
    pub words: String,
}

impl Handshake {
    /// Reads what `s_client` wrote.
    pub fn read(stdout: &[u8], stderr: &[u8]) -> Handshake {
        let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
        let is_finished = stderr.lines().any(|line| line == "SSL_connect:SSLv3/TLS read finished");
        // A server that leaves without a word after the handshake (Go's, when HTTP/2 is spoken wrongly) ends nothing.
        // The client then says so in an alert, which nobody hears.
        let left = |line: &str| {
            is_finished
                && (line.contains("unexpected eof while reading") || line == "SSL3 alert write:fatal:decode error")
        };
        let is_left = stderr.lines().any(left);
        let is_end = |line: &&str| (line.contains(":fatal:") || line.contains(":error:")) && !left(line);
        let ended: Vec<&str> = stderr.lines().filter(is_end).collect();
        let has = |word: &str| ended.iter().any(|line| line.contains(word));
        let answers = ["\nHTTP/1.", "ALPN protocol: h2", "\n* OK IMAP4 ready"];
        let answered = answers.iter().any(|answer| stdout.contains(answer));
        // Plain HTTP may wait for the end of a line, which a short hello does not have.
        let is_silent = stderr.lines().last().is_some_and(|line| line == "SSL_connect:SSLv3/TLS write client hello");
        let outcome = match (is_finished, ended.is_empty()) {
            (false, true) if is_silent => Outcome::Connect,
            (true, true) if answered => Outcome::Ok,
            (true, true) if is_left || stderr.contains("read:errno=104") => Outcome::Cut,
            (_, true) => Outcome::Unclear,
            (_, false) if has("certificate required") || has("SSL alert number 116") => Outcome::ClientCertificate,
            (_, false) if has("Connection refused") || has("wrong version number") || has("http request") => {
                Outcome::Connect
            }
            (false, false) if !stderr.contains("write client hello") => Outcome::Offer,
            (true, false) if has("system library") => Outcome::Unclear,
            (_, false) => Outcome::Negotiate,
        };
        let after = |head: &str| stdout.lines().find_map(|line| line.trim_start().strip_prefix(head));
        let cipher = after("New, ").and_then(|line| line.split_once("Cipher is ")).map(|(_, name)| name.to_owned());
        let protocol = match after("New, ") {
            // A suite of TLS 1.3 belongs to no other protocol; of others the line says the oldest that knows it.
            Some(line) if line.starts_with("TLSv1.3") => Some("TLSv1.3".to_owned()),
            _ => after("Protocol  : ").map(|name| if name == "TLSv1" { "TLSv1.0" } else { name }.to_owned()),
        };
        let group = after("Server Temp Key: ").map(|words| group(words, protocol.as_deref() == Some("TLSv1.3")));
        let verify = after("Verify return code: ").and_then(|words| words.split(' ').next()?.parse().ok());
        Handshake {
            outcome,
            protocol,
            cipher,
            group,
            certificate: first_certificate(&stdout),
            verify,
            words: ended.join("\n"),
        }
    }
}

fn group(words: &str, is_newest: bool) -> String {
    let parts: Vec<&str> = words.split(", ").collect();
    let bits = words.split(' ').rev().nth(1).unwrap_or_default();
    match (parts[0], parts.get(1).copied().unwrap_or_default()) {
        ("DH", _) if is_newest => format!("ffdhe{bits}"),
        ("DH", _) => "DH".to_owned(),
        ("ECDH", "prime256v1") => "P-256".to_owned(),
        ("ECDH", "secp384r1") => "P-384".to_owned(),
        ("ECDH", "secp521r1") => "P-521".to_owned(),
        ("ECDH", other) => other.to_owned(),
        (name, _) => name.to_owned(),
    }
}

fn first_certificate(stdout: &str) -> Option<String> {
    let (_, rest) = stdout.split_once("-----BEGIN CERTIFICATE-----\n")?;
    let (letters, _) = rest.split_once("-----END")?;
    let der = base64(letters)?;
    Some(Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The bytes of base64 that may be broken into lines.
fn base64(letters: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0u32, 0);
    for letter in letters.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINISHED: &str = "SSL_connect:SSLv3/TLS read finished\nSSL3 alert read:warning:close notify\n";

    #[test]
    fn words_of_the_client() {
        let pem = crate::der::pem("CERTIFICATE", b"abc");
        let new = format!(
            "Server certificate\n{pem}Server Temp Key: ECDH, prime256v1, 256 bits\nNew, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256\nVerify return code: 62 (hostname mismatch)\n---\nHTTP/1.1 200 OK\n"
        );
        let read = Handshake::read(new.as_bytes(), FINISHED.as_bytes());
        assert_eq!(read.outcome, Outcome::Ok);
        assert_eq!(read.group.as_deref(), Some("P-256"));
        assert_eq!(read.protocol.as_deref(), Some("TLSv1.3"));
        assert_eq!(read.cipher.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
        assert_eq!(read.verify, Some(62));
        assert!(read.certificate.is_some_and(|sum| sum.starts_with("ba7816bf8f01cfea")));
        // An alert that comes late undoes all.
        let late = format!(
            "{FINISHED}SSL3 alert read:fatal:unknown\n80:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:x.c:1:SSL alert number 116\n"
        );
        assert_eq!(Handshake::read(new.as_bytes(), late.as_bytes()).outcome, Outcome::ClientCertificate);
        let old = "Server Temp Key: DH, 2048 bits\nNew, SSLv3, Cipher is DHE-RSA-AES128-SHA\n    Protocol  : TLSv1\n    Verify return code: 0 (ok)\nHTTP/1.1 400 Bad\n";
        let read = Handshake::read(old.as_bytes(), FINISHED.as_bytes());
        assert_eq!((read.protocol.as_deref(), read.group.as_deref()), (Some("TLSv1.0"), Some("DH")));
        let failed = "SSL3 alert read:fatal:handshake failure\n8:error:0A:SSL routines:x:sslv3 alert handshake failure:x:1:SSL alert number 40\n";
        let offered = format!("SSL_connect:SSLv3/TLS write client hello\n{failed}");
        assert_eq!(Handshake::read(old.as_bytes(), offered.as_bytes()).outcome, Outcome::Negotiate);
        assert_eq!(Handshake::read(old.as_bytes(), failed.as_bytes()).outcome, Outcome::Offer);
        assert_eq!(
            Handshake::read(b"", b"8:error:8000006F:system library:BIO_connect:Connection refused:x\n").outcome,
            Outcome::Connect
        );
        assert_eq!(Handshake::read(b"", b"").outcome, Outcome::Unclear);
    }
}
