//! The settings that this instance was started with, each with where it is from.

use askama::Template;
use axum::response::Response;

use super::{Console, Same};
use crate::{
    settings::{Origin, Shown},
    ui::{routes::Routes, visit::Frame},
};

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/admin/console/settings", settings);
}

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage<'a> {
    frame: &'a Frame,
    sections: Vec<Section<'a>>,
    same: Same,
}

struct Section<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    key: &'a str,
    value: Option<&'a str>,
    help: &'a str,
    is_default: bool,
    kind: &'static str,
    /// The line of the file, the variable or the flag.
    place: String,
}

async fn settings(console: Console) -> Response {
    let frame = console.frame();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for shown in console.visit.site().settings.iter() {
        let name = shown.key.split('.').next().unwrap_or_default();
        let row = row(frame, shown);
        match sections.last_mut().filter(|section| section.name == name) {
            Some(section) => section.rows.push(row),
            None => sections.push(Section { name, rows: vec![row] }),
        }
    }
    let command = Some("countersign config show --origin".to_owned());
    let page = SettingsPage { frame, sections, same: Same { command, curl: String::new() } };
    console.visit.page(&page)
}

fn row<'a>(frame: &Frame, shown: &'a Shown) -> Row<'a> {
    let c = frame.text.console_settings();
    let (kind, place) = match &shown.origin {
        Origin::Default => (c.by_default(), String::new()),
        Origin::File { .. } => (c.by_file(), shown.origin.to_string()),
        Origin::Environment(_) => (c.by_environment(), shown.origin.to_string()),
        Origin::Flag(_) => (c.by_flag(), shown.origin.to_string()),
    };
    Row {
        key: &shown.key,
        value: shown.value.as_deref(),
        help: &shown.help,
        is_default: shown.origin == Origin::Default,
        kind,
        place,
    }
}
