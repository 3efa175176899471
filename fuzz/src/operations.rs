//! Lists of operations that come out of a fuzzer's bytes.

use std::fmt::Debug;

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::trace;

/// The most operations that one input stands for, so that no input takes long.
pub(crate) const OPERATIONS_MAX: usize = 400;

/// A few bytes, 0 to 31: payloads, fragments, noise.
#[derive(Clone, Debug)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl<'a> Arbitrary<'a> for Blob {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let length = usize::from(u8::arbitrary(u)? % 32).min(u.len());
        Ok(Self(u.bytes(length)?.to_vec()))
    }
}

/// Hands each operation that the bytes hold to `each`, until they are used up.
///
/// A `Vec<Op>` would do, but `arbitrary` makes short ones of long inputs.
pub(crate) fn for_each<'a, Op: Arbitrary<'a> + Debug>(u: &mut Unstructured<'a>, mut each: impl FnMut(Op)) {
    for _ in 0..OPERATIONS_MAX {
        if u.is_empty() {
            return;
        }
        let Ok(op) = Op::arbitrary(u) else { return };
        trace::print(&op);
        each(op);
    }
}
