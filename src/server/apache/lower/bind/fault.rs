//! Settings that keep httpd from starting though each line of them can be read.
//!
//! Source: Apache 2.4, `ssl_engine_init.c`; the numbers of its messages stand beside what they say.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::super::level::{DirectoryVerify, Level};
use super::super::listen::{Place, Socket};
use super::super::managed::Member as ManagedMember;
use super::super::{Host, Lowering, upstream};
use super::Member;
use crate::diagnostic::{Edit, Fix, Problem, Safety};
use crate::model::{Address, Command, Deployment, Endpoint, Listen, Site, VerifyMode};
use crate::source::{FileKind, FileSystem, Span};
use crate::tls::Protocol;

/// Looks at all virtual hosts that speak TLS, and at the sockets together.
pub fn check(deployment: &mut Deployment, lowering: &Lowering<'_>, all: &[(&Host, &Member)]) {
    let mut found = Vec::new();
    let mut lists: HashSet<Span> = HashSet::new();
    let mut folders: HashMap<PathBuf, bool> = HashMap::new();
    for (host, member) in all.iter().filter(|(_, member)| member.tls) {
        // Read where a site with TLS uses it, and told of once.
        let suites = host.level.ciphersuites.as_ref().or(lowering.server.ciphersuites.as_ref());
        let list = suites.and_then(|list| list.get()?.first()).filter(|list| lists.insert(list.span));
        found.extend(list.and_then(|list| lowering.suites_fault(list)));
        no_protocol(deployment, lowering, member, &mut found);
        if !lowering.fragment {
            stapling(deployment, lowering, host, member, &mut found);
            no_certificate(deployment, host, member, &mut found);
            revocation(lowering, host, &mut found);
            empty_folders(lowering, host, &mut folders, &mut found);
        }
    }
    for (rule, token) in &lowering.empty_files {
        let problem = Problem::new(rule, token.span).case("not-readable").with("path", &*token.text);
        found.push(problem.with("reason", "it is empty"));
    }
    if !lowering.fragment {
        let outer = lowering.server.proxy();
        let levels = all.iter().map(|(host, _)| host.level.proxy()).chain([outer]);
        found.extend(levels.flat_map(|own| upstream::faults(lowering, own, outer)));
    }
    if !lowering.fragment {
        unnamed(deployment, &mut found);
        directories(deployment, lowering, all, &mut found);
        managed(deployment, lowering, all, &mut found);
        passed_over(deployment, lowering, all, &mut found);
    }
    missing_files(deployment, lowering, all, &mut found);
    unheard(lowering, all, &mut found);
    binds(lowering, &mut found);
    deployment.problems.append(&mut found);
}

/// AH02231: no protocol is left.
fn no_protocol(deployment: &Deployment, lowering: &Lowering<'_>, member: &Member, found: &mut Vec<Problem>) {
    let site = deployment.site(member.site);
    let protocols = &deployment.policy(site.policy).protocols;
    let Some(written) = protocols.origin.written() else { return };
    if protocols.get().is_some_and(|choice| choice.set.is_empty()) {
        let edits = vec![Edit { span: Span::new(written.file, written.start, written.start), text: "all ".to_owned() }];
        let fix = Fix { title: "begin with `all`".to_owned(), safety: Safety::Safe, edits };
        let problem = Problem::new("no-protocol", written).related(site.head, "holds here");
        // `all` before `-all` leaves nothing either.
        let words = &lowering.loaded.text(written.file)[written.start as usize..written.end as usize];
        let takes_all = words.to_ascii_lowercase().windows(4).any(|word| word == b"-all");
        found.push(if takes_all { problem } else { problem.fix(fix) });
    }
}

/// AH01958: stapling without a place to keep responses.
fn stapling(deployment: &Deployment, lowering: &Lowering<'_>, host: &Host, member: &Member, found: &mut Vec<Problem>) {
    let site = deployment.site(member.site);
    let setting = &deployment.policy(site.policy).stapling;
    let managed = host.level.managed_stapling.as_ref().or(lowering.server.managed_stapling.as_ref());
    let by_md = managed.and_then(|setting| setting.get()) == Some(&true);
    if setting.get().is_some_and(|stapling| stapling.on) && lowering.stapling_cache.is_none() && !by_md {
        let at = setting.origin.place;
        let mut problem = Problem::new("stapling-without-cache", at);
        // Names are those of Debian's own configuration; a virtual host begins in the server.
        if lowering.loaded.modules.has_table("mod_socache_shmcb") && !host.is_server {
            let line = "SSLStaplingCache shmcb:stapling(32768)";
            problem.fix = lowering.line_above(host.head, line, "keep the responses", Safety::Safe);
        }
        found.push(problem.related(site.head, "holds here"));
    }
}

/// AH02572: nothing to show clients. Of the first of an address, a check of rules speaks.
fn no_certificate(deployment: &Deployment, host: &Host, member: &Member, found: &mut Vec<Problem>) {
    let site = deployment.site(member.site);
    let is_first = |endpoint: &Endpoint| endpoint.bindings.first().is_some_and(|first| first.site == member.site);
    let by_command =
        deployment.policy(site.policy).commands.get().is_some_and(|commands| {
            commands.iter().any(|command| command.name.text.eq_ignore_ascii_case("Certificate"))
        });
    let is_bare = deployment.credentials(site.credentials).pairs.is_empty();
    if is_bare && !by_command && !deployment.endpoints.iter().any(is_first) {
        let switch = host.level.engine.as_ref().map_or(host.head, |engine| engine.origin.place);
        let at = host.addresses.first().map_or(switch, |address| address.token.span);
        let unnamed = if host.is_server { "the server itself" } else { "this site" };
        let name = site.names.first().filter(|_| !host.is_server);
        let name = name.map_or(unnamed.to_owned(), |name| name.token.text.to_string());
        found.push(Problem::new("no-certificate", at).case("any-site").with("site", name));
    }
}

/// Virtual hosts with TLS that a condition keeps out while their port is listened on, and no other with TLS has their name.
fn passed_over(deployment: &Deployment, lowering: &Lowering<'_>, all: &[(&Host, &Member)], found: &mut Vec<Problem>) {
    let speaks = || all.iter().filter(|(_, member)| member.tls).map(|(_, member)| deployment.site(member.site));
    for one in &lowering.loaded.passed_over {
        let is_heard = |port: &&u16| lowering.sockets.iter().any(|socket| socket.listen.port == **port);
        let Some(port) = one.ports.iter().find(is_heard) else { continue };
        let has_name =
            |site: &Site| site.names.iter().any(|name| one.names.iter().any(|own| **own == *name.token.text));
        if one.names.is_empty() || speaks().any(has_name) {
            continue;
        }
        let problem = Problem::new("conditional-disables-tls", one.head)
            .with("name", &*one.names[0])
            .with("port", port.to_string())
            .related(one.section, "does not hold");
        found.push(problem);
    }
}

/// Domains of mod_md.
fn managed(deployment: &Deployment, lowering: &Lowering<'_>, all: &[(&Host, &Member)], found: &mut Vec<Problem>) {
    if lowering.managed.is_empty() {
        return;
    }
    let speaks = all.iter().filter(|(_, member)| member.tls);
    let members: Vec<_> = speaks
        .map(|(host, member)| ManagedMember {
            names: &deployment.site(member.site).names,
            head: host.head,
            has_own: !host.level.certificates.is_empty() || !lowering.server.certificates.is_empty(),
        })
        .collect();
    let locate = |path: &std::path::Path| lowering.loaded.locate(lowering.files, path);
    found.extend(lowering.managed.faults(lowering.files, locate, &members));
}

/// AH10158: a directory asks for a certificate when the request is there, which in TLS 1.3 only clients answer that said
/// beforehand that they would; browsers never do.
fn directories(deployment: &Deployment, lowering: &Lowering<'_>, all: &[(&Host, &Member)], found: &mut Vec<Problem>) {
    let of_server = lowering.server.directory_verify.iter();
    let mut seen: HashSet<Span> = HashSet::new();
    for (host, member) in all.iter().filter(|(_, member)| member.tls) {
        let site = deployment.site(member.site);
        let policy = deployment.policy(site.policy);
        let is_asked = policy.client_verification.get().is_none_or(|one| one.mode != VerifyMode::Off);
        let has_tls13 = policy.protocols.get().is_some_and(|choice| choice.set.contains(Protocol::Tls13));
        let bounded = |command: &Command| command.name.text.to_ascii_lowercase().ends_with("protocol");
        let is_bounded = policy.commands.get().is_none_or(|commands| commands.iter().any(bounded));
        if is_asked || !has_tls13 || is_bounded {
            continue;
        }
        let own = host.level.directory_verify.iter().filter(|_| !host.is_server).map(|one| (one, true));
        for (one, is_own) in own.chain(of_server.clone().map(|one| (one, false))) {
            if !seen.insert(one.mode.span) {
                continue;
            }
            let name = site.names.first().map_or("the site", |name| &name.token.text);
            let problem = Problem::new("client-verify-per-directory", one.mode.span)
                .with("mode", &*one.mode.text)
                .related(host.head, format!("{name} speaks TLS 1.3, and asks for none at the start"));
            let fix = raised(lowering, host, one).filter(|_| is_own);
            found.push(fix.into_iter().fold(problem, Problem::fix));
        }
    }
}

/// Moves the directive out of its directory, to the top of the virtual host.
fn raised(lowering: &Lowering<'_>, host: &Host, one: &DirectoryVerify) -> Option<Fix> {
    let (line, head) = (one.line, host.head);
    if line.file != head.file || one.mode.span.file != line.file {
        return None;
    }
    let text = lowering.loaded.text(line.file);
    let before = &text[..line.start as usize];
    let from = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let after = text[line.end as usize..].iter().position(|byte| *byte == b'\n')? + line.end as usize + 1;
    let top = text[head.end as usize..].iter().position(|byte| *byte == b'\n')? + head.end as usize + 1;
    let ending = if text[..top].ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let indent: Vec<u8> = text[top..].iter().copied().take_while(|byte| matches!(byte, b' ' | b'\t')).collect();
    let words = String::from_utf8_lossy(&text[line.start as usize..line.end as usize]);
    let moved = format!("{}{}{ending}", String::from_utf8_lossy(&indent), words.trim());
    let edits = vec![
        Edit { span: Span::new(line.file, from as u32, after as u32), text: String::new() },
        Edit { span: Span::new(line.file, top as u32, top as u32), text: moved },
    ];
    (top <= from).then(|| Fix { title: "ask when the connection begins".to_owned(), safety: Safety::Unsafe, edits })
}

/// AH01899: revocation is checked, and no list is named.
fn revocation(lowering: &Lowering<'_>, host: &Host, found: &mut Vec<Problem>) {
    let outer = &lowering.server;
    let check = host.level.revocation_check.as_ref().or(outer.revocation_check.as_ref());
    let names_list = |level: &Level| level.revocations.is_some() || level.revocation_folder.is_some();
    let has_list = names_list(&host.level) || names_list(outer);
    if let Some(check) = check.filter(|check| check.get() == Some(&true) && !has_list) {
        found.push(Problem::new("crl-check-without-crl", check.origin.place).related(host.head, "holds here"));
    }
}

/// httpd asks for each file that is named, by whomever, whether TLS is on or off. Of files that are loaded, a check of
/// rules speaks.
fn missing_files(deployment: &Deployment, lowering: &Lowering<'_>, all: &[(&Host, &Member)], found: &mut Vec<Problem>) {
    let is_told = |member: &Member| deployment.site(member.site).loads_credentials;
    let levels = all.iter().map(|(host, member)| (&host.level, is_told(member)));
    for (level, is_told) in levels.chain([(&lowering.server, false)]) {
        let certificates = level.certificates.iter().map(|file| ("certificate-file-missing", file));
        let keys = level.keys.iter().map(|file| ("key-file-missing", file));
        let own = certificates.chain(keys).filter(|_| !is_told);
        let chain = level.chain.iter().map(|file| ("certificate-file-missing", file));
        let proxy = level.proxy().named.iter().map(|file| ("certificate-file-missing", file));
        // Where it is told, a check of rules speaks of the file of authorities.
        let authorities = level.authorities.iter().chain(&level.revocations).filter(|_| !is_told);
        let folders = level.authority_folder.iter().chain(&level.revocation_folder);
        let clients = authorities.chain(folders).map(|file| ("client-ca-unusable", file));
        for (rule, file) in own.chain(chain).chain(proxy).chain(clients) {
            let Some((token, path)) = file.get() else { continue };
            if let Err(error) = lowering.files.metadata(path)
                && error.is_missing()
            {
                let problem = Problem::new(rule, token.span).with("path", &*token.text);
                let problem = if rule == "client-ca-unusable" { problem.case("not-readable") } else { problem };
                found.push(problem.with("reason", error.to_string()));
            }
        }
    }
}

/// Whether no file of a folder holds a certificate, whatever it is called (`ssl_init_FindCAList`). What may not be read
/// may hold one.
pub fn holds_nobody(files: &dyn FileSystem, folder: &Path) -> bool {
    /// The labels by which OpenSSL knows a certificate.
    const LABELS: [&[u8]; 3] =
        [b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----"];
    /// How large a file is looked into, in bytes, and how many files.
    const LARGEST: u64 = 1 << 20;
    const MOST: usize = 4096;
    let Ok(entries) = files.list(folder).map_err(drop) else { return false };
    let holds_none = |path: &Path| match files.metadata(path).map(|found| found.kind) {
        Ok(FileKind::Regular) => files.read(path, LARGEST).is_ok_and(|bytes| {
            let has = |label: &&[u8]| bytes.windows(label.len()).any(|window| window == *label);
            !LABELS.iter().any(has)
        }),
        Ok(_) => true,
        Err(error) => error.is_missing(),
    };
    entries.len() <= MOST && entries.iter().all(|entry| holds_none(&folder.join(&entry.name)))
}

/// AH01896: a folder of authorities without any.
fn empty_folders(lowering: &Lowering<'_>, host: &Host, known: &mut HashMap<PathBuf, bool>, found: &mut Vec<Problem>) {
    let folder = host.level.authority_folder.as_ref().or(lowering.server.authority_folder.as_ref());
    let has_file = host.level.authorities.is_some() || lowering.server.authorities.is_some();
    let Some((token, path)) = folder.filter(|_| !has_file).and_then(|folder| folder.get()) else { return };
    let is_empty = known.entry(path.clone()).or_insert_with(|| holds_nobody(lowering.files, path));
    if *is_empty {
        found.push(Problem::new("client-ca-unusable", token.span).with("path", &*token.text));
    }
}

/// Virtual hosts with TLS behind the first of their socket that no name leads to.
fn unnamed(deployment: &Deployment, found: &mut Vec<Problem>) {
    for endpoint in &deployment.endpoints {
        for one in endpoint.uses.iter().skip(1).filter(|one| one.tls) {
            let site = deployment.site(one.site);
            let is_first = |other: &Endpoint| other.uses.first().is_some_and(|first| first.site == one.site);
            if site.names.is_empty() && !deployment.endpoints.iter().any(is_first) {
                let first = deployment.site(endpoint.uses[0].site).head;
                found.push(Problem::new("server-name-missing", site.head).related(first, "answers in its place"));
            }
        }
    }
}

/// Virtual hosts that no socket leads to. Where a socket is not known, none is told of.
fn unheard(lowering: &Lowering<'_>, all: &[(&Host, &Member)], found: &mut Vec<Problem>) {
    let is_open = lowering.unjudged_sockets || lowering.sockets.is_empty();
    if lowering.fragment || is_open {
        return;
    }
    for (host, _) in all.iter().filter(|(host, _)| !host.is_server && !host.addresses.is_empty()) {
        let leads = |address: &super::super::listen::Site| {
            lowering.sockets.iter().any(|socket| {
                let Listen { address: own, port } = &socket.listen;
                (address.port == 0 || address.port == *port) && reaches(own, &address.place)
            })
        };
        if !host.addresses.iter().any(leads) {
            let token = &host.addresses[0].token;
            let name = host.level.server_name.as_ref().map_or("this site", |name| &name.token.text);
            let mut problem = Problem::new("site-without-listener", token.span).with("site", name);
            let first = all.first().map(|(host, _)| host.head).filter(|_| host.addresses.len() == 1);
            problem.fix = first.zip(socket_for(&host.addresses[0])).and_then(|(first, socket)| {
                lowering.line_above(first, &format!("Listen {socket}"), "listen there", Safety::Unsafe)
            });
            found.push(problem.with("listen", &*token.text));
        }
    }
}

/// How `Listen` names what leads to an address of a virtual host. Absent where any port will do, or a name must be resolved.
fn socket_for(address: &super::super::listen::Site) -> Option<String> {
    let port = Some(address.port).filter(|port| *port > 0)?;
    match &address.place {
        Place::Any => Some(port.to_string()),
        Place::Ip(ip) => Some(Listen { address: Address::Ip(*ip), port }.to_string()),
        Place::Host(_) => None,
    }
}

/// Whether a socket takes connections to a place; what only the machine can resolve may be any.
fn reaches(socket: &Address, place: &Place) -> bool {
    match (socket, place) {
        (Address::Any | Address::Host(_), _) | (_, Place::Any | Place::Host(_)) => true,
        (Address::Ip(own), Place::Ip(ip)) => own == ip || own.is_unspecified(),
        (Address::Unix(_), Place::Ip(_)) => false,
    }
}

/// AH00072: sockets that cannot be bound beside one another, where httpd then gives up. A bare port is `[::]` and `0.0.0.0`
/// together; `[::]` takes IPv4 too, unless `0.0.0.0` stands beside it. Seen on Linux, where httpd goes on as long as one of
/// the two of a bare port is bound.
fn binds(lowering: &Lowering<'_>, found: &mut Vec<Problem>) {
    let sockets = &lowering.sockets;
    let has_all_v4 = |port: u16| {
        let is_it = |ip: &IpAddr| ip.is_ipv4() && ip.is_unspecified();
        sockets.iter().any(|one| one.listen.port == port && matches!(&one.listen.address, Address::Ip(ip) if is_it(ip)))
    };
    let clash = |first: &Address, second: &Address, port: u16| match (first, second) {
        (Address::Any, Address::Ip(ip)) => !ip.is_unspecified(),
        (Address::Ip(ip), Address::Any) => ip.is_ipv4(),
        (Address::Ip(one), Address::Ip(other)) if one.is_unspecified() != other.is_unspecified() => {
            let (all, single) = if one.is_unspecified() { (one, other) } else { (other, one) };
            all.is_ipv4() == single.is_ipv4() || all.is_ipv6() && !has_all_v4(port)
        }
        _ => false,
    };
    let mut by_port: HashMap<u16, Vec<&Socket>> = HashMap::new();
    for socket in sockets {
        let Some(at) = socket.at else { continue };
        let Listen { address, port } = &socket.listen;
        let before = by_port.entry(*port).or_default();
        // What clashes is for all addresses or the first of few; thousands of single addresses do not.
        let other = before.iter().take(SOCKETS).find(|other| clash(&other.listen.address, address, *port));
        if let Some((other, first)) = other.and_then(|other| Some((other, other.at?))) {
            let mut problem = Problem::new("listen-bind-conflict", at)
                .with("listen", socket.listen.to_string())
                .with("port", port.to_string());
            // The wider one takes the connections of both.
            let narrow = if width(address) < width(&other.listen.address) { at } else { first };
            problem.fix = lowering.line_removed(narrow, "leave it to the wider `Listen`", Safety::Unsafe);
            found.push(problem.related(first, format!("{} takes it already", other.listen)));
        }
        before.push(socket);
    }
}

/// How much a socket takes in: one address, one family, both.
fn width(address: &Address) -> u8 {
    match address {
        Address::Any => 2,
        Address::Ip(ip) if ip.is_unspecified() => 1,
        _ => 0,
    }
}

/// How many sockets of one port a further one is held against.
const SOCKETS: usize = 1000;
