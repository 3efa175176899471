//! Going from level to level in a text by position, in both directions.

/// The level that begins at `start`, or `None` beyond the end of `text`.
#[inline]
pub(crate) fn level_from(text: &[u8], start: usize) -> Option<&[u8]> {
    let rest = text.get(start..)?;
    match rest.iter().position(|byte| *byte == b'/') {
        Some(slash) => rest.get(..slash),
        None => Some(rest),
    }
}

/// Where the level begins that ends before the slash, or the end, ahead of `start`.
#[inline]
pub(crate) fn start_before(text: &[u8], start: usize) -> usize {
    let end = start.saturating_sub(1);
    let before = text.get(..end).unwrap_or(text);
    before.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)
}
