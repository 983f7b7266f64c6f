/* Unicast addresses. */
#include "standin.h"

void WINAPI xInitializeUnicastIpAddressEntry(PMIB_UNICASTIPADDRESS_ROW r)
{
    ZeroMemory(r, sizeof *r);
    r->PrefixOrigin = IpPrefixOriginUnchanged;
    r->SuffixOrigin = IpSuffixOriginUnchanged;
    r->OnLinkPrefixLength = 255;
    r->ValidLifetime = r->PreferredLifetime = 0xffffffff;
}

static DWORD check(const MIB_UNICASTIPADDRESS_ROW *r, char name[64], char text[64])
{
    if (r->PrefixOrigin != IpPrefixOriginUnchanged || r->SuffixOrigin != IpSuffixOriginUnchanged)
        return violation("unicast address: the row was not initialised");
    if (!text_of(text, &r->Address))
        return violation("unicast address: family %u", r->Address.si_family);
    if (!name_of(name, &r->InterfaceLuid, r->InterfaceIndex))
        return ERROR_NOT_FOUND;
    return NO_ERROR;
}

DWORD WINAPI xCreateUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *r)
{
    char name[64], text[64];
    DWORD bad = check(r, name, text);
    BOOL v6 = r->Address.si_family == AF_INET6;
    if (bad)
        return bad;
    if (r->OnLinkPrefixLength != 255 && r->OnLinkPrefixLength > (v6 ? 128 : 32))
        return violation("CreateUnicastIpAddressEntry: prefix length %u", r->OnLinkPrefixLength);
    if (r->PreferredLifetime > r->ValidLifetime)
        return violation("CreateUnicastIpAddressEntry: preferred for longer than valid");
    if (r->DadState != 0 && r->DadState != IpDadStateTentative && r->DadState != IpDadStatePreferred)
        return violation("CreateUnicastIpAddressEntry: DadState %d", r->DadState);
    return change("ip %s addr add %s/%u dev %s%s%s", v6 ? "-6" : "-4", text,
                  r->OnLinkPrefixLength == 255 ? (v6 ? 128 : 32) : r->OnLinkPrefixLength, name,
                  v6 && r->DadState == IpDadStatePreferred ? " nodad" : "",
                  /* SkipAsSource: not a source unless it is asked for. */
                  v6 && r->SkipAsSource ? " preferred_lft 0 noprefixroute" : "");
}

DWORD WINAPI xDeleteUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *r)
{
    char name[64], text[64];
    DWORD bad = check(r, name, text);
    if (bad)
        return bad;
    return change("l=$(ip -o addr show dev %s to %s | sed 's/.*inet6* [^/ ]*\\(\\/[0-9]*\\)*.*/\\1/'); "
                  "ip addr del %s${l:-/%d} dev %s",
                  name, text, text, r->Address.si_family == AF_INET6 ? 128 : 32, name);
}
