//! As much of HTML as our own pages have: forms, their fields and their buttons.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
    buttons: Vec<Button>,
}

#[derive(Clone, Debug)]
struct Button {
    name: String,
    value: String,
    text: String,
}

impl Form {
    /// The form of a page.
    pub fn of(html: &str) -> Option<Self> {
        let start = html.find("<form")?;
        let inside = &html[start..start + html[start..].find("</form>")?];
        let head = attributes(&inside[..inside.find('>')?]);
        let mut form = Self { action: head.get("action")?.clone(), fields: Vec::new(), buttons: Vec::new() };
        for piece in inside.split("<input ").skip(1) {
            let tag = &piece[..piece.find('>')?];
            let input = attributes(tag);
            let ticked = !matches!(input.get("type").map(String::as_str), Some("checkbox" | "radio"));
            if !ticked && !tag.ends_with(" checked") {
                continue;
            }
            if let Some(name) = input.get("name") {
                form.fields.push((name.clone(), input.get("value").cloned().unwrap_or_default()));
            }
        }
        for piece in inside.split("<select ").skip(1) {
            let (head, rest) = piece.split_once('>')?;
            let chosen = rest.split("<option ").find(|o| o.split('>').next().is_some_and(|o| o.ends_with(" selected")));
            if let (Some(name), Some(chosen)) = (attributes(head).get("name"), chosen) {
                form.fields.push((name.clone(), attributes(chosen).get("value").cloned().unwrap_or_default()));
            }
        }
        for piece in inside.split("<textarea ").skip(1) {
            let (head, rest) = piece.split_once('>')?;
            let text = rest.split("</textarea>").next().unwrap_or_default();
            if let Some(name) = attributes(head).get("name") {
                form.fields.push((name.clone(), unescape(text.strip_prefix('\n').unwrap_or(text))));
            }
        }
        for piece in inside.split("<button").skip(1) {
            let end = piece.find('>')?;
            let (button, rest) = (attributes(&piece[..end]), &piece[end + 1..]);
            form.buttons.push(Button {
                name: button.get("name").cloned().unwrap_or_default(),
                value: button.get("value").cloned().unwrap_or_default(),
                text: text_of(&rest[..rest.find("</button>")?]),
            });
        }
        Some(form)
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Fills in a field, or adds one that the page did not have.
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What is sent when the button that says this is pressed.
    pub fn press(self, says: &str) -> Self {
        let found = self.buttons.iter().find(|button| button.text.contains(says));
        let button = found.unwrap_or_else(|| panic!("no button says {says:?}: {:?}", self.buttons)).clone();
        if button.name.is_empty() { self } else { self.fill(&button.name, &button.value) }
    }

    pub fn button_values(&self, name: &str) -> Vec<String> {
        self.buttons.iter().filter(|b| b.name == name).map(|b| b.value.clone()).collect()
    }
}

fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag;
    while let Some(at) = rest.find("=\"") {
        let name = rest[..at].rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let value = &rest[at + 2..];
        let Some(end) = value.find('"') else { break };
        found.insert(name.to_owned(), unescape(&value[..end]));
        rest = &value[end + 1..];
    }
    found
}

/// What a person reads of a piece of a page.
pub fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    unescape(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn unescape(text: &str) -> String {
    let named = [("&#38;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")];
    let mut text = text.to_owned();
    for (code, is) in named.iter().rev() {
        text = text.replace(code, is);
    }
    text.replace("&amp;", "&")
}
