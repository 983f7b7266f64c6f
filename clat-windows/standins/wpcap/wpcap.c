/* The functions of pcap.h that the program uses, as Npcap has them, with what the documentation demands checked. */
#include <windows.h>
#define WIRE __stdcall
#include "../clatwire/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libpcap's functions have C's calling convention. */
#define EXPORT __declspec(dllexport)
#define ERRBUF 256

/* Windows' struct timeval has two 32-bit numbers. */
struct header {
    INT32 seconds, microseconds;
    UINT32 captured, length;
};

struct program {
    UINT32 length;
    char *expression;
};

struct device {
    void *wire;
    char name[16];
    int nonblock, filtered, stop;
    struct header header;
    char error[ERRBUF];
    HANDLE event, thread;
};

static void violation(const struct device *d, const char *what)
{
    char line[256];
    snprintf(line, sizeof line, "VIOLATION wpcap %s: %s", d ? d->name : "", what);
    wire_log(line);
}

/* \Device\NPF_{GUID} with the GUID that Wine makes of an index. */
static int index_of(const char *device)
{
    unsigned index = 0;
    return sscanf(device, "\\Device\\NPF_{%8x-0000-0000-0000-4E6574446576}", &index) == 1 ? (int)index : 0;
}

EXPORT struct device *pcap_open_live(const char *device, int longest, int promiscuous, int patience_ms, char *error)
{
    struct device *d = calloc(1, sizeof *d);
    char line[64];
    if (!wire_name(index_of(device), d->name)) {
        snprintf(error, ERRBUF, "Error opening adapter: no device %s", device);
        free(d);
        return NULL;
    }
    if (longest < 1514 || patience_ms <= 0)
        violation(d, "open: a snapshot that cuts frames, or no timeout");
    d->wire = wire_open(d->name, longest, patience_ms, error, ERRBUF);
    if (!d->wire) {
        free(d);
        return NULL;
    }
    snprintf(line, sizeof line, "wpcap %s: open", d->name);
    wire_log(line);
    return d;
}

static DWORD CALLBACK watch(void *p)
{
    struct device *d = p;
    while (!d->stop)
        if (wire_readable(d->wire, 20)) {
            SetEvent(d->event);
            Sleep(1);
        }
    return 0;
}

EXPORT void pcap_close(struct device *d)
{
    d->stop = 1;
    if (d->thread) {
        WaitForSingleObject(d->thread, INFINITE);
        CloseHandle(d->thread);
        CloseHandle(d->event);
    }
    wire_close(d->wire);
    free(d);
}

EXPORT int pcap_datalink(struct device *d)
{
    return wire_ethernet(d->wire);
}

EXPORT int pcap_setnonblock(struct device *d, int nonblock, char *error)
{
    d->nonblock = nonblock;
    return 0;
}

EXPORT int pcap_setmintocopy(struct device *d, int size)
{
    return size < 0 ? -1 : 0;
}

EXPORT int pcap_compile(struct device *d, struct program *program, const char *expression, int optimise, UINT32 netmask)
{
    program->expression = strdup(expression);
    program->length = 1;
    return 0;
}

EXPORT int pcap_setfilter(struct device *d, struct program *program)
{
    if (!program->expression) {
        violation(d, "filter: not compiled");
        return -1;
    }
    d->filtered = 1;
    return wire_filter(d->wire, program->expression, d->error, ERRBUF);
}

EXPORT void pcap_freecode(struct program *program)
{
    free(program->expression);
    program->expression = NULL;
}

EXPORT int pcap_next_ex(struct device *d, struct header **header, const unsigned char **frame)
{
    int length;
    if (!d->filtered)
        violation(d, "receive: without a filter");
    length = wire_next(d->wire, !d->nonblock, frame);
    if (length <= 0) {
        snprintf(d->error, ERRBUF, "PacketReceivePacket failed");
        return length;
    }
    d->header.captured = d->header.length = length;
    *header = &d->header;
    return 1;
}

EXPORT int pcap_sendpacket(struct device *d, const unsigned char *frame, int size)
{
    if (size < 14)
        violation(d, "send: shorter than its header");
    snprintf(d->error, ERRBUF, "send error: PacketSendPacket failed");
    return wire_send(d->wire, frame, size);
}

EXPORT HANDLE pcap_getevent(struct device *d)
{
    if (!d->event) {
        d->event = CreateEventW(NULL, FALSE, FALSE, NULL);
        d->thread = CreateThread(NULL, 0, watch, d, 0, NULL);
    }
    return d->event;
}

EXPORT const char *pcap_geterr(struct device *d)
{
    return d->error;
}
