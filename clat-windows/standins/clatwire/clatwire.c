/* Calls through which a Windows DLL reaches Linux' libpcap. */
#include "wire.h"
#include <windows.h>

void *WINAPI calls_open(const char *name, int longest, int patience_ms, char *error, int size)
{
    return wire_open(name, longest, patience_ms, error, size);
}

void WINAPI calls_close(void *wire)
{
    wire_close(wire);
}

int WINAPI calls_ethernet(void *wire)
{
    return wire_ethernet(wire);
}

int WINAPI calls_filter(void *wire, const char *expression, char *error, int size)
{
    return wire_filter(wire, expression, error, size);
}

int WINAPI calls_next(void *wire, int wait, const unsigned char **frame)
{
    return wire_next(wire, wait, frame);
}

int WINAPI calls_send(void *wire, const unsigned char *frame, int size)
{
    return wire_send(wire, frame, size);
}

int WINAPI calls_readable(void *wire, int wait_ms)
{
    return wire_readable(wire, wait_ms);
}

int WINAPI calls_name(unsigned index, char *name)
{
    return wire_name(index, name);
}

void WINAPI calls_log(const char *line)
{
    wire_log(line);
}
