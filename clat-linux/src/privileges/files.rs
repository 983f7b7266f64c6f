//! Landlock: the files that a running CLAT may touch.

use super::{Missing, Needs};
use crate::resolvers;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus, path_beneath_rules,
};

/// The newest rights that were tried; an older kernel checks those that it knows.
const RIGHTS: ABI = ABI::V5;
/// Forwarding, router discovery and proxied answers are switched here.
const SWITCHES: &str = "/proc/sys/net/ipv6";
/// A device is opened anew after a change of the configuration.
const DEVICES: [&str; 2] = ["/dev/net/tun", "/dev/null"];
/// Names of files that hold lists without a secret, beside what [`Needs`] names.
const READ: [&str; 2] = ["/run/systemd/netif/links", "/run/NetworkManager/devices"];

/// Closes the file system. What is missing is returned.
pub(super) fn close(needs: &Needs) -> Option<Missing> {
    match restrict(needs) {
        Ok(RulesetStatus::FullyEnforced) => None,
        Ok(RulesetStatus::PartiallyEnforced) => Some(
            "landlock of this kernel is older than the program: some kinds of file access are not limited"
                .into(),
        ),
        Ok(RulesetStatus::NotEnforced) => {
            Some("this kernel has no landlock: the program could touch any file of its user".into())
        }
        Err(error) => {
            Some(format!("landlock failed ({error}): the program could touch any file of its user"))
        }
    }
}

fn restrict(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let switch = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let state: BitFlags<AccessFs> = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeSock
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    // Handled and never allowed: no TCP connection goes out of this program.
    let ruleset: RulesetCreated = Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?;
    let status = ruleset
        .add_rules(path_beneath_rules(&needs.write, state))?
        .add_rules(path_beneath_rules(&needs.read, read))?
        .add_rules(path_beneath_rules(&needs.empty, BitFlags::from(AccessFs::RemoveDir)))?
        .add_rules(path_beneath_rules(READ, read))?
        .add_rules(path_beneath_rules(resolvers::places(), read))?
        .add_rules(path_beneath_rules([SWITCHES], switch))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .restrict_self()?;
    Ok(status.ruleset)
}
