//! Ports for the programs that tests start, each given once in the whole machine: several test programs run at a time, and
//! between the look whether a port is free and its use a second may pass.
//!
//! All are below the ports that Linux gives to outgoing connections (32768 and more), so that no client takes one from a server
//! that is being restarted.

use super::{HarnessError, Result};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// The first port of all, how many blocks there are, and how far they are apart.
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 300;
const APART: u16 = 40;
/// Ports of a block that may be used.
const WIDTH: u16 = 32;

/// A block that this process has, for as long as it lives.
struct Block {
    base: u16,
    /// How many of its ports were given singly.
    given: u16,
    /// Whoever has this name has the block; the kernel gives it up with the process, however that ends.
    _name: UnixListener,
}

static BLOCKS_HERE: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// The first of 32 ports in a row that are free now, and that nobody else was given or will be while this process lives.
///
/// # Errors
/// When there are none between 20000 and 32000.
pub fn block() -> Result<u16> {
    let block = take()?;
    let base = block.base;
    let mut here = BLOCKS_HERE.lock().unwrap_or_else(PoisonError::into_inner);
    here.push(Block {
        given: WIDTH,
        ..block
    });
    Ok(base)
}

/// One such port.
///
/// # Errors
/// As [`block`].
pub fn one() -> Result<u16> {
    let mut here = BLOCKS_HERE.lock().unwrap_or_else(PoisonError::into_inner);
    if !here.iter().any(|block| block.given < WIDTH) {
        here.push(take()?);
    }
    let open = here.iter_mut().find(|block| block.given < WIDTH);
    let block = open.ok_or_else(|| HarnessError::new("no block of ports"))?;
    block.given += 1;
    Ok(block.base + block.given - 1)
}

fn take() -> Result<Block> {
    // Programs that start together look at different ones first.
    let seed = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
    (0..BLOCKS)
        .map(|i| FIRST + ((seed + i) % BLOCKS) * APART)
        .find_map(|base| {
            let name = reserve(base)?;
            let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
            (base..base + WIDTH).all(free).then_some(Block {
                base,
                given: 0,
                _name: name,
            })
        })
        .ok_or_else(|| HarnessError::new("no 32 free ports in a row between 20000 and 32000"))
}

/// A block's name in the kernel's own table, which has no file; `None` if somebody has it.
fn reserve(base: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("gridhelm-ports-{base}")).ok()?;
    UnixListener::bind_addr(&name).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nothing_is_given_twice() {
        let mut given = BTreeSet::new();
        for _ in 0..3 {
            let base = block().unwrap();
            assert!((base..base + WIDTH).all(|port| given.insert(port)));
        }
        for _ in 0..2 * WIDTH {
            assert!(given.insert(one().unwrap()));
        }
    }

    #[test]
    fn a_block_that_somebody_has_is_left() {
        let base = block().unwrap();
        assert!(reserve(base).is_none());
    }
}
