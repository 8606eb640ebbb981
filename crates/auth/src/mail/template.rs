//! What letters say: templates that are built in, and an operator's own in their place.

use std::{collections::BTreeMap, fmt, path::Path};

use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig,
};

use super::{Kind, Letter, Link};
use crate::{
    Error,
    config::{Config, PublicUrl},
    users::Email,
};

/// The templates that are built in, by the names under which an operator's folder replaces them.
const BUILT_IN: [(&str, &str); 20] = [
    ("layout.txt", include_str!("../../templates/mail/layout.txt")),
    ("layout.html", include_str!("../../templates/mail/layout.html")),
    ("confirm_email.subject.txt", include_str!("../../templates/mail/confirm_email.subject.txt")),
    ("confirm_email.txt", include_str!("../../templates/mail/confirm_email.txt")),
    ("confirm_email.html", include_str!("../../templates/mail/confirm_email.html")),
    ("address_known.subject.txt", include_str!("../../templates/mail/address_known.subject.txt")),
    ("address_known.txt", include_str!("../../templates/mail/address_known.txt")),
    ("address_known.html", include_str!("../../templates/mail/address_known.html")),
    ("reset_password.subject.txt", include_str!("../../templates/mail/reset_password.subject.txt")),
    ("reset_password.txt", include_str!("../../templates/mail/reset_password.txt")),
    ("reset_password.html", include_str!("../../templates/mail/reset_password.html")),
    (
        "confirm_new_address.subject.txt",
        include_str!("../../templates/mail/confirm_new_address.subject.txt"),
    ),
    ("confirm_new_address.txt", include_str!("../../templates/mail/confirm_new_address.txt")),
    ("confirm_new_address.html", include_str!("../../templates/mail/confirm_new_address.html")),
    (
        "address_changed.subject.txt",
        include_str!("../../templates/mail/address_changed.subject.txt"),
    ),
    ("address_changed.txt", include_str!("../../templates/mail/address_changed.txt")),
    ("address_changed.html", include_str!("../../templates/mail/address_changed.html")),
    (
        "password_changed.subject.txt",
        include_str!("../../templates/mail/password_changed.subject.txt"),
    ),
    ("password_changed.txt", include_str!("../../templates/mail/password_changed.txt")),
    ("password_changed.html", include_str!("../../templates/mail/password_changed.html")),
];

/// Longer than any sensible template.
const MAX_BYTES: u64 = 256 * 1024;

/// A letter in words. `Debug` shows the subject only: there may be a link in the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its subject: one line.
    pub subject: String,
    /// As plain text.
    pub text: String,
    /// As HTML.
    pub html: String,
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// The templates of all letters, each of them tried before the first letter is sent.
pub struct Templates {
    environment: Environment<'static>,
    site: String,
    site_url: String,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Templates {
    /// The templates of an installation: those of the folder `mail.templates`, and for what is not there those that are
    /// built in.
    ///
    /// # Errors
    /// [`Error::Configuration`] names the file and the line of what is wrong: a file of an unknown name, a template that
    /// does not parse or asks for a value that letters do not have.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::at(&config.effective_public_url()?, config.mail.templates.as_deref())
    }

    fn at(public_url: &PublicUrl, folder: Option<&Path>) -> Result<Self, Error> {
        let mut sources: BTreeMap<&str, String> =
            BUILT_IN.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        if let Some(folder) = folder {
            replace(&mut sources, folder)?;
        }
        let place = |name: &str| match folder.map(|folder| folder.join(name)) {
            Some(path) if path.exists() => path.display().to_string(),
            _ => format!("the built-in template {name}"),
        };
        let refuse = |error: &minijinja::Error| {
            let place = place(error.name().unwrap_or("layout.html"));
            let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
            let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            let known = match error.kind() {
                ErrorKind::UndefinedError => {
                    "; letters have site, site_url, subject, name, email, link, minutes, device, address, \
                     other_email"
                }
                _ => "",
            };
            Error::Configuration(format!("mail.templates: {place}{line}: {what}{known}"))
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(Error::internal)?);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        for (name, source) in sources {
            environment.add_template_owned(name, source).map_err(|error| refuse(&error))?;
        }
        let site = public_url.host_and_port().to_owned();
        let templates = Self { environment, site, site_url: public_url.as_str().to_owned() };
        // With all that a letter may have, and with none of it.
        for kind in Kind::ALL {
            let full = Letter::sample_at(kind, public_url);
            let bare = Letter {
                name: None,
                facts: super::Facts::default(),
                ..Letter::sample_at(kind, public_url)
            };
            for letter in [full, bare] {
                templates.rendered(&letter).map_err(|error| refuse(&error))?;
            }
        }
        Ok(templates)
    }

    /// A letter in words.
    ///
    /// # Errors
    /// [`Error::Internal`] when a template that could be rendered at the start cannot be with these values.
    pub fn render(&self, letter: &Letter) -> Result<Rendered, Error> {
        self.rendered(letter).map_err(|error| {
            // The error may repeat what it was given: its kind and its place say enough.
            let (name, line) = (error.name().unwrap_or_default(), error.line().unwrap_or_default());
            Error::internal(format!("the template {name}, line {line}: {}", error.kind()))
        })
    }

    fn rendered(&self, letter: &Letter) -> Result<Rendered, minijinja::Error> {
        let kind = letter.kind.name();
        // Nobody may have words of his choice sent to the address of somebody else.
        let known = !letter.kind.goes_to_a_stranger();
        let facts = &letter.facts;
        let mut values = BTreeMap::from([
            ("site", Value::from(self.site.as_str())),
            ("site_url", Value::from(self.site_url.as_str())),
            ("email", Value::from(letter.to.as_str())),
            ("name", Value::from(letter.name.as_deref().filter(|_| known))),
            ("link", Value::from(letter.link.as_ref().map(Link::reveal))),
            ("minutes", Value::from(letter.link.as_ref().map(Link::minutes))),
            ("device", Value::from(facts.device.as_deref().filter(|_| known))),
            ("address", Value::from(facts.address.as_deref().filter(|_| known))),
            ("other_email", Value::from(facts.other_email.as_deref().filter(|_| known))),
            ("subject", Value::from("")),
        ]);
        let render = |name: String, values: &BTreeMap<&str, Value>| {
            self.environment.get_template(&name)?.render(Value::from_pairs(values.clone()))
        };
        let subject = render(format!("{kind}.subject.txt"), &values)?;
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        values.insert("subject", Value::from(subject.as_str()));
        let text = render(format!("{kind}.txt"), &values)?;
        let html = render(format!("{kind}.html"), &values)?;
        Ok(Rendered { subject, text, html })
    }
}

/// Puts the files of a folder in the place of what is built in.
fn replace(sources: &mut BTreeMap<&str, String>, folder: &Path) -> Result<(), Error> {
    let refuse = |path: &Path, why: &str| {
        Error::Configuration(format!("mail.templates: {}: {why}", path.display()))
    };
    let entries = std::fs::read_dir(folder).map_err(|error| refuse(folder, &error.to_string()))?;
    for entry in entries {
        let path = entry.map_err(|error| refuse(folder, &error.to_string()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What editors and version control leave behind.
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let Some(source) = sources.get_mut(name) else {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            return Err(refuse(
                &path,
                &format!("there is no template of this name; there are {names}"),
            ));
        };
        if std::fs::metadata(&path).is_ok_and(|file| file.len() > MAX_BYTES) {
            return Err(refuse(&path, "it is longer than 256 KiB"));
        }
        *source =
            std::fs::read_to_string(&path).map_err(|error| refuse(&path, &error.to_string()))?;
    }
    Ok(())
}

impl Letter {
    /// A letter of this kind with made-up values in it, to be looked at.
    ///
    /// # Errors
    /// [`Error::Configuration`] when `http.public_url` is of no use.
    pub fn sample(kind: Kind, config: &Config) -> Result<Self, Error> {
        Ok(Self::sample_at(kind, &config.effective_public_url()?))
    }

    fn sample_at(kind: Kind, public_url: &PublicUrl) -> Self {
        let facts = super::Facts {
            device: Some("Firefox on Linux".to_owned()),
            address: Some("203.0.113.7".to_owned()),
            other_email: Some("new@example.com".to_owned()),
        };
        Self {
            kind,
            to: Email::from_stored("someone@example.com".to_owned()),
            name: Some("Someone <b>Special</b>".to_owned()),
            link: Link::sample(kind, public_url),
            facts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: Option<&Path>) -> Result<Templates, Error> {
        Templates::at(&"https://auth.example.com/base".parse().expect("a URL"), folder)
    }

    fn sample(kind: Kind) -> Letter {
        Letter::sample_at(kind, &"https://auth.example.com/base".parse().expect("a URL"))
    }

    fn refusal(name: &str, source: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(name), source).expect("written");
        at(Some(folder.path())).expect_err(name).to_string()
    }

    #[test]
    fn every_letter_says_what_it_is_about_in_both_forms() {
        let templates = at(None).expect("templates");
        for kind in Kind::ALL {
            let letter = sample(kind);
            let Rendered { subject, text, html } = templates.render(&letter).expect("a letter");
            assert!(subject.contains("auth.example.com") && !subject.contains('\n'), "{subject}");
            for form in [&text, &html] {
                assert!(form.contains("someone@example.com"), "{kind:?}: {form}");
                assert!(
                    !form.contains("{{") && !form.contains("{%") && !form.contains(" none"),
                    "{form}"
                );
            }
            if let Some(link) = &letter.link {
                assert!(text.contains(&format!("\n    {}\n", link.reveal())), "{text}");
                assert!(text.contains("within 30 minutes") && html.contains("within 30 minutes"));
                assert!(html.contains(&link.reveal().replace('/', "&#x2f;")), "{html}");
            }
            assert!(!text.contains("\n\n\n\n"), "{kind:?}: {text}");
            assert!(text.lines().all(|line| line.len() <= 100 || line.contains("://")), "{text}");
        }
    }

    #[test]
    fn what_somebody_wrote_is_data_and_does_not_reach_a_stranger() {
        let templates = at(None).expect("templates");
        for kind in Kind::ALL {
            let letter = Letter {
                name: Some("<a href='https://evil.example'>{{ site }}</a>".to_owned()),
                facts: crate::mail::Facts {
                    device: Some("<script>".to_owned()),
                    ..crate::mail::Facts::default()
                },
                ..sample(kind)
            };
            let Rendered { text, html, .. } = templates.render(&letter).expect("a letter");
            assert!(!html.contains("<a href='") && !html.contains("<script>"), "{html}");
            assert_eq!(text.contains("evil.example"), !kind.goes_to_a_stranger(), "{kind:?}");
            assert_eq!(html.contains("evil.example"), !kind.goes_to_a_stranger(), "{kind:?}");
        }
    }

    #[test]
    fn a_file_takes_the_place_of_the_built_in_one_of_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("reset_password.subject.txt", "Neues Passwort\nfür {{ site }}\n");
        write("layout.html", "<h1>Ours</h1>{% block body %}{% endblock %}{{ link }}");
        write(".gitignore", "*");
        write("layout.txt~", "{{ broken");
        let templates = at(Some(folder.path())).expect("templates");
        let letter = templates.render(&sample(Kind::ResetPassword)).expect("a letter");
        assert_eq!(letter.subject, "Neues Passwort für auth.example.com");
        assert!(
            letter.html.starts_with("<h1>Ours</h1>")
                && letter.html.contains("asked for a new password")
        );
        assert!(letter.text.contains("Choose one here"));
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_with_its_file_and_line() {
        let text = refusal("reset_password.txt", "Hello\n{{ lnik }}\n");
        assert!(
            text.contains("reset_password.txt, line 2") && text.contains("letters have site"),
            "{text}"
        );
        let text = refusal("reset_password.html", "Hello\n\n{% if name %}\n");
        assert!(text.contains("reset_password.html, line"), "{text}");
        let text = refusal("reset_passwort.txt", "Hello");
        assert!(text.contains("reset_passwort.txt: there is no template of this name"), "{text}");
        // Asked for only where there is no name.
        let text = refusal(
            "layout.txt",
            "{% if not name %}{{ nmae }}{% endif %}{% block body %}{% endblock %}",
        );
        assert!(text.contains("layout.txt, line 1"), "{text}");
        let missing = at(Some(Path::new("/nowhere/at/all"))).expect_err("refused").to_string();
        assert!(missing.contains("/nowhere/at/all"), "{missing}");
    }
}
