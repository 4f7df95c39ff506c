//! A backup's file: the words [`MAGIC`], then blocks. Each block has a kind (1 byte), a method (1 byte: 0 as it is, 1
//! zstd), its length unpacked and packed (4 bytes little-endian each), its packed bytes, and the SHA-256 of all that after
//! the hash of the block before it. So a block that was changed, left out, moved or put in is found before it is used, and
//! so is a file that was cut off: it has no last block.

use super::error::BackupError;
use super::record::MOST;
use sha2::{Digest as _, Sha256};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// How every backup begins.
pub(super) const MAGIC: &[u8; 16] = b"gridhelm backup\n";
/// Rows are gathered to blocks of at least so many bytes.
pub(super) const BLOCK: usize = 1 << 20;
/// The most bytes that a block may have, unpacked.
const LARGEST: usize = MOST + BLOCK;
/// How hard zstd tries: the least, since most time goes there.
const LEVEL: i32 = 1;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The head, as JSON; the first block and no other.
    Head,
    /// Rows.
    Rows,
    /// The end, as JSON; the last block and no other.
    End,
}

impl Part {
    const fn code(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Rows => 2,
            Self::End => 3,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Head),
            2 => Some(Self::Rows),
            3 => Some(Self::End),
            _ => None,
        }
    }
}

type Hash = [u8; 32];

fn first_hash() -> Hash {
    Sha256::digest(MAGIC).into()
}

fn chained(previous: &Hash, front: &[u8], packed: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(front);
    sha.update(packed);
    sha.finalize().into()
}

/// Writes a backup's blocks.
pub(super) struct Writer<W> {
    out: W,
    path: PathBuf,
    hash: Hash,
    packer: zstd::bulk::Compressor<'static>,
    /// Bytes written so far.
    pub(super) written: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut out: W, path: &Path) -> Result<Self, BackupError> {
        let failed = |error: std::io::Error| BackupError::io("write", path, &error);
        out.write_all(MAGIC).map_err(failed)?;
        Ok(Self {
            out,
            path: path.to_owned(),
            hash: first_hash(),
            packer: zstd::bulk::Compressor::new(LEVEL).map_err(failed)?,
            written: MAGIC.len() as u64,
        })
    }

    pub(super) fn block(&mut self, part: Part, bytes: &[u8]) -> Result<(), BackupError> {
        let failed = |error: std::io::Error| BackupError::io("write", &self.path, &error);
        let packed = self.packer.compress(bytes).map_err(failed)?;
        // Plots and archives are packed already.
        let (method, packed) = if packed.len() < bytes.len() {
            (1_u8, packed.as_slice())
        } else {
            (0, bytes)
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut front = [0; 10];
        front[0] = part.code();
        front[1] = method;
        front[2..6].copy_from_slice(&length(bytes));
        front[6..].copy_from_slice(&length(packed));
        self.hash = chained(&self.hash, &front, packed);
        for piece in [&front[..], packed, &self.hash] {
            self.out.write_all(piece).map_err(failed)?;
            self.written += piece.len() as u64;
        }
        Ok(())
    }

    /// What was written to, and how many bytes it has.
    pub(super) fn finish(self) -> (W, u64) {
        (self.out, self.written)
    }
}

/// Reads a backup's blocks, each only after its hash was compared.
pub(super) struct Reader<R> {
    from: R,
    path: PathBuf,
    hash: Hash,
    at: u64,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// # Errors
    /// [`BackupError::Foreign`] when it does not begin as a backup does.
    pub(super) fn new(mut from: R, path: &Path) -> Result<Self, BackupError> {
        let mut magic = [0; MAGIC.len()];
        match from.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Ok(()) => return Err(BackupError::Foreign(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(BackupError::Foreign(path.to_owned()));
            }
            Err(error) => return Err(BackupError::io("read", path, &error)),
        }
        Ok(Self {
            from,
            path: path.to_owned(),
            hash: first_hash(),
            at: MAGIC.len() as u64,
            packed: Vec::new(),
            unpacked: Vec::new(),
        })
    }

    /// The next block.
    pub(super) fn block(&mut self) -> Result<(Part, &[u8]), BackupError> {
        let mut front = [0; 10];
        self.fill(&mut front)?;
        let length = |bytes: &[u8]| {
            let bytes = <[u8; 4]>::try_from(bytes).unwrap_or_default();
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (unpacked, packed) = (length(&front[2..6]), length(&front[6..]));
        if unpacked > LARGEST || packed > unpacked {
            return Err(self.changed("its length cannot be"));
        }
        let mut bytes = std::mem::take(&mut self.packed);
        bytes.resize(packed, 0);
        let mut hash = [0; 32];
        let read = self.fill(&mut bytes).and_then(|()| self.fill(&mut hash));
        self.packed = bytes;
        read?;
        if chained(&self.hash, &front, &self.packed) != hash {
            return Err(self.changed("its bytes do not have the hash that is written behind them"));
        }
        let part = Part::of(front[0]).ok_or_else(|| self.changed("its kind is not known"))?;
        let unpacking = match front[1] {
            0 => {
                std::mem::swap(&mut self.packed, &mut self.unpacked);
                Ok(())
            }
            1 => zstd::bulk::decompress(&self.packed, unpacked)
                .map(|bytes| self.unpacked = bytes)
                .map_err(|error| error.to_string()),
            other => Err(format!("its method {other} is not known")),
        };
        unpacking.map_err(|why| self.changed(&why))?;
        if self.unpacked.len() != unpacked {
            return Err(self.changed("it has another length than it says"));
        }
        self.hash = hash;
        self.at += (front.len() + packed + hash.len()) as u64;
        Ok((part, &self.unpacked))
    }

    /// After the last block nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), BackupError> {
        let mut more = [0; 1];
        match self.from.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.changed("something was put behind the end")),
            Err(error) => Err(BackupError::io("read", &self.path, &error)),
        }
    }

    /// Bytes read so far, in whole blocks.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The error for a block that is not as it was written.
    pub(super) fn changed(&self, why: &str) -> BackupError {
        BackupError::Changed {
            path: self.path.clone(),
            at: self.at,
            why: why.to_owned(),
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        self.from.read_exact(bytes).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                BackupError::Truncated {
                    path: self.path.clone(),
                    at: std::fs::metadata(&self.path).map_or(self.at, |facts| facts.len()),
                }
            } else {
                BackupError::io("read", &self.path, &error)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn written(blocks: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), Path::new("b")).unwrap();
        writer.block(Part::Head, b"{}").unwrap();
        for block in blocks {
            writer.block(Part::Rows, block).unwrap();
        }
        writer.block(Part::End, b"{}").unwrap();
        writer.finish().0
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, BackupError> {
        let mut reader = Reader::new(bytes, Path::new("b"))?;
        let mut blocks = Vec::new();
        loop {
            match reader.block()? {
                (Part::Head, _) => {}
                (Part::Rows, bytes) => blocks.push(bytes.to_vec()),
                (Part::End, _) => {
                    reader.end()?;
                    return Ok(blocks);
                }
            }
        }
    }

    fn blocks() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let noise = proptest::collection::vec(any::<u8>(), 0..300);
        let even = (any::<u8>(), 0_usize..5_000).prop_map(|(byte, n)| vec![byte; n]);
        proptest::collection::vec(prop_oneof![noise, even], 0..4)
    }

    proptest! {
        #[test]
        fn blocks_come_back_as_they_went(blocks in blocks()) {
            prop_assert_eq!(read(&written(&blocks)).unwrap(), blocks);
        }

        #[test]
        fn any_changed_bit_and_any_cut_is_found(blocks in blocks(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let good = written(&blocks);
            let at = at.index(good.len());
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            prop_assert!(read(&bad).is_err());
            let cut = read(&good[..at]).unwrap_err();
            prop_assert!(matches!(cut, BackupError::Truncated { .. } | BackupError::Foreign(_)), "{cut}");
            let mut longer = good;
            longer.push(7);
            prop_assert!(read(&longer).is_err());
        }
    }

    #[test]
    fn blocks_that_change_places_are_found() {
        let one = written(&[vec![1; 40], vec![2; 40]]);
        let other = written(&[vec![2; 40], vec![1; 40]]);
        // Both blocks are as long; each of them is whole.
        assert_eq!(one.len(), other.len());
        let head = 16 + 10 + 2 + 32;
        let block = (one.len() - head - (10 + 2 + 32)) / 2;
        let mut swapped = one.clone();
        swapped[head..head + block].copy_from_slice(&one[head + block..head + 2 * block]);
        swapped[head + block..head + 2 * block].copy_from_slice(&one[head..head + block]);
        assert!(matches!(read(&swapped), Err(BackupError::Changed { .. })));
    }
}
