//! The Windows Filtering Platform: one filter that lives as long as this process.

use super::Code;
use super::iphlp::check;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::NetworkManagement::WindowsFilteringPlatform::{
    FWP_ACTION_PERMIT, FWP_CONDITION_VALUE0, FWP_CONDITION_VALUE0_0, FWP_EMPTY, FWP_MATCH_EQUAL, FWP_UINT8,
    FWP_UINT16, FWPM_CONDITION_IP_LOCAL_PORT, FWPM_CONDITION_IP_PROTOCOL, FWPM_DISPLAY_DATA0,
    FWPM_FILTER_CONDITION0, FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT, FWPM_FILTER0,
    FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6, FWPM_SESSION_FLAG_DYNAMIC, FWPM_SESSION0, FWPM_SUBLAYER0,
    FwpmEngineClose0, FwpmEngineOpen0, FwpmFilterAdd0, FwpmSubLayerAdd0,
};
use windows_sys::Win32::System::Rpc::RPC_C_AUTHN_WINNT;
use windows_sys::core::GUID;

/// Names our sublayer; it exists only while a session of ours does.
const SUBLAYER: GUID = GUID::from_u128(0x5c1b_6a4e_2f0d_4a7c_9d61_c1a7_0000_0001);

/// An open session. What was added in it goes with it, also when the process is killed.
#[derive(Debug)]
pub(crate) struct Engine(HANDLE);

// SAFETY: a handle is a number that any thread may use.
unsafe impl Send for Engine {}

impl Engine {
    pub(crate) fn open() -> Result<Self, Code> {
        let session = FWPM_SESSION0 { flags: FWPM_SESSION_FLAG_DYNAMIC, ..FWPM_SESSION0::default() };
        let mut engine: HANDLE = std::ptr::null_mut();
        // SAFETY: no server name and no identity: the local engine as the caller.
        check(unsafe {
            FwpmEngineOpen0(
                std::ptr::null(),
                RPC_C_AUTHN_WINNT,
                std::ptr::null(),
                &raw const session,
                &raw mut engine,
            )
        })?;
        Ok(Self(engine))
    }

    /// A sublayer above the firewall's, in which a permission is final.
    pub(crate) fn add_sublayer(&self) -> Result<(), Code> {
        let mut name = super::wide("CLAT Neighbour Discovery");
        let sublayer = FWPM_SUBLAYER0 {
            subLayerKey: SUBLAYER,
            displayData: display(&mut name),
            weight: u16::MAX,
            ..FWPM_SUBLAYER0::default()
        };
        // SAFETY: the structure and its name live during the call; no security descriptor.
        check(unsafe { FwpmSubLayerAdd0(self.0, &raw const sublayer, std::ptr::null_mut()) })
    }

    /// Lets inbound ICMPv6 messages of one type through to whoever listens.
    pub(crate) fn permit_icmpv6(&self, icmp_type: u8) -> Result<(), Code> {
        let mut name = super::wide(&format!("CLAT: ICMPv6 type {icmp_type} in"));
        let mut conditions = [
            condition(FWPM_CONDITION_IP_PROTOCOL, FWP_UINT8, FWP_CONDITION_VALUE0_0 { uint8: 58 }),
            // FWPM_CONDITION_ICMP_TYPE is another name of this.
            condition(
                FWPM_CONDITION_IP_LOCAL_PORT,
                FWP_UINT16,
                FWP_CONDITION_VALUE0_0 { uint16: icmp_type.into() },
            ),
        ];
        let mut filter = FWPM_FILTER0 {
            displayData: display(&mut name),
            flags: FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT,
            layerKey: FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6,
            subLayerKey: SUBLAYER,
            numFilterConditions: conditions.len() as u32,
            filterCondition: conditions.as_mut_ptr(),
            ..FWPM_FILTER0::default()
        };
        filter.weight.r#type = FWP_EMPTY;
        filter.action.r#type = FWP_ACTION_PERMIT;
        // SAFETY: the filter, its conditions and its name live during the call.
        check(unsafe {
            FwpmFilterAdd0(self.0, &raw const filter, std::ptr::null_mut(), std::ptr::null_mut())
        })
    }
}

const fn condition(field: GUID, kind: i32, value: FWP_CONDITION_VALUE0_0) -> FWPM_FILTER_CONDITION0 {
    FWPM_FILTER_CONDITION0 {
        fieldKey: field,
        matchType: FWP_MATCH_EQUAL,
        conditionValue: FWP_CONDITION_VALUE0 { r#type: kind, Anonymous: value },
    }
}

fn display(name: &mut [u16]) -> FWPM_DISPLAY_DATA0 {
    FWPM_DISPLAY_DATA0 { name: name.as_mut_ptr(), description: std::ptr::null_mut() }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: our handle, closed once.
        unsafe { FwpmEngineClose0(self.0) };
    }
}
