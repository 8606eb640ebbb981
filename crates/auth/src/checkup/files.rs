//! What lies in the files that the settings name: read as a server reads it, and all that is wrong, not only the first.

use std::path::Path;

use crate::{
    Error,
    config::Config,
    keys::{self, Material, STRONGER, read_secret, weakness},
    mail::{self, Mailer, Templates},
    webhooks::{self, Webhook},
};

/// Something with which a server with these settings does not start, or should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// The setting that names the file, or that is the key.
    pub setting: &'static str,
    /// What is wrong, with the name of the setting at its beginning. It repeats nothing of what is in the file.
    pub finding: String,
    /// How to mend it, where it is more than to name another file.
    pub mend: Option<String>,
    /// Whether what is in it can be guessed; else it cannot be read, or is not what it has to be.
    pub is_weak: bool,
}

/// All that is wrong with secrets, keys and passwords in the files of these settings, and with the other files of mail and
/// webhooks. Settings that do not go together are [`Config::check`]'s matter.
#[must_use]
pub fn file_faults(config: &Config) -> Vec<FileFault> {
    let mut found = key_faults(config);
    let masters = [
        ("keys.master_key_file", &config.keys.master_key_file),
        ("keys.previous_master_key_file", &config.keys.previous_master_key_file),
    ];
    for (setting, path) in masters {
        let Some(path) = path else { continue };
        let weak = format!("{setting}: the master key in {} is weak", path.display());
        found.extend(master(setting, Material::read(setting, path), &weak));
    }
    if let Some(key) = &config.keys.master_key {
        let weak = "keys.master_key: the master key is weak";
        found.extend(master("keys.master_key", Material::of_setting(key.expose()), weak));
        if config.keys.master_key_file.is_some() {
            let finding =
                "keys.master_key and keys.master_key_file are both set: one of them is enough";
            found.push(fault("keys.master_key", finding));
        }
    }
    found.extend(mail_faults(config));
    found.extend(webhook_faults(config));
    found
}

fn key_faults(config: &Config) -> Vec<FileFault> {
    let mut found = Vec::new();
    for path in &config.keys.secret_file {
        let setting = "keys.secret_file";
        match read_secret(path) {
            Err(error) => found.push(refused(setting, &error)),
            Ok(secret) => match weakness(&secret) {
                Some(why) => found.push(FileFault {
                    mend: Some(format!("make one with: openssl rand -hex 32 > {}", path.display())),
                    is_weak: true,
                    ..fault(setting, &weak_secret(path, why))
                }),
                None => found.extend(
                    keys::check(config, path, true).err().map(|error| refused(setting, &error)),
                ),
            },
        }
    }
    if let Some(path) = &config.keys.private_key_file {
        let outcome = keys::check(config, path, false);
        found.extend(outcome.err().map(|error| refused("keys.private_key_file", &error)));
    }
    if found.is_empty() {
        let outcome = keys::check_all(config);
        found.extend(outcome.err().map(|error| refused("keys.secret_file", &error)));
    }
    found
}

fn weak_secret(path: &Path, why: &str) -> String {
    format!("keys.secret_file: the secret in {} is weak: {why}", path.display())
}

/// A weak one is no fault where it is the one before: that is how it is got rid of.
fn master(setting: &'static str, read: Result<Material, Error>, weak: &str) -> Option<FileFault> {
    match read {
        Err(error) => Some(refused(setting, &error)),
        Ok(material) => {
            let why = material.weak.filter(|_| setting != "keys.previous_master_key_file")?;
            let finding = format!("{weak}: {why}");
            let mend = Some(STRONGER.to_owned());
            Some(FileFault { mend, is_weak: true, ..fault(setting, &finding) })
        }
    }
}

fn mail_faults(config: &Config) -> Vec<FileFault> {
    let mut found = Vec::new();
    if let Some(path) = &config.mail.password_file {
        let outcome = mail::read_password(path).map(drop);
        found.extend(outcome.err().map(|error| refused("mail.password_file", &error)));
    }
    // Its other files are read where letters are sent at all.
    if found.is_empty() && mail::check(&config.mail).is_ok() {
        let outcome = Mailer::new(&config.mail).map(drop);
        found.extend(outcome.err().map(|error| refused("mail.ca_file", &error)));
    }
    let templates = Templates::new(config).map(drop);
    found.extend(templates.err().map(|error| refused("mail.templates", &error)));
    found
}

fn webhook_faults(config: &Config) -> Vec<FileFault> {
    let mut found = Vec::new();
    if let Some(path) = &config.webhooks.secret_file {
        let outcome = webhooks::check_secret(path);
        found.extend(outcome.err().map(|error| refused("webhooks.secret_file", &error)));
    }
    if found.is_empty() && webhooks::check(&config.webhooks).is_ok() {
        let outcome = Webhook::new(&config.webhooks).map(drop);
        found.extend(outcome.err().map(|error| refused("webhooks.ca_file", &error)));
    }
    found
}

fn refused(setting: &'static str, error: &Error) -> FileFault {
    fault(setting, &error.to_string())
}

fn fault(setting: &'static str, finding: &str) -> FileFault {
    let finding = match finding.starts_with(setting) {
        true => finding.to_owned(),
        false => format!("{setting}: {finding}"),
    };
    FileFault { setting, finding, mend: None, is_weak: false }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::testing::master_key;

    fn settings_with(folder: &Path) -> Config {
        let file = |name: &str, text: &str| -> PathBuf {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let mut config = Config::default();
        config.keys.secret_file = vec![file("secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO\n")];
        config.keys.master_key_file = Some(file("master", &master_key(1)));
        config.keys.previous_master_key_file = Some(file("previous", &"0".repeat(64)));
        config.mail.password_file = Some(file("password", "hunter2\n"));
        config.webhooks.secret_file =
            Some(file("webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"));
        config
    }

    #[test]
    fn files_that_a_server_can_use_have_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(file_faults(&settings_with(folder.path())), []);
        assert_eq!(file_faults(&Config::default()), []);
    }

    #[test]
    fn every_fault_is_told_and_nothing_of_what_is_in_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = settings_with(folder.path());
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("secret", "swordfish-swordfish-swordfish-swordfish");
        write("master", &"0".repeat(64));
        write("previous", "swordfish");
        write("password", "two\nlines of swordfish");
        write("webhook", "whsec_swordfish");
        let mut config = Config { ..config };
        config.keys.secret_file.push(folder.path().join("nowhere"));
        config.keys.private_key_file = Some(folder.path().join("password"));
        config.tokens.algorithm = jwt::Algorithm::Es256;
        let found = file_faults(&config);
        let told: Vec<_> = found.iter().map(|fault| (fault.setting, fault.is_weak)).collect();
        assert_eq!(
            told,
            [
                ("keys.secret_file", true),
                ("keys.secret_file", false),
                ("keys.private_key_file", false),
                ("keys.master_key_file", true),
                ("keys.previous_master_key_file", false),
                ("mail.password_file", false),
                ("webhooks.secret_file", false),
            ]
        );
        for fault in &found {
            assert!(fault.finding.starts_with(&format!("{}:", fault.setting)), "{fault:?}");
            assert!(!fault.finding.contains("swordfish"), "{fault:?}");
        }
        config.keys.master_key = Some("zz".to_owned().into());
        let keys = |fault: &FileFault| fault.setting == "keys.master_key";
        assert_eq!(file_faults(&config).into_iter().filter(keys).count(), 2);
    }

    #[test]
    fn keys_that_do_not_go_together_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = settings_with(folder.path());
        config.keys.secret_file.push(folder.path().join("secret"));
        let [fault] = &file_faults(&config)[..] else { panic!("one fault") };
        assert!(fault.finding.contains("listed twice"), "{fault:?}");
    }
}
