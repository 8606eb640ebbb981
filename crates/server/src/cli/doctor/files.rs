//! Checks of what lies on this machine.

use super::{Facts, Finding, or_ok};
use crate::cli::certificate::{SOON, date};

const MIB: u64 = 1024 * 1024;
/// With less than this nothing is written any more soon.
const FULL: u64 = 64 * MIB;
/// With less than this somebody has to look.
const NARROW: u64 = 512 * MIB;
/// The same for files that can be made.
const FEW_FILES: u64 = 1_000;

pub(super) fn secret_strength(facts: &Facts) -> Vec<Finding> {
    or_ok(facts.unfit_for("secret_strength"), || match facts.config.keys.secret_file.len() {
        0 => "no signing secret lies in a file".to_owned(),
        1 => "nobody guesses the secret in the file".to_owned(),
        several => format!("nobody guesses the secrets in the {several} files"),
    })
}

pub(super) fn file_modes(facts: &Facts) -> Vec<Finding> {
    let mut found = facts.unfit_for("file_modes");
    for file in &facts.shared {
        let path = file.path.display();
        found.push(Finding::warning(
            format!("{path} can be read by others (mode {:04o})", file.mode & 0o777),
            "it holds a password or a secret",
            format!("run: chmod 600 {path}"),
        ));
    }
    for folder in &facts.folders {
        let (path, mode) = (folder.path.display(), folder.mode);
        // In a sticky folder, such as /tmp, nobody can replace the file of somebody else.
        let finding = |who| format!("{who} can write into {path} (mode {:04o})", mode & 0o777);
        let means = "they can put another file in the place of a secret, a key or the database";
        let mend = format!("run: chmod go-w {path}");
        if mode & 0o1000 != 0 {
            continue;
        } else if mode & 0o002 != 0 {
            found.push(Finding::failure(finding("all others"), means, mend));
        } else if mode & 0o020 != 0 {
            found.push(Finding::warning(finding("others of its group"), means, mend));
        }
    }
    if let Some(folder) = facts.data_dir.as_ref().filter(|folder| folder.mode & 0o055 != 0) {
        let path = folder.path.display();
        found.push(Finding::warning(
            format!(
                "the data folder {path} can be entered by others (mode {:04o})",
                folder.mode & 0o777
            ),
            "they see what is in it, and read what somebody copies there carelessly",
            format!("run: chmod 700 {path}"),
        ));
    }
    or_ok(found, || "files and folders are their owner's alone".to_owned())
}

pub(super) fn tls_certificate(facts: &Facts) -> Vec<Finding> {
    let refused = facts.unfit_for("tls_certificate");
    if !refused.is_empty() {
        return refused;
    }
    let found = match &facts.certificate {
        Ok(found) => found,
        Err(unknown) => return Finding::unknown(unknown),
    };
    let (path, (from, until), host) = (found.path.display(), found.valid, &found.host);
    let mut findings = Vec::new();
    let refuse = "clients that check it refuse the connection";
    if facts.now > until {
        let finding = format!("the certificate in {path} has run out at {}", date(until));
        let mend = "renew it, put it into its place, and run: systemctl reload countersign, or send SIGHUP";
        findings.push(Finding::failure(finding, refuse, mend));
    } else if until.seconds() - facts.now.seconds() < SOON {
        findings.push(Finding::warning(
            format!("the certificate in {path} runs out at {}", date(until)),
            "clients that check it refuse the connection from then on",
            "look at what should have renewed it; a running server reads it again at SIGHUP",
        ));
    }
    if facts.now < from {
        let finding = format!("the certificate in {path} is good from {} on", date(from));
        findings.push(Finding::failure(finding, refuse, "look at the clock of this machine"));
    }
    if !found.names_host {
        findings.push(Finding::warning(
            format!("the certificate in {path} is not made out to {host}"),
            "browsers refuse the connection, unless a proxy in front has a certificate of its own",
            format!("have one issued for {host}, or set http.public_url to a name that is in it"),
        ));
    }
    or_ok(findings, || format!("the certificate is good for {host} until {}", date(until)))
}

pub(super) fn disk_space(facts: &Facts) -> Vec<Finding> {
    let disk = match &facts.disk {
        Ok(disk) => disk,
        Err(unknown) => return Finding::unknown(unknown),
    };
    let path = disk.folder.display();
    let means = "when it is full, whatever has to be written is answered 503: logins that fail, refreshes, logouts";
    let mend = "make room, or move the data folder to a larger disk";
    let free = disk.bytes / MIB;
    let mut found = Vec::new();
    if disk.bytes < FULL {
        found.push(Finding::failure(
            format!("{free} MiB are free on the disk of {path}"),
            means,
            mend,
        ));
    } else if disk.bytes < NARROW {
        found.push(Finding::warning(
            format!("{free} MiB are free on the disk of {path}"),
            means,
            mend,
        ));
    }
    if let Some(files) = disk.files.filter(|files| *files < FEW_FILES) {
        let finding = format!("{files} more files can be made on the disk of {path}");
        found.push(Finding::warning(finding, means, mend));
    }
    or_ok(found, || format!("{} GiB are free on the disk of {path}", free / 1024))
}
