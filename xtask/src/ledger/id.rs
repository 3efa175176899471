//! How statements are written down: `v5 MQTT-3.3.2-2` in text, `3.3.2-2` where the version is known.

use super::statement::Version;

/// The ids in a text, each with its version in front.
pub(crate) fn find(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("MQTT-") {
        let versions = [Version::V3, Version::V5];
        let before = |version: &Version| text[..at].ends_with(&format!("{} ", version.prefix()));
        let number = number(&text[at + "MQTT-".len()..]);
        if let (Some(version), Some(number)) = (versions.into_iter().find(before), number) {
            found.push(format!("{} MQTT-{number}", version.prefix()));
        }
    }
    found
}

/// The ids in brackets, which is how comments cite them.
pub(crate) fn find_in_brackets(text: &str) -> Vec<String> {
    let inside = text.split('[').skip(1).filter_map(|rest| rest.split_once(']'));
    inside.filter(|(id, _)| is_exactly(id)).map(|(id, _)| id.to_owned()).collect()
}

/// The quoted numbers without a version: `"3.3.2-2"`.
pub(crate) fn find_bare(line: &str) -> Vec<String> {
    let quoted = line.split('"').skip(1).step_by(2);
    quoted.filter(|text| number(text).as_deref() == Some(*text)).map(str::to_owned).collect()
}

fn is_exactly(text: &str) -> bool {
    find(text).as_slice() == [text.to_owned()]
}

/// The number at the beginning of a text: three figures with dots, a hyphen and a figure.
fn number(text: &str) -> Option<String> {
    let end = text.find(|next: char| !next.is_ascii_digit() && !matches!(next, '.' | '-'));
    let number = text[..end.unwrap_or(text.len())].trim_end_matches(['.', '-']);
    let (section, last) = number.rsplit_once('-')?;
    let is_figure = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let figures: Vec<&str> = section.split('.').collect();
    let whole = figures.len() == 3 && figures.iter().all(|figure| is_figure(figure)) && is_figure(last);
    whole.then(|| number.to_owned())
}
