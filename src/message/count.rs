//! How long a text is to LINE: UTF-16 code units, and in labels, titles and the like grapheme clusters ("Character counting
//! in a text", LINE).
//!
//! Clusters are counted without Unicode's tables, which would be a good part of the wasm: exactly for Japanese, Chinese, Korean,
//! Latin, Greek, Cyrillic and Thai letters and for emoji, and for scripts of India rather too few than too many. So a text that
//! LINE takes is not refused here, and where the count is short of LINE's, LINE has the last word.

/// UTF-16 code units.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Grapheme clusters.
pub(super) fn clusters(text: &str) -> usize {
    let (mut count, mut before) = (0, None);
    let mut flags = 0_usize;
    for now in text.chars() {
        let is_flag = matches!(now, '\u{1F1E6}'..='\u{1F1FF}');
        let goes_on = match before {
            None | Some('\n') => false,
            Some('\r') => now == '\n',
            // A joiner holds emoji together, and no letters.
            Some('\u{200D}') => is_pictograph(now) || extends(now),
            Some(before) => {
                extends(now)
                    || (is_flag && flags % 2 == 1)
                    || is_conjunct(before, now)
                    || is_hangul_pair(before, now)
            }
        };
        flags = if is_flag { flags + 1 } else { 0 };
        count += usize::from(!goes_on);
        before = Some(now);
    }
    count
}

/// Whether it belongs to the character before it: marks, joiners, variation selectors, skin tones, tags.
fn extends(now: char) -> bool {
    let code = u32::from(now);
    if INDIA.contains(&code) {
        // The blocks of India's scripts are laid out alike.
        return matches!(code % 0x80, 0x00..=0x03 | 0x3A..=0x3C | 0x3E..=0x4F | 0x51..=0x57 | 0x62..=0x63);
    }
    matches!(
        code,
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05BD | 0x0610..=0x061A | 0x064B..=0x065F | 0x0670
            | 0x0E31 | 0x0E33..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1 | 0x0EB3..=0x0EBC | 0x0EC8..=0x0ECE
            | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200C..=0x200D | 0x20D0..=0x20F0 | 0x302A..=0x302F
            | 0x3099..=0x309A | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0xFF9E..=0xFF9F | 0x1F3FB..=0x1F3FF
            | 0xE0020..=0xE007F | 0xE0100..=0xE01EF
    )
}

/// The blocks of India's scripts.
const INDIA: std::ops::Range<u32> = 0x0900..0x0E00;

/// A letter after a virama, which binds it to the letter before.
fn is_conjunct(before: char, now: char) -> bool {
    let (before, now) = (u32::from(before), u32::from(now));
    INDIA.contains(&before) && before % 0x80 == 0x4D && INDIA.contains(&now)
}

fn is_pictograph(now: char) -> bool {
    matches!(
        u32::from(now),
        0x00A9 | 0x00AE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21AA | 0x231A..=0x23FF | 0x24C2
            | 0x25AA..=0x25FE | 0x2600..=0x27BF | 0x2934..=0x2935 | 0x2B05..=0x2B55 | 0x3030 | 0x303D
            | 0x3297 | 0x3299 | 0x1F000..=0x1FAFF
    )
}

/// Parts of one Korean syllable: a leading consonant before a vowel, either before a final consonant.
fn is_hangul_pair(before: char, now: char) -> bool {
    let is_whole = |code: u32| (0xAC00..=0xD7A3).contains(&code);
    let (before, now) = (u32::from(before), u32::from(now));
    match before {
        0x1100..=0x115F => matches!(now, 0x1100..=0x11A7) || is_whole(now),
        0x1160..=0x11A7 => matches!(now, 0x1160..=0x11FF),
        0x11A8..=0x11FF => matches!(now, 0x11A8..=0x11FF),
        whole if is_whole(whole) && (whole - 0xAC00) % 28 == 0 => matches!(now, 0x1160..=0x11FF),
        whole if is_whole(whole) => matches!(now, 0x11A8..=0x11FF),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;

    const PIECES: [&str; 40] = [
        "a",
        "é",
        "e\u{301}",
        "花",
        "子",
        "が",
        "か\u{3099}",
        "ｶﾞ",
        "ｶ",
        "ー",
        "。",
        "🍎",
        "👨‍👩‍👧",
        "👍🏽",
        "🇯🇵",
        "🇫🇷",
        "1️⃣",
        "☺️",
        "❤️‍🔥",
        "한",
        "\u{1112}\u{1161}\u{11AB}",
        "가\u{11A8}",
        "Я",
        "й",
        "ά",
        "ก",
        "กำ",
        "ที่",
        "\r\n",
        "\n",
        " ",
        "$",
        "©",
        "™",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "葛\u{E0100}",
        "1\u{20E3}",
        "🧑🏿‍🚀",
        "漢",
        "ñ",
    ];

    #[test]
    fn clusters_are_counted_as_unicode_does_in_the_scripts_of_customers() {
        for first in PIECES {
            for second in PIECES {
                for third in PIECES {
                    let text = format!("{first}{second}{third}");
                    assert_eq!(clusters(&text), text.graphemes(true).count(), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn in_indian_scripts_rather_too_few_are_counted() {
        for text in ["नमस्ते", "क्षेत्र", "বাংলা", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી"]
        {
            assert!(clusters(text) <= text.graphemes(true).count(), "{text}");
            assert!(clusters(text) > 0);
        }
    }

    #[test]
    fn an_emoji_is_two_units_and_one_cluster() {
        assert_eq!((units("🍎"), clusters("🍎")), (2, 1));
        assert_eq!((units(""), clusters("")), (0, 0));
    }
}
