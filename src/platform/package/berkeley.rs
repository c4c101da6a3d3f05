//! The values of a hash of Berkeley DB (5.3, src/dbinc/db_page.h), as rpm wrote it until 4.16. What is broken is left out, and
//! nothing is followed twice.

use super::rpm::HEAD;

/// The mark of a hash, in its first page.
const HASH: u32 = 0x0006_1561;
/// Bytes before the entries of a page.
const PAGE_HEAD: usize = 26;
/// Kinds of pages with entries: of the old form and of the sorted one.
const ENTRIES: [u8; 2] = [2, 13];
/// An entry that lies in its page.
const INLINE: u8 = 1;
/// An entry that lies on pages of its own.
const ELSEWHERE: u8 = 3;

/// Gives each value to `each`, its beginning where it is long. Only what a machine with the order of bytes of x86 wrote is
/// read.
pub(super) fn values(bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
    let size = u32_at(bytes, 20).unwrap_or_default() as usize;
    if u32_at(bytes, 12) != Some(HASH) || !(512..=65_536).contains(&size) {
        return;
    }
    let mut left = bytes.len() / size + 1;
    for page in bytes.chunks_exact(size).skip(1).filter(|page| ENTRIES.contains(&page[25])) {
        let count = u16_at(page, 20).unwrap_or_default();
        // Keys and values take turns.
        for at in (1..count).step_by(2) {
            let place = |at: u16| u16_at(page, PAGE_HEAD + 2 * usize::from(at)).map(usize::from);
            let Some(start) = place(at) else { break };
            match page.get(start) {
                Some(&INLINE) => {
                    // An entry ends where the one before it begins.
                    let value = place(at - 1).and_then(|end| page.get(start + 1..end));
                    value.into_iter().for_each(&mut *each);
                }
                Some(&ELSEWHERE) => {
                    let first = u32_at(page, start + 4).unwrap_or_default();
                    let length = u32_at(page, start + 8).unwrap_or_default() as usize;
                    each(&elsewhere(bytes, size, first, length, &mut left));
                }
                _ => {}
            }
        }
    }
}

/// What lies on a list of pages of its own.
fn elsewhere(bytes: &[u8], size: usize, first: u32, length: usize, left: &mut usize) -> Vec<u8> {
    let (mut found, mut next) = (Vec::new(), first);
    while next != 0 && found.len() < length.min(HEAD) && *left > 0 {
        *left -= 1;
        let Some(page) = (next as usize).checked_mul(size).and_then(|start| bytes.get(start..start.checked_add(size)?))
        else {
            break;
        };
        next = u32_at(page, 16).unwrap_or_default();
        let held = usize::from(u16_at(page, 22).unwrap_or_default()).min(size - PAGE_HEAD).min(length - found.len());
        found.extend_from_slice(&page[PAGE_HEAD..PAGE_HEAD + held]);
    }
    found
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
