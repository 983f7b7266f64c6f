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
const TRUSTED: [&str; 7] = [
    "SY",
    "BA",
    "LA",
    // Whoever creates or owns it: only ever inherited by others, and the owner is looked at by itself.
    "CO",
    "OW",
    // TrustedInstaller
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
    "S-1-5-18",
];

/// Rights that let somebody take over what they are for: delete it, change its list or its owner, all.
const TAKING: u32 = 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000;

/// What a descriptor is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A file or folder whose contents count: nobody may write data, append (or make folders), or delete a child.
    Contents,
    /// A folder above it: nobody may rename it, or delete or rename what is in it. Adding to it does no harm.
    Above,
    /// The root of a volume, which cannot be renamed.
    Root,
}

impl Of {
    const fn rights(self) -> u32 {
        match self {
            Self::Contents => TAKING | 0x2 | 0x4 | 0x40 | 0x4000_0000,
            Self::Above => TAKING | 0x40,
            Self::Root => (TAKING & !0x1_0000) | 0x40,
        }
    }
}

/// The rights of the language (`ACE_STRING`s of sddl.h) with their bits. Those of directory services are how the system
/// writes the single bits of a file's mask.
const RIGHTS: [(&str, u32); 25] = [
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("RC", 0x2_0000),
    ("SD", 0x1_0000),
    ("WD", 0x4_0000),
    ("WO", 0x8_0000),
    ("CC", 0x1),
    ("DC", 0x2),
    ("LC", 0x4),
    ("SW", 0x8),
    ("RP", 0x10),
    ("WP", 0x20),
    ("DT", 0x40),
    ("LO", 0x80),
    ("CR", 0x100),
    ("FA", 0x1f_01ff),
    ("FR", 0x12_0089),
    ("FW", 0x12_0116),
    ("FX", 0x12_00a0),
    ("KA", 0xf_003f),
    ("KR", 0x2_0019),
    ("KW", 0x2_0006),
    ("KX", 0x2_0019),
];

/// The first one in a descriptor who may do what nobody should, by name or SID.
///
/// The owner counts: an owner may always change the list.
#[must_use]
pub fn writer(descriptor: &str, of: Of) -> Option<String> {
    let owner = section(descriptor, "O:").filter(|o| !trusted(o)).map(str::to_owned);
    // A list that is not there lets everybody in, and the system says so in a word.
    let dacl = section(descriptor, "D:").filter(|list| !list.contains("NO_ACCESS_CONTROL"));
    let Some(dacl) = dacl else {
        return Some("everyone, as it has no access list,".into());
    };
    let aces = dacl.split('(').skip(1).filter_map(|a| a.split(')').next());
    owner.or_else(|| aces.filter_map(|ace| ace_writer(ace, of.rights())).next())
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

/// Whom an entry gives one of these rights, unless we trust them.
fn ace_writer(ace: &str, rights: u32) -> Option<String> {
    let fields: Vec<&str> = ace.split(';').collect();
    let [kind, flags, granted, _, _, who, ..] = fields.as_slice() else { return None };
    // "Inherit only" says nothing about the object itself.
    let counts = matches!(*kind, "A" | "XA") && !words(flags).any(|f| f == "IO");
    (counts && mask(granted) & rights != 0 && !trusted(who)).then(|| (*who).to_owned())
}

/// The bits of an entry's rights; all of them where we do not know a word.
fn mask(granted: &str) -> u32 {
    match granted.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap_or(u32::MAX),
        None => words(granted).fold(0, |bits, word| {
            bits | RIGHTS.iter().find(|(name, _)| *name == word).map_or(u32::MAX, |(_, bits)| *bits)
        }),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    (0..text.len()).step_by(2).filter_map(|at| text.get(at..at + 2))
}

fn trusted(who: &str) -> bool {
    TRUSTED.contains(&who)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(descriptor: &str) -> Option<String> {
        super::writer(descriptor, Of::Contents)
    }

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
        assert_eq!(writer(descriptor).as_deref(), Some("BU"));
    }

    #[test]
    fn no_list_lets_everybody_in() {
        assert!(writer("O:BAG:BA").is_some());
    }

    #[test]
    fn a_denial_is_no_permission() {
        assert_eq!(writer("O:BAG:BAD:(D;;FA;;;BU)(A;;FA;;;BA)"), None);
    }
    #[test]
    fn a_list_that_is_null_lets_everybody_in() {
        assert!(writer("O:BAG:BAD:NO_ACCESS_CONTROL").is_some());
    }

    #[test]
    fn single_bits_are_written_with_the_words_of_directory_services() {
        for (word, what) in [("DC", "add files"), ("LC", "add folders"), ("DT", "delete what is in it")] {
            let descriptor = format!("O:BAG:BAD:(A;;{word};;;BU)");
            assert_eq!(writer(&descriptor).as_deref(), Some("BU"), "users may {what}");
        }
        for word in ["CC", "FR", "FRFX", "LO", "RC", "0x1200a9"] {
            assert_eq!(writer(&format!("O:BAG:BAD:(A;;{word};;;BU)")), None, "{word} is reading");
        }
        assert_eq!(writer("O:BAG:BAD:(A;;QQ;;;BU)").as_deref(), Some("BU"), "a word that is not known");
    }

    #[test]
    fn a_folder_above_may_be_added_to_but_not_renamed() {
        let above = |rights: &str, of| super::writer(&format!("O:BAG:BAD:(A;;{rights};;;AU)"), of);
        // What Windows gives everybody in the root of the system's volume.
        assert_eq!(above("LC", Of::Root), None);
        assert_eq!(above("LC", Of::Above), None);
        // "Modify", which a folder inherits that is made in that root.
        assert_eq!(above("0x1301bf", Of::Above).as_deref(), Some("AU"));
        assert_eq!(above("0x1301bf", Of::Root), None, "a root has no name to change");
        for of in [Of::Above, Of::Root] {
            assert_eq!(above("DT", of).as_deref(), Some("AU"), "the folder in it can be replaced");
            assert_eq!(above("FA", of).as_deref(), Some("AU"));
        }
    }
}
