//! Imports (`import`): each line of a part is taken or refused, once, and what is taken is well formed; written out again as
//! RFC 4180 says, it is read as the same.
//!
//! Input: a part.

use std::fmt::Write as _;

use enishi::fuzzed::import_lines;

pub(crate) fn check(data: &[u8]) {
    let Ok((taken, refused)) = import_lines(data) else { return };
    let mut numbers: Vec<u32> = taken.iter().map(|(number, ..)| *number).chain(refused).collect();
    let all = numbers.len();
    assert!(all > 0);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "each line once");
    let ends = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(numbers.last().is_none_or(|last| *last as usize <= ends + 1));
    assert!(taken.is_sorted_by_key(|(number, ..)| *number));
    if taken.is_empty() {
        return;
    }
    let mut written = String::from("member_id,line_user_id\n");
    for (_, member, user) in &taken {
        assert!(!member.is_empty() && !member.contains(char::is_control), "a member id");
        assert!(user.len() == 33 && user.starts_with('U'), "a LINE user id");
        writeln!(written, "\"{}\",{user}", member.replace('"', "\"\"")).expect("a String takes all");
    }
    let (again, refused) = import_lines(written.as_bytes()).expect("what was taken is read");
    assert!(refused.is_empty());
    let plain = |lines: &[(u32, String, String)]| -> Vec<(String, String)> {
        lines.iter().map(|(_, member, user)| (member.clone(), user.clone())).collect()
    };
    assert_eq!(plain(&again), plain(&taken));
}
