//! Certificates, right or wrong, field by field.

use sha1::Digest as _;

use crate::DAY;
use crate::clock::now;
use crate::der::{bits, boolean, element, identifier, integer, octets, sequence, set, text, time};
use crate::key::{Digest, key};

/// Server authentication.
pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";
/// Client authentication.
pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

/// All that a certificate says.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Common name of the subject; empty: no subject.
    pub subject: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// Name of its key.
    pub key: String,
    /// Name of the key that signs it.
    pub signed_by: String,
    /// The digest of the signature.
    pub digest: Digest,
    /// Seconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// Seconds since 1970-01-01 UTC.
    pub not_after: i64,
    /// Serial number.
    pub serial: u64,
    /// 1 or 3.
    pub version: u8,
    /// DNS names; an address is written as such.
    pub names: Vec<String>,
    /// Whether it is an authority, and how many may follow below.
    pub constraints: Option<(bool, Option<u8>)>,
    /// Key usage bits (RFC 5280, 4.2.1.3), `digitalSignature` first.
    pub usage: Option<Vec<u8>>,
    /// Purposes.
    pub purposes: Vec<String>,
    /// Where the issuer can be fetched.
    pub issuer_url: Option<String>,
    /// The OCSP responder.
    pub ocsp_url: Option<String>,
    /// Permitted and excluded DNS subtrees.
    pub permitted: Vec<String>,
    /// Excluded DNS subtrees.
    pub excluded: Vec<String>,
    /// Whether subject and authority key identifiers are written.
    pub identifiers: bool,
    /// The content of the serial number as it is, instead of `serial`.
    pub raw_serial: Option<Vec<u8>>,
    /// Other extensions: identifier, whether critical, content.
    pub others: Vec<(String, bool, Vec<u8>)>,
}

impl Certificate {
    /// A server's certificate for names, issued by an authority: P-256, 90 days, 10 of them gone.
    pub fn leaf(names: &[&str], key: &str, issuer: &Certificate) -> Certificate {
        Certificate {
            subject: names.first().map_or(String::new(), |name| (*name).to_owned()),
            issuer: issuer.subject.clone(),
            key: key.to_owned(),
            signed_by: issuer.key.clone(),
            digest: Digest::Sha256,
            not_before: now() - 10 * DAY,
            not_after: now() + 80 * DAY,
            serial: 1000 + u64::from(names.first().map_or(0, |name| name.len() as u32)),
            version: 3,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            constraints: Some((false, None)),
            usage: Some(vec![0]),
            purposes: vec![SERVER.to_owned(), CLIENT.to_owned()],
            issuer_url: None,
            ocsp_url: None,
            permitted: Vec::new(),
            excluded: Vec::new(),
            identifiers: true,
            raw_serial: None,
            others: Vec::new(),
        }
    }

    /// An authority that signed itself, valid for ten years.
    pub fn root(subject: &str, key: &str) -> Certificate {
        Certificate {
            subject: subject.to_owned(),
            issuer: subject.to_owned(),
            key: key.to_owned(),
            signed_by: key.to_owned(),
            digest: Digest::Sha256,
            not_before: now() - 1000 * DAY,
            not_after: now() + 2650 * DAY,
            serial: 1,
            version: 3,
            names: Vec::new(),
            constraints: Some((true, None)),
            usage: Some(vec![5, 6]),
            purposes: Vec::new(),
            issuer_url: None,
            ocsp_url: None,
            permitted: Vec::new(),
            excluded: Vec::new(),
            identifiers: true,
            raw_serial: None,
            others: Vec::new(),
        }
    }

    /// An authority below another.
    pub fn authority(subject: &str, key: &str, issuer: &Certificate) -> Certificate {
        Certificate {
            issuer: issuer.subject.clone(),
            signed_by: issuer.key.clone(),
            serial: 2,
            ..Certificate::root(subject, key)
        }
    }

    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        crate::der::pem("CERTIFICATE", &self.der())
    }

    /// The certificate.
    pub fn der(&self) -> Vec<u8> {
        let signer = key(&self.signed_by);
        let algorithm = signer.algorithm(self.digest);
        let public = key(&self.key).public_info();
        let validity = sequence(&[&time(self.not_before), &time(self.not_after)]);
        let mut parts: Vec<Vec<u8>> = Vec::new();
        if self.version == 3 {
            parts.push(element(0xa0, &integer(&[2])));
        }
        parts.push(match &self.raw_serial {
            Some(content) => element(2, content),
            None => integer(&self.serial.to_be_bytes()),
        });
        parts.push(algorithm.clone());
        parts.push(name(&self.issuer));
        parts.push(validity);
        parts.push(name(&self.subject));
        parts.push(public.clone());
        // What version 1 does not allow is written all the same, where it is asked for.
        if self.version == 3 || !self.others.is_empty() {
            let extensions = self.extensions(&public);
            if !extensions.is_empty() {
                parts.push(element(0xa3, &element(0x30, &extensions.concat())));
            }
        }
        let signed = element(0x30, &parts.concat());
        let signature = signer.sign(self.digest, &signed);
        sequence(&[&signed, &algorithm, &bits(&signature)])
    }

    fn extensions(&self, public: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut add = |oid: &str, critical: bool, inside: &[u8]| {
            let flag = if critical { boolean(true) } else { Vec::new() };
            all.push(sequence(&[&identifier(oid), &flag, &octets(inside)]));
        };
        if let Some((is_authority, length)) = self.constraints {
            let flag = if is_authority { boolean(true) } else { Vec::new() };
            let length = length.map_or(Vec::new(), |length| integer(&[length]));
            add("2.5.29.19", true, &sequence(&[&flag, &length]));
        }
        if let Some(usage) = &self.usage {
            let mut word = [0u8; 2];
            usage.iter().for_each(|bit| word[usize::from(bit / 8)] |= 0x80 >> (bit % 8));
            let length = if word[1] == 0 { 1 } else { 2 };
            let unused = word[length - 1].trailing_zeros().min(7) as u8;
            add("2.5.29.15", true, &element(3, &[&[unused], &word[..length]].concat()));
        }
        if !self.purposes.is_empty() {
            let purposes: Vec<Vec<u8>> = self.purposes.iter().map(|oid| identifier(oid)).collect();
            add("2.5.29.37", false, &element(0x30, &purposes.concat()));
        }
        if !self.names.is_empty() {
            let names: Vec<Vec<u8>> = self.names.iter().map(|name| general_name(name)).collect();
            add("2.5.29.17", false, &element(0x30, &names.concat()));
        }
        if self.identifiers {
            add("2.5.29.14", false, &octets(&sha1::Sha1::digest(public)));
            if self.key != self.signed_by {
                let issuer = sha1::Sha1::digest(key(&self.signed_by).public_info());
                add("2.5.29.35", false, &sequence(&[&element(0x80, &issuer)]));
            }
        }
        let access = |oid: &str, url: &String| sequence(&[&identifier(oid), &element(0x86, url.as_bytes())]);
        let issuer = self.issuer_url.as_ref().map(|url| access("1.3.6.1.5.5.7.48.2", url));
        let ocsp = self.ocsp_url.as_ref().map(|url| access("1.3.6.1.5.5.7.48.1", url));
        let access: Vec<u8> = [issuer, ocsp].into_iter().flatten().flatten().collect();
        if !access.is_empty() {
            add("1.3.6.1.5.5.7.1.1", false, &element(0x30, &access));
        }
        if !self.permitted.is_empty() || !self.excluded.is_empty() {
            let tree = |name: &String| sequence(&[&element(0x82, name.as_bytes())]);
            let list = |tag: u8, names: &[String]| match names {
                [] => Vec::new(),
                names => element(tag, &names.iter().flat_map(tree).collect::<Vec<u8>>()),
            };
            add("2.5.29.30", true, &sequence(&[&list(0xa0, &self.permitted), &list(0xa1, &self.excluded)]));
        }
        for (oid, critical, content) in &self.others {
            add(oid, *critical, content);
        }
        all
    }

    /// A proof of logging (RFC 6962, 3.3) at a time: nobody's signature, but in the right form.
    pub fn logged(mut self, seconds: i64) -> Certificate {
        let millis = (seconds * 1000).to_be_bytes();
        let proof = [&[0][..], &[7; 32], &millis, &[0, 0], &[4, 3, 0, 4], &[1, 2, 3, 4]].concat();
        let length = |bytes: &[u8]| (bytes.len() as u16).to_be_bytes().to_vec();
        let entry = [length(&proof), proof].concat();
        let list = [length(&entry), entry].concat();
        self.others.push(("1.3.6.1.4.1.11129.2.4.2".to_owned(), false, octets(&list)));
        self
    }
}

/// A name of a common name, or of an organization and a common name with a bar between them.
pub(crate) fn name(common: &str) -> Vec<u8> {
    if common.is_empty() {
        return sequence(&[]);
    }
    let (organization, common) = common.split_once('|').unwrap_or(("", common));
    let attribute = |oid: &str, value: &str| match value {
        "" => Vec::new(),
        value => set(&[&sequence(&[&identifier(oid), &text(value)])]),
    };
    sequence(&[&attribute("2.5.4.10", organization), &attribute("2.5.4.3", common)])
}

fn general_name(name: &str) -> Vec<u8> {
    match name.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => element(0x87, &ip.octets()),
        Ok(std::net::IpAddr::V6(ip)) => element(0x87, &ip.octets()),
        Err(_) => element(0x82, name.as_bytes()),
    }
}
