//! The text of a filter or of one level, kept inside its owner when it is short.

use alloc::boxed::Box;

/// Text of any length, of which up to `N` bytes (at most 255) need no allocation.
pub(crate) enum Label<const N: usize> {
    /// The first `len` bytes are the text, the others are zero.
    Inline { len: u8, bytes: [u8; N] },
    /// Text that is longer than `N` bytes.
    Boxed(Box<[u8]>),
}

impl<const N: usize> Label<N> {
    /// Copies `text`.
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; N];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text);
                Self::Inline { len, bytes }
            }
            _ => Self::Boxed(text.into()),
        }
    }

    /// The text.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Boxed(text) => text,
        }
    }
}

impl<const N: usize> Default for Label<N> {
    fn default() -> Self {
        Self::Inline { len: 0, bytes: [0; N] }
    }
}
