//! Ctrl-C, SIGTERM and SIGHUP as a question: "should we stop?".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// Counts the signals that asked us to stop. The first asks for an orderly stop, the second for a hasty one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Listens for the signals from now on.
    pub fn listen() -> Result<Self, Error> {
        let stop = Self::default();
        let count = Arc::clone(&stop.0);
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(Error::file("listen for signals of", "this process"))?;
        std::thread::spawn(move || {
            for _ in signals.forever() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(stop)
    }

    /// A signal has come.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// A second signal has come: end at once.
    pub fn hasty(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }

    /// An error when a signal has come; for loops that wait.
    pub fn check(&self) -> Result<(), Error> {
        if self.asked() {
            Err(Error::Stopped)
        } else {
            Ok(())
        }
    }
}
