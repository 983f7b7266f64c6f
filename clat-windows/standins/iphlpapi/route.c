/* Routes. IPv4 tables are Wine's own; it knows no IPv6 ones. */
#include "standin.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DWORD WINAPI wine_GetIpForwardTable2(ADDRESS_FAMILY family, PMIB_IPFORWARD_TABLE2 *table);

void WINAPI xInitializeIpForwardEntry(PMIB_IPFORWARD_ROW2 r)
{
    ZeroMemory(r, sizeof *r);
    r->ValidLifetime = r->PreferredLifetime = r->Metric = 0xffffffff;
    r->Protocol = MIB_IPPROTO_NETMGMT;
    r->Loopback = r->AutoconfigureAddress = r->Publish = r->Immortal = TRUE;
}

/* Bits beyond the prefix must be zero. */
static BOOL host_bits(const SOCKADDR_INET *a, unsigned len)
{
    const BYTE *b = a->si_family == AF_INET ? (const BYTE *)&a->Ipv4.sin_addr : (const BYTE *)&a->Ipv6.sin6_addr;
    unsigned bits = a->si_family == AF_INET ? 32 : 128;
    for (unsigned i = len; i < bits; i++)
        if (b[i / 8] & 0x80 >> i % 8)
            return TRUE;
    return FALSE;
}

static BOOL unspecified(const SOCKADDR_INET *a)
{
    return !host_bits(a, 0);
}

static DWORD route(const char *verb, const MIB_IPFORWARD_ROW2 *r)
{
    char name[64], dest[64], hop[64], via[80] = "", extra[64] = "";
    BOOL v6 = r->DestinationPrefix.Prefix.si_family == AF_INET6;
    BOOL add = *verb == 'a';
    if (r->ValidLifetime != 0xffffffff || !r->Immortal)
        return violation("route: the row was not initialised");
    if (!text_of(dest, &r->DestinationPrefix.Prefix) || !text_of(hop, &r->NextHop))
        return violation("route: families %u and %u", r->DestinationPrefix.Prefix.si_family, r->NextHop.si_family);
    if (r->NextHop.si_family != r->DestinationPrefix.Prefix.si_family)
        return violation("route: next hop of another family");
    if (r->DestinationPrefix.PrefixLength > (v6 ? 128 : 32) ||
        host_bits(&r->DestinationPrefix.Prefix, r->DestinationPrefix.PrefixLength))
        return violation("route: %s/%u", dest, r->DestinationPrefix.PrefixLength);
    if (add && r->Metric == 0xffffffff)
        return violation("CreateIpForwardEntry2: no metric");
    if (!name_of(name, &r->InterfaceLuid, r->InterfaceIndex))
        return ERROR_NOT_FOUND;
    if (!unspecified(&r->NextHop))
        snprintf(via, sizeof via, "via %s ", hop);
    if (add) {
        ULONG index = 0, mtu;
        ConvertInterfaceLuidToIndex(&r->InterfaceLuid, &index);
        mtu = v6 ? 0 : v4_mtu(index);
        /* An interface metric of 25 is added to each route's. */
        if (mtu)
            snprintf(extra, sizeof extra, " metric %lu mtu %lu", r->Metric + 25, mtu);
        else
            snprintf(extra, sizeof extra, " metric %lu", r->Metric + 25);
    }
    return change("ip %s route %s %s/%u %sdev %s%s", v6 ? "-6" : "-4", verb, dest, r->DestinationPrefix.PrefixLength,
                  via, name, extra);
}

DWORD WINAPI xCreateIpForwardEntry2(const MIB_IPFORWARD_ROW2 *r)
{
    return route("add", r);
}

DWORD WINAPI xDeleteIpForwardEntry2(const MIB_IPFORWARD_ROW2 *r)
{
    return route("del", r);
}

/* One line of /proc/net/ipv6_route: destination, length, source, length, next hop, metric, counts, flags, device. */
static BOOL parse(const char *line, MIB_IPFORWARD_ROW2 *r)
{
    char dest[33], hop[33], name[33];
    unsigned len, metric, flags;
    WCHAR wide[33];
    if (sscanf(line, "%32s %2x %*s %*x %32s %8x %*x %*x %8x %32s", dest, &len, hop, &metric, &flags, name) != 6)
        return FALSE;
    /* RTF_REJECT and local routes are not in the table of Windows. */
    if (flags & 0x80200200 || !strcmp(name, "lo"))
        return FALSE;
    ZeroMemory(r, sizeof *r);
    r->DestinationPrefix.Prefix.si_family = r->NextHop.si_family = AF_INET6;
    r->DestinationPrefix.PrefixLength = (BYTE)len;
    for (int i = 0; i < 16; i++) {
        unsigned byte;
        sscanf(dest + 2 * i, "%2x", &byte);
        ((BYTE *)&r->DestinationPrefix.Prefix.Ipv6.sin6_addr)[i] = (BYTE)byte;
        sscanf(hop + 2 * i, "%2x", &byte);
        ((BYTE *)&r->NextHop.Ipv6.sin6_addr)[i] = (BYTE)byte;
    }
    r->Metric = metric > 25 ? metric - 25 : 0;
    for (int i = 0; i < 33; i++)
        wide[i] = (WCHAR)name[i];
    return ConvertInterfaceAliasToLuid(wide, &r->InterfaceLuid) == NO_ERROR &&
           ConvertInterfaceLuidToIndex(&r->InterfaceLuid, &r->InterfaceIndex) == NO_ERROR;
}

DWORD WINAPI xGetIpForwardTable2(ADDRESS_FAMILY family, PMIB_IPFORWARD_TABLE2 *table)
{
    static char text[65536];
    if (family != AF_INET6)
        return wine_GetIpForwardTable2(family, table);
    if (linux_run("cat /proc/self/net/ipv6_route", text, sizeof text) != 0)
        return ERROR_NOT_SUPPORTED;
    /* FreeMibTable is Wine's and frees from this heap. */
    *table = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof **table + 256 * sizeof(MIB_IPFORWARD_ROW2));
    for (char *line = strtok(text, "\n"); line && (*table)->NumEntries < 256; line = strtok(NULL, "\n"))
        if (parse(line, &(*table)->Table[(*table)->NumEntries]))
            (*table)->NumEntries++;
    return NO_ERROR;
}
