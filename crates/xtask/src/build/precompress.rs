//! Compressed twins beside the console's files, so that a host can send them as they are: `x.br` (brotli 11) and `x.gz` (gzip 9).

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What is worth compressing. Fonts and pictures are compressed already.
const KINDS: [&str; 7] = ["wasm", "js", "css", "html", "svg", "json", "webmanifest"];
/// Files smaller than this many bytes fit into one packet anyway.
const SMALLEST: usize = 256;
/// Brotli's window as a power of two: 4 MiB, more than the whole console.
const WINDOW_BITS: u32 = 22;

/// Sizes before and after, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// As they are.
    pub plain: usize,
    /// With brotli.
    pub brotli: usize,
    /// With gzip.
    pub gzip: usize,
}

impl fmt::Display for Sizes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} bytes, brotli {}, gzip {}",
            self.plain, self.brotli, self.gzip
        )
    }
}

/// Writes the twins of all files below `folder` that are worth it.
pub fn folder(folder: &Path) -> Result<Sizes, Error> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    // Brotli at its best is slow: a thread a file.
    std::thread::scope(|scope| {
        let workers: Vec<_> = files
            .iter()
            .map(|path| scope.spawn(move || twins(path)))
            .collect();
        workers
            .into_iter()
            .try_fold(Sizes::default(), |sum, worker| {
                let one = worker
                    .join()
                    .unwrap_or_else(|_| Err(Error::Usage("a compressing thread failed".into())))?;
                Ok(Sizes {
                    plain: sum.plain + one.plain,
                    brotli: sum.brotli + one.brotli,
                    gzip: sum.gzip + one.gzip,
                })
            })
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder)
        .map_err(Error::file("read", folder))?
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| KINDS.iter().any(|kind| extension == *kind))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn twins(path: &Path) -> Result<Sizes, Error> {
    let plain = std::fs::read(path).map_err(Error::file("read", path))?;
    let mut sizes = Sizes {
        plain: plain.len(),
        brotli: plain.len(),
        gzip: plain.len(),
    };
    if plain.len() < SMALLEST {
        return Ok(sizes);
    }
    let brotli = brotli(&plain).map_err(Error::file("compress", path))?;
    let gzip = gzip(&plain).map_err(Error::file("compress", path))?;
    for (extension, bytes, size) in [
        ("br", brotli, &mut sizes.brotli),
        ("gz", gzip, &mut sizes.gzip),
    ] {
        if bytes.len() < plain.len() {
            let twin = PathBuf::from(format!("{}.{extension}", path.display()));
            std::fs::write(&twin, &bytes).map_err(Error::file("write", &twin))?;
            *size = bytes.len();
        }
    }
    Ok(sizes)
}

fn brotli(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 11, WINDOW_BITS);
    compressor.write_all(plain)?;
    compressor.flush()?;
    Ok(compressor.into_inner())
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    compressor.write_all(plain)?;
    compressor.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Read as _;

    #[test]
    fn twins_hold_the_same_content() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("assets");
        std::fs::create_dir(&inner).unwrap();
        let text = "let grid = 1;\n".repeat(400);
        std::fs::write(inner.join("app.js"), &text).unwrap();
        std::fs::write(root.path().join("tiny.css"), "a{}").unwrap();
        std::fs::write(root.path().join("font.woff2"), vec![7; 4096]).unwrap();
        let sizes = folder(root.path()).unwrap();
        assert!(
            sizes.brotli < sizes.gzip && sizes.gzip < sizes.plain,
            "{sizes}"
        );
        let mut back = String::new();
        let packed = std::fs::read(inner.join("app.js.br")).unwrap();
        brotli::Decompressor::new(packed.as_slice(), 4096)
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text);
        let mut back = String::new();
        let packed = std::fs::read(inner.join("app.js.gz")).unwrap();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text);
        for absent in ["tiny.css.br", "tiny.css.gz", "font.woff2.br"] {
            assert!(!root.path().join(absent).exists(), "{absent}");
        }
    }
}
