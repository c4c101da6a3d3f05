//! The rows of one table of an SQLite database (https://www.sqlite.org/fileformat2.html), as far as a package database needs
//! it: one blob a row. What is broken ends the walk, and nothing is followed twice.

use super::rpm::HEAD;

/// How deep a tree may be: pages of 512 bytes with two entries each need no more for all that can be addressed.
const DEEPEST: usize = 32;

const LEAF: u8 = 0x0d;
const INTERIOR: u8 = 0x05;

struct Database<'a> {
    bytes: &'a [u8],
    page: usize,
    /// Bytes of a page that hold content.
    usable: usize,
    /// How many pages may still be looked at.
    left: usize,
}

/// Gives the first blob of each row of a table to `each`, its beginning where it is long.
pub(super) fn rows(bytes: &[u8], table: &[u8], each: &mut dyn FnMut(&[u8])) {
    let Some(mut database) = Database::open(bytes) else { return };
    let mut root = None;
    database.walk(1, 0, &mut |record| {
        // sqlite_schema: type, name, tbl_name, rootpage, sql.
        let fields = fields(record);
        let text = |at: usize| fields.get(at).and_then(|field| field.bytes());
        if text(0) == Some(b"table") && text(1) == Some(table) {
            root = fields.get(3).and_then(|field| field.number());
        }
    });
    let Some(root) = root.and_then(|root| usize::try_from(root).ok()) else { return };
    database.walk(root, 0, &mut |record| {
        if let Some(blob) = fields(record).iter().find_map(|field| field.blob()) {
            each(blob);
        }
    });
}

impl<'a> Database<'a> {
    fn open(bytes: &'a [u8]) -> Option<Database<'a>> {
        bytes.strip_prefix(b"SQLite format 3\0")?;
        let page = match u16::from_be_bytes(bytes.get(16..18)?.try_into().ok()?) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = page.checked_sub(usize::from(*bytes.get(20)?)).filter(|usable| *usable >= 480)?;
        Some(Database { bytes, page, usable, left: bytes.len() / page + 1 })
    }

    /// Page `number`, counted from 1.
    fn page(&mut self, number: usize) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let start = number.checked_sub(1)?.checked_mul(self.page)?;
        self.bytes.get(start..start.checked_add(self.usable)?)
    }

    /// Gives the records below a page of a table to `each`, in order.
    fn walk(&mut self, number: usize, depth: usize, each: &mut dyn FnMut(&[u8])) -> Option<()> {
        let page = self.page(number).filter(|_| depth < DEEPEST)?;
        let start = if number == 1 { 100 } else { 0 };
        let kind = *page.get(start)?;
        let count = usize::from(u16_at(page, start + 3)?);
        let cells = start + if kind == INTERIOR { 12 } else { 8 };
        for at in 0..count {
            let cell = usize::from(u16_at(page, cells + 2 * at)?);
            match kind {
                INTERIOR => self.walk(u32_at(page, cell)? as usize, depth + 1, each)?,
                LEAF => each(&self.payload(page, cell)?),
                _ => return None,
            }
        }
        if kind == INTERIOR {
            self.walk(u32_at(page, start + 8)? as usize, depth + 1, each)?;
        }
        Some(())
    }

    /// The beginning of what a cell of a leaf holds; the rest lies on pages that follow one another.
    fn payload(&mut self, page: &[u8], cell: usize) -> Option<Vec<u8>> {
        let (length, at) = varint(page, cell)?;
        let (_, at) = varint(page, at)?;
        let length = usize::try_from(length).ok()?;
        let largest = self.usable - 35;
        let local = if length <= largest {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let wanted = least + (length - least) % (self.usable - 4);
            if wanted <= largest { wanted } else { least }
        };
        let mut payload = page.get(at..at.checked_add(local)?)?.to_vec();
        let mut next = if local < length { u32_at(page, at + local)? } else { 0 };
        while next != 0 && payload.len() < length.min(HEAD) {
            let more = self.page(next as usize)?;
            next = u32_at(more, 0)?;
            let part = more.get(4..)?;
            payload.extend_from_slice(&part[..part.len().min(length - payload.len())]);
        }
        Some(payload)
    }
}

/// A value of a record.
enum Field<'a> {
    Number(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Field::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn blob(&self) -> Option<&'a [u8]> {
        match self {
            Field::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Field::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// The values of a record; the last is cut where the record is.
fn fields(record: &[u8]) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    let Some((head, mut at)) = varint(record, 0) else { return found };
    let Ok(head) = usize::try_from(head) else { return found };
    let mut value = head;
    while at < head {
        let Some((kind, next)) = varint(record, at) else { break };
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from((kind.max(12) - 12) / 2).unwrap_or(usize::MAX),
        };
        let end = value.saturating_add(length).min(record.len());
        let Some(bytes) = record.get(value..end) else { break };
        value = end;
        found.push(match kind {
            8 => Field::Number(0),
            9 => Field::Number(1),
            1..=6 => Field::Number(bytes.iter().fold(0, |sum: i64, byte| sum << 8 | i64::from(*byte))),
            _ if kind >= 12 && kind % 2 == 0 => Field::Blob(bytes),
            _ if kind >= 13 => Field::Text(bytes),
            _ => Field::Other,
        });
    }
    found
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A number of one to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (order, byte) in bytes.get(at..)?.iter().take(9).enumerate() {
        if order == 8 {
            return Some((value << 8 | u64::from(*byte), at + 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + order + 1));
        }
    }
    None
}
