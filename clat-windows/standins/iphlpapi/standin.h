/* Stand-in for iphlpapi.dll under Wine, for tests only: the calls that Wine lacks, made with `ip` and `sysctl`.
 *
 * Everything that Wine has is forwarded to a copy of Wine's own DLL (iphlpap0.dll). Each field of a row is checked
 * against Microsoft's documentation; a broken rule is a line "VIOLATION ..." in the file named in CLAT_STANDIN_LOG and
 * ERROR_INVALID_PARAMETER for the caller.
 */
#ifndef STANDIN_IPHLPAPI_H
#define STANDIN_IPHLPAPI_H

#define _WIN32_WINNT 0x0A00
#include <winsock2.h>
#include <ws2ipdef.h>
#include <ws2tcpip.h>
#include <iphlpapi.h>
#include <netioapi.h>

/* clatlinux.dll */
__declspec(dllimport) int WINAPI linux_run(const char *command, char *output, int size);
__declspec(dllimport) int WINAPI linux_wait_change(int timeout_ms);

/* common.c */
void note(const char *format, ...);
DWORD violation(const char *format, ...);
/* Runs a command: NO_ERROR, or the Win32 code that Windows would give. */
DWORD change(const char *format, ...);
/* What a command writes, as a number; -1 when it fails. */
long ask(const char *format, ...);
/* Linux name of an interface; 0 when there is none. */
int name_of(char out[64], const NET_LUID *luid, ULONG index);
/* Text of an address; 0 when the family is neither. */
int text_of(char out[64], const SOCKADDR_INET *address);
/* IPv4 MTU of an interface as set through us; 0 when it was not. */
ULONG v4_mtu(ULONG index);
void set_v4_mtu(ULONG index, ULONG mtu);

#endif
