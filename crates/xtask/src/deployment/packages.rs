//! A repository of R packages on disk, so that installing can be tried where no other is reached: one small package.

use std::path::{Path, PathBuf};

use super::folder::{open_folder, write_with_mode};
use crate::error::Error;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The package that it offers.
pub const PACKAGE: &str = "gridhello";
const VERSION: &str = "1.0.0";

/// Makes the repository below the nodes' folder, anew each time: some hundred bytes. Answers its folder.
pub fn offer(nodes: &Path) -> Result<PathBuf, Error> {
    let root = nodes.join("repository");
    let contrib = root.join("src/contrib");
    for folder in [&root, &root.join("src"), &contrib] {
        open_folder(folder)?;
    }
    let packed = contrib.join(format!("{PACKAGE}_{VERSION}.tar.gz"));
    let bytes = pack().map_err(Error::file("write", &packed))?;
    std::fs::write(&packed, bytes).map_err(Error::file("write", &packed))?;
    readable(&packed)?;
    let index = format!("Package: {PACKAGE}\nVersion: {VERSION}\nNeedsCompilation: no\n\n");
    write_with_mode(&contrib.join("PACKAGES"), &index, 0o644)?;
    Ok(root)
}

fn readable(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path, all).map_err(Error::file("open", path))
}

/// The package's source, packed as R wants it.
fn pack() -> std::io::Result<Vec<u8>> {
    let about = format!(
        "Package: {PACKAGE}\nVersion: {VERSION}\nTitle: A Greeting from the Grid\nAuthor: Gridhelm\n\
         Maintainer: Gridhelm <gridhelm@example.org>\nDescription: Says on which node it runs.\nLicense: MIT\n\
         NeedsCompilation: no\n"
    );
    let code = "hello <- function() paste(\"Hello from\", Sys.info()[[\"nodename\"]])\n";
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in [
        ("DESCRIPTION", about.as_str()),
        ("NAMESPACE", "export(hello)\n"),
        ("R/hello.R", code),
    ] {
        let mut header = tar::Header::new_gnu();
        // R's own reader knows no other word for a file.
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        archive.append_data(&mut header, format!("{PACKAGE}/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    #[test]
    fn r_installs_what_it_offers() {
        let dir = tempfile::tempdir().unwrap();
        let root = offer(dir.path()).unwrap();
        assert_eq!(offer(dir.path()).unwrap(), root, "made anew");
        let library = dir.path().join("library");
        std::fs::create_dir(&library).unwrap();
        let code = format!(
            "install.packages('{PACKAGE}', lib = '{0}', repos = 'file://{1}'); cat({PACKAGE}::hello())",
            library.display(),
            root.display()
        );
        let said = Command::new("Rscript")
            .args([
                "--vanilla",
                "-e",
                &format!(".libPaths('{}')", library.display()),
            ])
            .args(["-e", &code])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(text.contains("Hello from"), "{text} {said:?}");
    }
}
