/* Interface settings: forwarding is Linux's force_forwarding (6.17), which like Windows' is per interface. */
#include "standin.h"
#include <stdio.h>

void WINAPI xInitializeIpInterfaceEntry(PMIB_IPINTERFACE_ROW r)
{
    ZeroMemory(r, sizeof *r);
    /* A mark: unchanged values are told from forgotten ones. */
    r->SitePrefixLength = 0xff;
}

DWORD WINAPI xGetIpInterfaceEntry(PMIB_IPINTERFACE_ROW r)
{
    char name[64];
    if (r->Family != AF_INET && r->Family != AF_INET6)
        return violation("GetIpInterfaceEntry: family %u", r->Family);
    if (!name_of(name, &r->InterfaceLuid, r->InterfaceIndex))
        return ERROR_NOT_FOUND;
    if (r->Family == AF_INET6 && ask("cat /proc/sys/net/ipv6/conf/%s/disable_ipv6", name) != 0)
        return ERROR_NOT_FOUND;
    ConvertInterfaceLuidToIndex(&r->InterfaceLuid, &r->InterfaceIndex);
    r->Connected = TRUE;
    r->Metric = 25;
    r->UseAutomaticMetric = TRUE;
    r->SupportsNeighborDiscovery = TRUE;
    r->SupportsRouterDiscovery = TRUE;
    if (r->Family == AF_INET6) {
        r->SitePrefixLength = 64;
        r->NlMtu = ask("cat /proc/sys/net/ipv6/conf/%s/mtu", name);
        r->ForwardingEnabled = ask("cat /proc/sys/net/ipv6/conf/%s/force_forwarding", name) > 0;
        r->RouterDiscoveryBehavior =
            ask("cat /proc/sys/net/ipv6/conf/%s/accept_ra", name) > 0 ? RouterDiscoveryEnabled : RouterDiscoveryDisabled;
        r->DadTransmits = ask("cat /proc/sys/net/ipv6/conf/%s/dad_transmits", name);
    } else {
        /* What Windows returns and then refuses. */
        r->SitePrefixLength = 64;
        r->NlMtu = v4_mtu(r->InterfaceIndex);
        if (!r->NlMtu)
            r->NlMtu = ask("ip -o link show %s | sed 's/.* mtu \\([0-9]*\\) .*/\\1/'", name);
        r->DadTransmits = 3;
        r->RouterDiscoveryBehavior = RouterDiscoveryDhcp;
    }
    return NO_ERROR;
}

DWORD WINAPI xSetIpInterfaceEntry(PMIB_IPINTERFACE_ROW r)
{
    char name[64];
    DWORD done = NO_ERROR;
    BOOL v6 = r->Family == AF_INET6;
    if (!name_of(name, &r->InterfaceLuid, r->InterfaceIndex))
        return ERROR_NOT_FOUND;
    if (!v6 && r->SitePrefixLength != 0)
        return violation("SetIpInterfaceEntry: SitePrefixLength %lu for IPv4, must be 0", r->SitePrefixLength);
    if (v6 && r->SitePrefixLength > 128)
        return violation("SetIpInterfaceEntry: the row was not read first");
    if (r->NlMtu < (v6 ? 1280u : 352u))
        return violation("SetIpInterfaceEntry: MTU %lu", r->NlMtu);
    if (v6 && r->AdvertisingEnabled)
        return violation("SetIpInterfaceEntry: this host would advertise itself as a router");
    if (!v6) {
        set_v4_mtu(r->InterfaceIndex, r->NlMtu);
        note("%s: IPv4 MTU %lu", name, r->NlMtu);
        return NO_ERROR;
    }
    if ((long)r->NlMtu != ask("cat /proc/sys/net/ipv6/conf/%s/mtu", name))
        done = change("sysctl -qw net.ipv6.conf.%s.mtu=%lu", name, r->NlMtu);
    if (done == NO_ERROR)
        done = change("sysctl -qw net.ipv6.conf.%s.force_forwarding=%d net.ipv6.conf.%s.accept_ra=%d", name,
                      r->ForwardingEnabled ? 1 : 0, name,
                      r->RouterDiscoveryBehavior != RouterDiscoveryEnabled ? 0 : r->ForwardingEnabled ? 2 : 1);
    return done;
}
