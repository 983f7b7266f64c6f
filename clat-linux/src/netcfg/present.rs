//! Whether what was set is still there: routes and entries fall with a link, with IPv6, or by somebody's hand.

use super::{Change, NetCfg, NetcfgError, OWNER, route, same_slot};
use clat_engine::{AddressRole, Step};

impl NetCfg {
    /// Whether the kernel still has what a change added. Changes of a value, and what was there before, always count
    /// as there: whoever changed them since knows better.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn holds(&mut self, change: &Change) -> Result<bool, NetcfgError> {
        if change.present || self.is_of_another(change)? {
            return Ok(true);
        }
        let ifindex = change.ifindex;
        Ok(match change.step {
            Step::AddRoute { .. } => {
                let Some(wanted) = route(change) else { return Ok(true) };
                let routes = self.netlink.routes()?;
                routes.iter().any(|r| same_slot(r, &wanted) && r.ifindex == ifindex && r.owner == OWNER)
            }
            Step::AddAddress { addr, role: AddressRole::Host, .. } => {
                self.netlink.addresses()?.iter().any(|a| a.ifindex == ifindex && a.address == addr)
            }
            Step::ProxyNeighbour { addr, .. } => {
                self.netlink.proxies()?.iter().any(|p| p.ifindex == ifindex && p.address == addr)
            }
            // Switches and values, what is there for a moment only, and what ends with its holder.
            Step::OpenDevice
            | Step::SetMtu { .. }
            | Step::SetLinkUp { .. }
            | Step::AddAddress { .. }
            | Step::SetForwarding { .. }
            | Step::JoinGroup { .. }
            | Step::AllowNeighbourDiscovery { .. }
            | _ => true,
        })
    }
}
