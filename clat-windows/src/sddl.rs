//! Who may do what, in the security descriptor language, and what a descriptor of a folder allows.

/// The folder of journal, secret and configuration: the system and administrators.
pub const STATE_FOLDER: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// The pipe that takes every request: the system and elevated administrators.
pub const CONTROL_PIPE: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)S:(ML;;NWNRNX;;;HI)";

/// The pipe that only tells: every user who has logged on may ask, nobody else may serve. The right to create an
/// instance (0x4) stays with administrators.
pub const STATUS_PIPE: &str = "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x12008b;;;AU)";

/// What a client of the status pipe asks for: `FILE_GENERIC_READ` and `FILE_WRITE_DATA`, and no more than is granted.
pub const CLIENT_ACCESS: u32 = 0x12_0089 | 0x2;

const _: () = assert!(CLIENT_ACCESS == 0x12_008b);

/// Those whom a program of the system's may trust not to replace it.
const TRUSTED: [&str; 5] = [
    "SY",
    "BA",
    "LA",
    // TrustedInstaller
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "S-1-5-18",
];

/// Rights that let somebody put another file in a place or take over a folder: write data, append, delete child,
/// delete, change the list or the owner, and the generic rights that include them.
const WRITING: u32 = 0x2 | 0x4 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000;

/// Two-letter rights of the language, as far as they let somebody write.
const WRITING_WORDS: [&str; 10] = ["GA", "GW", "FA", "FW", "KA", "WD", "WO", "SD", "DC", "CC"];

/// The first one in a folder's descriptor who may write there and should not, by name or SID.
///
/// The owner counts: an owner may always change the list.
#[must_use]
pub fn writer(descriptor: &str) -> Option<String> {
    let owner = section(descriptor, "O:").filter(|o| !trusted(o)).map(str::to_owned);
    let Some(dacl) = section(descriptor, "D:") else {
        return Some("everyone: the folder has no access list".into());
    };
    let aces = dacl.split('(').skip(1).filter_map(|a| a.split(')').next());
    owner.or_else(|| aces.filter_map(ace_writer).next())
}

/// The text after `name` up to the next section.
fn section<'a>(descriptor: &'a str, name: &str) -> Option<&'a str> {
    let start = descriptor.find(name)? + name.len();
    let rest = descriptor.get(start..)?;
    let end = ["O:", "G:", "D:", "S:"]
        .iter()
        .filter_map(|next| rest.match_indices(next).map(|(at, _)| at).find(|at| depth(rest, *at) == 0))
        .min();
    rest.get(..end.unwrap_or(rest.len()))
}

fn depth(text: &str, at: usize) -> i32 {
    text.bytes().take(at).map(|b| i32::from(b == b'(') - i32::from(b == b')')).sum()
}

/// Whom an entry lets write, unless we trust them.
fn ace_writer(ace: &str) -> Option<String> {
    let fields: Vec<&str> = ace.split(';').collect();
    let [kind, flags, rights, _, _, who, ..] = fields.as_slice() else { return None };
    // "Inherit only" says nothing about the folder itself; creator owner only ever appears so.
    let counts = matches!(*kind, "A" | "XA") && !words(flags).any(|f| f == "IO");
    (counts && writes(rights) && !trusted(who)).then(|| (*who).to_owned())
}

fn writes(rights: &str) -> bool {
    match rights.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).is_ok_and(|bits| bits & WRITING != 0),
        None => words(rights).any(|word| WRITING_WORDS.contains(&word)),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    (0..text.len()).step_by(2).filter_map(|at| text.get(at..at + 2))
}

fn trusted(who: &str) -> bool {
    TRUSTED.contains(&who) || who == "CO"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_folder_is_ours_alone() {
        assert_eq!(writer(&format!("O:BAG:BA{STATE_FOLDER}")), None);
    }

    #[test]
    fn program_files_is_trusted() {
        // C:\Program Files of Windows 10 22H2.
        let descriptor = "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:SYD:PAI\
            (A;;FA;;;S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464)(A;CIIO;GA;;;SY)(A;;0x1301bf;;;SY)\
            (A;OICIIO;GA;;;SY)(A;;0x1301bf;;;BA)(A;OICIIO;GA;;;BA)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)\
            (A;OICIIO;GA;;;CO)(A;;0x1200a9;;;AC)(A;OICIIO;GXGR;;;AC)";
        assert_eq!(writer(descriptor), None);
    }

    #[test]
    fn a_folder_on_the_users_desktop_is_not() {
        let user = "S-1-5-21-1-2-3-1001";
        let descriptor =
            format!("O:BAG:{user}D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;FA;;;{user})");
        assert_eq!(writer(&descriptor).as_deref(), Some(user));
    }

    #[test]
    fn an_owner_may_change_the_list() {
        assert_eq!(writer("O:BUG:BAD:(A;;FA;;;BA)").as_deref(), Some("BU"));
    }

    #[test]
    fn the_root_of_a_drive_lets_users_make_folders() {
        let descriptor = "O:SYG:SYD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CIIO;DC;;;BU)\
            (A;;0x1301bf;;;AU)";
        assert_eq!(writer(descriptor).as_deref(), Some("AU"));
    }

    #[test]
    fn no_list_lets_everybody_in() {
        assert!(writer("O:BAG:BA").is_some());
    }

    #[test]
    fn a_denial_is_no_permission() {
        assert_eq!(writer("O:BAG:BAD:(D;;FA;;;BU)(A;;FA;;;BA)"), None);
    }
}
