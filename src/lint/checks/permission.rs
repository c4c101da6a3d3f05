//! Who may read certificates and keys, and who must.
//!
//! What is found out while the configuration is loaded stands in [`crate::lint::Permissions`]; here it is only judged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Edit, FileAction, FileFix, Fix, Problem, Safety, Unchecked, UncheckedReason};
use crate::lint::scope::is_private_name;
use crate::lint::{Permissions, Reader, Reporter, RuleContext, ServedCredential, is_host};
use crate::model::{NamedFile, SiteId, Token};
use crate::platform::{Access, AccessResult};
use crate::source::{Metadata, PathWalk, ReadError, Step};

/// Mode, owner and group of a step, as people write them.
fn described(permissions: &Permissions, metadata: &Metadata) -> String {
    let owner = permissions.accounts.user_name(metadata.uid);
    let group = permissions.accounts.group_name(metadata.gid);
    format!("{:04o} {owner}:{group}", metadata.mode)
}

/// A step that shuts out: the folder, or the file at the end.
fn shut(trail: &PathWalk, at: Option<usize>) -> Option<&Step> {
    match at {
        Some(at) => trail.folders.get(at).map(|step| &**step),
        None => trail.end.as_deref(),
    }
}

/// What a problem says of a step that shuts a reader out.
fn told(permissions: &Permissions, problem: Problem, reader: &Reader, step: &Step, wish: Access) -> Problem {
    let group = own_group(permissions, reader);
    let bit = if wish == Access::Read { "r" } else { "x" };
    problem
        .with("user", reader.account.name.clone())
        .with("at", step.path.display().to_string())
        .with("mode", described(permissions, &step.metadata))
        .with("bit", bit)
        .with("group", group.map_or_else(|| reader.account.name.clone(), |gid| permissions.accounts.group_name(gid)))
}

/// The group to open a file to: the one that is called like the reader, else its first.
fn own_group(permissions: &Permissions, reader: &Reader) -> Option<u32> {
    let groups = permissions.accounts.user(&reader.account.name)?.groups;
    let own = groups.iter().find(|gid| permissions.accounts.group_name(**gid) == reader.account.name);
    own.or(groups.first()).copied()
}

/// Judges one file that the server reads while it starts.
fn unreadable(scope: &RuleContext<'_>, rule: &'static str, token: &Token, path: &Path, sink: &mut Reporter) {
    let permissions = scope.permissions;
    let Some(reader) = permissions.reader.as_ref().filter(|one| !one.account.is_root()) else { return };
    let Some(trail) = permissions.trail(path) else { return };
    if trail.broken.as_ref().is_some_and(|error| *error != ReadError::Forbidden) {
        return; // missing: another rule speaks
    }
    let problem = Problem::new(rule, token.span).with("path", &*token.text);
    match reader.account.passage(trail, Access::Read) {
        AccessResult::Open => {}
        AccessResult::Shut(at) => {
            let Some(step) = shut(trail, at) else { return };
            let wish = if at.is_some() { Access::Search } else { Access::Read };
            // Nobody but root gets in where the owner is root and the group gives nothing, or is root's.
            let others = step.metadata.mode >> 3 & if at.is_some() { 0o1 } else { 0o4 };
            let is_roots = step.metadata.uid == 0 && (others == 0 || step.metadata.gid == 0);
            let case = match (reader.is_known, at) {
                (true, Some(_)) => "folder",
                (true, None) => "",
                (false, _) if is_roots => "unknown",
                (false, _) => return unknown_user(rule, reader, token, sink),
            };
            let mut problem = told(permissions, problem.case(case), reader, step, wish);
            problem.file_fix = (case.is_empty()).then(|| admit(permissions, reader, step, rule)).flatten();
            sink.report(problem);
        }
        AccessResult::Hidden => {
            let reason = UncheckedReason::hidden(&ReadError::Forbidden, &token.text);
            sink.unjudged.push(Unchecked { what: rule.into(), reason, at: Some(token.span) });
        }
        AccessResult::Unknown(why) => {
            let reason = format!("{why}: {} (run as root to judge it)", token.text);
            sink.unjudged.push(Unchecked { what: rule.into(), reason: reason.into(), at: Some(token.span) });
        }
    }
}

/// Lets a reader in whom a file itself shuts out: as its owner, or by its group. Everybody may read a certificate, nobody else a
/// key.
fn admit(permissions: &Permissions, reader: &Reader, step: &Step, rule: &str) -> Option<Box<FileFix>> {
    let metadata = &step.metadata;
    let (mode, group) = if metadata.uid == reader.account.uid {
        (metadata.mode | 0o400, None)
    } else if rule == "certificate-file-unreadable" {
        (metadata.mode | 0o444, None)
    } else {
        let gid = own_group(permissions, reader)?;
        ((metadata.mode | 0o040) & !0o037, (gid != metadata.gid).then(|| (gid, permissions.accounts.group_name(gid))))
    };
    let action = FileAction::Permit { path: step.path.clone(), mode: mode & 0o7777, group };
    (!metadata.has_acl).then(|| Box::new(FileFix { safety: Safety::Unsafe, action }))
}

/// Takes a key away from all who have no business with it, and leaves it to who reads it.
fn close(permissions: &Permissions, step: &Step) -> Option<Box<FileFix>> {
    let reader = permissions.reader.as_ref().filter(|reader| reader.is_known)?;
    let metadata = &step.metadata;
    let is_trusted = permissions.trusted_groups.contains(&metadata.gid)
        || permissions.accounts.is_private_group(metadata.gid, metadata.uid);
    let keeps_group = is_trusted && metadata.gid != 0;
    let (mode, group) = if reader.account.is_root() || metadata.uid == reader.account.uid {
        (metadata.mode & if keeps_group { !0o027 } else { !0o077 }, None)
    } else if reader.account.groups.contains(&metadata.gid) {
        ((metadata.mode | 0o040) & !0o037, None)
    } else {
        let gid = own_group(permissions, reader)?;
        ((metadata.mode | 0o040) & !0o037, Some((gid, permissions.accounts.group_name(gid))))
    };
    let action = FileAction::Permit { path: step.path.clone(), mode: mode & 0o7777, group };
    (!metadata.has_acl).then(|| Box::new(FileFix { safety: Safety::Unsafe, action }))
}

fn unknown_user(rule: &'static str, reader: &Reader, token: &Token, sink: &mut Reporter) {
    let reason = format!("the user {} is not in /etc/passwd: name who reads with --run-as", reader.account.name);
    sink.unjudged.push(Unchecked { what: rule.into(), reason: reason.into(), at: Some(token.span) });
}

/// Every file that is read at start, each word once.
fn each<'a>(scope: &RuleContext<'a>, is_key: bool) -> Vec<NamedFile<'a>> {
    let mut seen = BTreeSet::new();
    let named = scope.deployment.files_at_start().into_iter().filter(|one| one.is_key == is_key);
    named.filter(|one| seen.insert((one.token.span, one.path))).collect()
}

/// `certificate-file-unreadable`.
pub fn certificate_unreadable(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if scope.permissions.trails.is_empty() {
        return;
    }
    for one in each(scope, false) {
        unreadable(scope, "certificate-file-unreadable", one.token, one.path, sink);
    }
}

/// `key-file-unreadable`. A key in its certificate's file is that file's affair.
pub fn key_unreadable(scope: &RuleContext<'_>, sink: &mut Reporter) {
    if scope.permissions.trails.is_empty() {
        return;
    }
    let certificates: BTreeSet<&Path> = each(scope, false).into_iter().map(|one| one.path).collect();
    for one in each(scope, true).into_iter().filter(|one| !certificates.contains(one.path)) {
        unreadable(scope, "key-file-unreadable", one.token, one.path, sink);
    }
}

/// `key-file-permissions`. What a git work tree carries is left to `key-in-repository`: its modes are those of the checkout.
pub fn key_readable_by_others(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let permissions = scope.permissions;
    if permissions.trails.is_empty() {
        return;
    }
    for one in each(scope, true) {
        let Some(trail) = permissions.trail(one.path).filter(|_| !permissions.tracked.contains_key(one.path)) else {
            continue;
        };
        let Some(end) = &trail.end else {
            if let Some(error) = trail.broken.as_ref().filter(|error| **error == ReadError::Forbidden) {
                let reason = UncheckedReason::hidden(error, &one.token.text);
                sink.unjudged.push(Unchecked { what: "key-file-permissions".into(), reason, at: Some(one.token.span) });
            }
            continue;
        };
        let metadata = &end.metadata;
        let admits = |others: bool| {
            trail.folders.iter().all(|folder| {
                let (mode, gid) = (folder.metadata.mode, folder.metadata.gid);
                mode & 0o001 != 0 || !others && mode & 0o010 != 0 && gid == metadata.gid
            })
        };
        let holds_key = match scope.library.get(one.path) {
            Some(Ok(file)) => file.is_secret(),
            Some(Err(error)) => error.is_hidden(),
            None => false,
        };
        let problem = Problem::new("key-file-permissions", one.token.span)
            .with("path", &*one.token.text)
            .with("at", end.path.display().to_string())
            .with("mode", format!("{:04o}", metadata.mode))
            .with("owner", described(permissions, metadata))
            .with("group", permissions.accounts.group_name(metadata.gid));
        if !holds_key {
            continue;
        }
        let mut problem = problem;
        problem.file_fix = close(permissions, end);
        if metadata.mode & 0o004 != 0 && admits(true) {
            sink.report(problem);
        } else if metadata.mode & 0o040 != 0
            && permissions.reader.is_some()
            && !metadata.has_acl
            && !permissions.trusted_groups.contains(&metadata.gid)
            && !permissions.accounts.is_private_group(metadata.gid, metadata.uid)
            && admits(false)
        {
            sink.report(problem.case("group"));
        }
    }
}

/// `key-in-repository`. Names that nobody can own belong to examples and tests.
pub fn key_in_repository<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    let Some((token, path)) = one.pair.key.as_ref().and_then(|key| key.get()) else { return };
    let Some(tree) = scope.permissions.tracked.get(path) else { return };
    let holds_key = scope.pem(path).is_some_and(|file| file.is_secret());
    let Some(name) = scope.leaf(one.pair).and_then(|leaf| leaf.names().into_iter().find(|name| can_be_owned(name)))
    else {
        return;
    };
    if holds_key {
        let problem = Problem::new("key-in-repository", token.span).with("path", &*token.text).with("name", name);
        sink.report(problem.with("tree", tree.display().to_string()));
    }
}

/// `key-in-webroot`.
pub fn key_in_webroot(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let given = &scope.permissions.given;
    if given.is_empty() {
        return;
    }
    for one in each(scope, true) {
        let Some((site, at)) = given.get(one.path) else { continue };
        let holds_key = scope.pem(one.path).is_some_and(|file| file.is_secret())
            || matches!(scope.library.get(one.path), Some(Err(error)) if error.is_hidden());
        let site = scope.deployment.site(*site);
        let webroot = &site.webroots[*at];
        if holds_key {
            let problem = Problem::new("key-in-webroot", one.token.span)
                .with("path", &*one.token.text)
                .with("folder", &*webroot.token.text)
                .with("site", scope.site_name(site));
            sink.report(problem.related(webroot.token.span, "all files below are given to whoever asks"));
        }
    }
}

/// Whether a name is not one of those that are set apart for examples, tests and private networks (RFC 2606, RFC 6761).
fn can_be_owned(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_below = |top: &str| name == top || name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
    const APART: &[&str] = &["test", "example", "invalid", "localhost", "example.com", "example.net", "example.org"];
    is_host(name.trim_start_matches("*.")) && !is_private_name(&name) && !APART.iter().any(|top| is_below(top))
}

/// `reload-ignores-file-change`. Caddy holds what it is given against what it runs, and does nothing where both are the same.
pub fn reload_ignores_files(scope: &RuleContext<'_>, sink: &mut Reporter) {
    let Some(unit) = &scope.permissions.unit else { return };
    let Some(at) = unit.weak_reload() else { return };
    let command = &unit.reload[at];
    let pairs = scope.deployment.credentials.iter().flat_map(|set| &set.pairs);
    let Some((token, _)) = pairs.filter_map(|pair| pair.certificate.get()).min_by_key(|(token, _)| token.span) else {
        return;
    };
    let problem = Problem::new("reload-ignores-file-change", token.span).with("path", &*token.text);
    let unit_file = unit.reload_files.get(at).unwrap_or(&unit.path);
    let mut problem =
        problem.with("unit", unit_file.clone()).with("command", command.clone()).with("name", unit.name.clone());
    problem.fix = scope.permissions.reload_end.map(|span| Fix {
        title: "add `--force` (`systemctl daemon-reload` makes it known)".to_owned(),
        safety: Safety::Safe,
        edits: vec![Edit { span, text: " --force".to_owned() }],
    });
    sink.report(problem);
}

/// `variable-certificate-unreadable-by-worker`.
pub fn unreadable_by_worker<'a>(scope: &RuleContext<'a>, one: &ServedCredential<'a>, sink: &mut Reporter) {
    const RULE: &str = "variable-certificate-unreadable-by-worker";
    let permissions = scope.permissions;
    let Some(by_name) = &one.pair.by_name else { return };
    let Some(worker) = permissions.worker.as_ref().filter(|worker| worker.is_known) else { return };
    for template in [&by_name.certificate, &by_name.key] {
        let names = one.sites.iter().flat_map(|site| exact_names(scope, *site));
        let files: BTreeSet<PathBuf> = names.map(|name| template.path(name)).collect();
        let ways =
            std::iter::once((&template.folder, Access::Search)).chain(files.iter().map(|file| (file, Access::Read)));
        let mut ways = ways.filter_map(|(path, wish)| Some((permissions.trail(path)?, wish)));
        let found = ways.find_map(|(trail, wish)| match worker.account.passage(trail, wish) {
            AccessResult::Shut(Some(at)) => Some((trail.folders.get(at)?, Access::Search)),
            AccessResult::Shut(None) => Some((trail.end.as_ref()?, wish)),
            AccessResult::Open | AccessResult::Hidden | AccessResult::Unknown(_) => None,
        });
        if let Some((step, wish)) = found {
            let case = if wish == Access::Search { "folder" } else { "" };
            let problem = Problem::new(RULE, template.token.span).case(case).with("path", &*template.token.text);
            sink.report(told(permissions, problem, worker, step, wish));
        }
    }
}

fn exact_names<'a>(scope: &RuleContext<'a>, site: SiteId) -> impl Iterator<Item = &'a str> {
    let names = scope.deployment.site(site).names.iter();
    names.filter(|name| name.kind == crate::model::NameKind::Exact).map(|name| &*name.token.text)
}
