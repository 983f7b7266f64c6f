/* The log of broken rules, and the faults asked for. */
#include "wintun.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void append(const char *kind, const char *format, va_list args)
{
    const char *path = getenv("CLAT_STANDIN_LOG");
    char line[512];
    int n = snprintf(line, sizeof line, "%s", kind);
    n += vsnprintf(line + n, sizeof line - n, format, args);
    fprintf(stderr, "wintun stand-in: %s\n", line);
    if (path) {
        FILE *file = fopen(path, "a");
        if (file) {
            fprintf(file, "%s\n", line);
            fclose(file);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append("", format, args);
    va_end(args);
}

void violation(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append("VIOLATION ", format, args);
    va_end(args);
}

unsigned fault(const char *name)
{
    const char *at = getenv("CLAT_STANDIN_FAULTS");
    size_t len = strlen(name);
    while (at && *at) {
        if (!strncmp(at, name, len) && at[len] == '=')
            return (unsigned)strtoul(at + len + 1, NULL, 10);
        at = strchr(at, ',');
        if (at)
            at++;
    }
    return 0;
}

void check_sent(const BYTE *b, DWORD size)
{
    DWORD claimed = 0;
    if (size >= 20 && b[0] >> 4 == 4)
        claimed = (DWORD)b[2] << 8 | b[3];
    else if (size >= 40 && b[0] >> 4 == 6)
        claimed = 40 + ((DWORD)b[4] << 8 | b[5]);
    if (claimed != size)
        violation("send: a slot of %lu bytes holds an IP packet of %lu", (unsigned long)size, (unsigned long)claimed);
}
