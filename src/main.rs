//! Starts the console in the page that loaded it.

fn main() {
    gridhelm_console::start();
}
