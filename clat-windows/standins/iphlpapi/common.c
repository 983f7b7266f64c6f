#include "standin.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(const char *kind, const char *format, va_list args)
{
    char path[512], line[1024];
    int n = snprintf(line, sizeof line, "iphlpapi: %s", kind);
    n += vsnprintf(line + n, sizeof line - n, format, args);
    /* The log is named by its Linux path. */
    if (GetEnvironmentVariableA("CLAT_STANDIN_LOG", path, sizeof path)) {
        char command[1800];
        snprintf(command, sizeof command, "cat >> '%s' <<'END'\n%s\nEND\n", path, line);
        linux_run(command, NULL, 0);
    }
}

void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append("", format, args);
    va_end(args);
}

DWORD violation(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append("VIOLATION ", format, args);
    va_end(args);
    return ERROR_INVALID_PARAMETER;
}

DWORD change(const char *format, ...)
{
    char command[512], output[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (linux_run(command, output, sizeof output) == 0) {
        note("%s", command);
        return NO_ERROR;
    }
    note("%s: %s", command, output);
    if (strstr(output, "File exists") || strstr(output, "already assigned"))
        return ERROR_OBJECT_ALREADY_EXISTS;
    if (strstr(output, "No such process") || strstr(output, "Cannot assign") || strstr(output, "Cannot find") ||
        strstr(output, "No such device") || strstr(output, "No such file"))
        return ERROR_NOT_FOUND;
    if (strstr(output, "not permitted"))
        return ERROR_ACCESS_DENIED;
    return ERROR_INVALID_PARAMETER;
}

long ask(const char *format, ...)
{
    char command[512], output[64];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return linux_run(command, output, sizeof output) == 0 ? strtol(output, NULL, 10) : -1;
}

int name_of(char out[64], const NET_LUID *luid, ULONG index)
{
    WCHAR name[64] = L"";
    NET_LUID found = *luid;
    if (!found.Value && ConvertInterfaceIndexToLuid(index, &found) != NO_ERROR)
        return 0;
    if (ConvertInterfaceLuidToAlias(&found, name, 64) != NO_ERROR)
        return 0;
    snprintf(out, 64, "%ls", name);
    return out[0] != 0;
}

int text_of(char out[64], const SOCKADDR_INET *a)
{
    if (a->si_family == AF_INET) {
        const BYTE *b = (const BYTE *)&a->Ipv4.sin_addr;
        snprintf(out, 64, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return 1;
    }
    if (a->si_family == AF_INET6) {
        const BYTE *b = (const BYTE *)&a->Ipv6.sin6_addr;
        int n = 0;
        for (int i = 0; i < 16; i += 2)
            n += snprintf(out + n, 64 - n, "%s%x", i ? ":" : "", b[i] << 8 | b[i + 1]);
        return 1;
    }
    return 0;
}

static struct {
    ULONG index, mtu;
} mtus[64];

ULONG v4_mtu(ULONG index)
{
    for (int i = 0; i < 64; i++)
        if (mtus[i].index == index)
            return mtus[i].mtu;
    return 0;
}

void set_v4_mtu(ULONG index, ULONG mtu)
{
    for (int i = 0; i < 64; i++)
        if (mtus[i].index == index || !mtus[i].index) {
            mtus[i].index = index;
            mtus[i].mtu = mtu;
            return;
        }
}
