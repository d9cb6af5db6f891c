//! A run folder that was damaged anywhere is an error or is read as far as it goes: what the fuzz target `run_folder` does, with
//! a hundred and fifty damages of a folder that was recorded.

#[allow(unreachable_pub, reason = "a fuzz target has the module too")]
#[path = "../../fuzz/fuzz_targets/folder.rs"]
mod folder;

/// SplitMix64 (Steele, Lea & Flood 2014).
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}

/// What numbers are replaced by.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1e999",
    "1e300",
    "-0.5",
    "18446744073709551615",
    "9007199254740992",
    "null",
    "{}",
];

#[test]
fn a_folder_that_is_damaged_anywhere_is_an_error_or_is_read_as_far_as_it_goes() {
    let whole = folder::recorded();
    folder::read(&whole);
    for damage in 0..150_u64 {
        let mut state = damage;
        let mut bytes = whole.clone();
        for _ in 0..=random(&mut state) % 3 {
            let at = random(&mut state) % bytes.len();
            match random(&mut state) % 5 {
                // A number becomes another one, or something else.
                0 | 1 => {
                    let is_number = |byte: &u8| byte.is_ascii_digit();
                    let Some(from) = bytes[at..].iter().position(is_number) else {
                        continue;
                    };
                    let from = at + from;
                    let length = bytes[from..].iter().position(|byte| !is_number(byte));
                    let to = from + length.unwrap_or(bytes.len() - from);
                    let number = NUMBERS[random(&mut state) % NUMBERS.len()];
                    bytes.splice(from..to, number.bytes());
                }
                2 => bytes[at] = random(&mut state) as u8,
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let to = (at + random(&mut state) % 200).min(bytes.len());
                    bytes.drain(at..to.min(at + bytes.len() - 1));
                }
            }
        }
        folder::read(&bytes);
    }
}
