//! A small statistical model of identifiers and paths, such as `getObjectMetadata` or `docs/Web/API/HTMLElement`, which
//! distinguishes them from random characters.
//!
//! In identifiers, capitals, digits and slashes mark the start and end of words, and letters are as frequent as in words.
//! The numbers are rounded estimates; none was trained on files.

/// The classes of characters in a name.
#[derive(Clone, Copy)]
enum CharClass {
    Upper,
    Lower,
    Digit,
    Sign,
}

/// The number of classes.
const CLASS_COUNT: usize = 4;
/// Of a hundred names, how many start with a character of each class.
const FIRST_CLASS_PERCENT: [f64; CLASS_COUNT] = [40.0, 50.0, 5.0, 5.0];
/// Of a hundred characters after one of the row's class, how many are of each class.
const NEXT_CLASS_PERCENT: [[f64; CLASS_COUNT]; CLASS_COUNT] =
    [[30.0, 63.0, 3.0, 4.0], [14.0, 79.0, 3.0, 4.0], [28.0, 20.0, 32.0, 20.0], [40.0, 50.0, 8.0, 2.0]];
/// How often each letter occurs in identifiers, and the sum of these numbers.
const LETTER_FREQUENCIES: [f64; 26] = [
    74.0, 18.0, 45.0, 36.0, 118.0, 24.0, 22.0, 20.0, 70.0, 4.0, 10.0, 44.0, 32.0, 66.0, 66.0, 34.0, 4.0,
    68.0, 66.0, 86.0, 32.0, 14.0, 14.0, 9.0, 18.0, 6.0,
];
const LETTER_TOTAL: f64 = 1000.0;
/// The number of different characters in random Base64.
const ALPHABET: f64 = 64.0;

/// Returns how many times likelier a token is as a name or a path than as random characters.
pub fn written_odds(run: &[u8]) -> f64 {
    let mut before = None;
    run.iter().fold(1.0, |odds, &byte| {
        let kind = char_class(byte);
        let kinds =
            before.map_or(FIRST_CLASS_PERCENT, |before: CharClass| NEXT_CLASS_PERCENT[before as usize]);
        before = Some(kind);
        odds * ALPHABET * kinds[kind as usize] / 100.0 * frequency_in_class(byte)
    })
}

/// Returns the frequency of a character within its class.
fn frequency_in_class(byte: u8) -> f64 {
    match byte {
        b'A'..=b'Z' => LETTER_FREQUENCIES[usize::from(byte - b'A')] / LETTER_TOTAL,
        b'a'..=b'z' => LETTER_FREQUENCIES[usize::from(byte - b'a')] / LETTER_TOTAL,
        b'0'..=b'9' => 0.1,
        b'/' => 0.9,
        _ => 0.1,
    }
}

fn char_class(byte: u8) -> CharClass {
    match byte {
        b'A'..=b'Z' => CharClass::Upper,
        b'a'..=b'z' => CharClass::Lower,
        b'0'..=b'9' => CharClass::Digit,
        _ => CharClass::Sign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_shares_out_exactly_one() {
        // Otherwise the bound on how many random runs look written would not hold.
        assert_eq!(LETTER_FREQUENCIES.iter().sum::<f64>(), LETTER_TOTAL);
        assert_eq!(FIRST_CLASS_PERCENT.iter().sum::<f64>(), 100.0);
        NEXT_CLASS_PERCENT.iter().for_each(|row| assert_eq!(row.iter().sum::<f64>(), 100.0));
    }

    #[test]
    fn words_are_likelier_written_than_random() {
        assert!(written_odds(b"DisplayHelpOnMissingArgumentOrSubcommand") > 1e9);
        assert!(written_odds(b"com/RustCrypto/KDFs/workflows/hkdf/badge") > 1e6);
        assert!(written_odds(b"HnyTfnHMPkQzAWMJXoDawPg5imwhM3kN2Qo5CzSA") < 1e-9);
    }
}
