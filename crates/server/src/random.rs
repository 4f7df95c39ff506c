//! Random text from the operating system.

/// `bytes` random bytes (at most 32) as lower-case hexadecimal.
pub fn hex(bytes: usize) -> Result<String, getrandom::Error> {
    let mut buffer = [0_u8; 32];
    let part = &mut buffer[..bytes.min(32)];
    getrandom::fill(part)?;
    Ok(to_hex(part))
}

/// A password for people: 20 letters and digits that cannot be mistaken for each other (100 bits), in
/// groups of five.
pub fn password() -> Result<String, getrandom::Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut buffer = [0_u8; 20];
    getrandom::fill(&mut buffer)?;
    let mut text = String::with_capacity(23);
    for (i, byte) in buffer.iter().enumerate() {
        if i > 0 && i % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(text)
}

/// Bytes as lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| {
            [
                char::from(DIGITS[usize::from(b >> 4)]),
                char::from(DIGITS[usize::from(b & 15)]),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn random_texts_have_their_form_and_differ() {
        let (a, b) = (hex(16).unwrap(), hex(16).unwrap());
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
        let p = password().unwrap();
        assert_eq!(p.len(), 23);
        assert_ne!(p, password().unwrap());
        assert_eq!(to_hex(&[0, 15, 255]), "000fff");
    }
}
