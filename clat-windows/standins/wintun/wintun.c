/* The fourteen functions. */
#include "wintun.h"
#include <stdio.h>
#include <stdlib.h>

#define ADAPTER 0x41444150u
#define SESSION 0x53455353u

struct adapter {
    DWORD magic;
    int fd;
    char name[16];
    struct session *session;
};

struct session {
    DWORD magic;
    struct adapter *adapter;
    HANDLE readable, thread;
    volatile LONG stop, gone;
    CRITICAL_SECTION lock;
    struct ring in, out;
    unsigned received, allocated, sent, dropped;
};

typedef void(CALLBACK *logger)(int level, ULONG64 when, LPCWSTR text);
static logger log_to;
static unsigned creations, removals, adapters;

static struct adapter *open_adapter(LPCWSTR name)
{
    struct adapter *a = calloc(1, sizeof *a);
    /* Wine's interface alias is the Linux name, so the adapter's name must be one. */
    for (int i = 0; i < 15 && name[i]; i++)
        a->name[i] = (char)name[i];
    a->magic = ADAPTER;
    a->fd = tun_open(a->name);
    if (a->fd < 0) {
        say("create %s: no TUN device", a->name);
        free(a);
        SetLastError(ERROR_FILE_NOT_FOUND);
        return NULL;
    }
    adapters++;
    say("create %s", a->name);
    if (log_to)
        log_to(0, 0, L"stand-in: adapter opened");
    return a;
}

void *WINAPI WintunCreateAdapter(LPCWSTR name, LPCWSTR type, const GUID *guid)
{
    if (!name || !*name || lstrlenW(name) > 127 || !type || !*type)
        violation("create: no name or no tunnel type");
    if (!guid)
        violation("create: no GUID, the adapter changes its identity at each start");
    if (creations++ < fault("create")) {
        say("create: fails as asked");
        SetLastError(ERROR_FILE_NOT_FOUND);
        return NULL;
    }
    return open_adapter(name);
}

void *WINAPI WintunOpenAdapter(LPCWSTR name)
{
    return open_adapter(name);
}

void WINAPI WintunCloseAdapter(void *p)
{
    struct adapter *a = p;
    if (!a)
        return;
    if (a->magic != ADAPTER) {
        violation("close: not an open adapter");
        return;
    }
    if (a->session)
        violation("close: %s still has a session", a->name);
    say("close %s", a->name);
    tun_close(a->fd);
    adapters--;
    a->magic = 0;
    free(a);
}

BOOL WINAPI WintunDeleteDriver(void)
{
    if (adapters)
        SetLastError(ERROR_SHARING_VIOLATION);
    return adapters == 0;
}

DWORD WINAPI WintunGetRunningDriverVersion(void)
{
    if (!adapters)
        SetLastError(ERROR_FILE_NOT_FOUND);
    return adapters ? 0u << 16 | 14 : 0;
}

void WINAPI WintunSetLogger(logger to)
{
    log_to = to;
}

void WINAPI WintunGetAdapterLUID(void *p, ULONG64 *luid)
{
    struct adapter *a = p;
    /* What Wine gives a TUN device. */
    *luid = (ULONG64)1 << 48 | (ULONG64)tun_index(a->name) << 24;
}

static DWORD CALLBACK reader(void *p)
{
    struct session *s = p;
    static BYTE buf[MAX_PACKET + 1];
    while (!s->stop && !s->gone) {
        long n = tun_read(s->adapter->fd, buf, sizeof buf, 20);
        if (n == 0)
            continue;
        EnterCriticalSection(&s->lock);
        unsigned limit = removals ? 0 : fault("remove");
        if (n < 0 || (limit && s->received >= limit)) {
            s->gone = 1;
            removals++;
            say("adapter %s is gone", s->adapter->name);
        } else {
            struct packet *packet = ring_room(&s->in, (DWORD)n);
            if (packet) {
                memcpy(packet->data, buf, n);
                ring_push(&s->in, packet);
                s->received++;
            } else {
                s->dropped++;
            }
        }
        LeaveCriticalSection(&s->lock);
        SetEvent(s->readable);
    }
    return 0;
}

void *WINAPI WintunStartSession(void *p, DWORD capacity)
{
    struct adapter *a = p;
    if (capacity < MIN_CAPACITY || capacity > MAX_CAPACITY || (capacity & (capacity - 1))) {
        violation("session: capacity %lu", (unsigned long)capacity);
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if (a->session) {
        SetLastError(ERROR_ALREADY_INITIALIZED);
        return NULL;
    }
    struct session *s = calloc(1, sizeof *s);
    if (!ring_init(&s->in, capacity) || !ring_init(&s->out, capacity)) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    s->magic = SESSION;
    s->adapter = a;
    s->readable = CreateEventW(NULL, FALSE, FALSE, NULL);
    InitializeCriticalSection(&s->lock);
    a->session = s;
    tun_set_up(a->name, 1);
    s->thread = CreateThread(NULL, 0, reader, s, 0, NULL);
    say("session of %lu bytes", (unsigned long)capacity);
    return s;
}

static int open_session(struct session *s, const char *what)
{
    if (s && s->magic == SESSION)
        return 1;
    violation("%s: the session has ended", what);
    SetLastError(ERROR_INVALID_HANDLE);
    return 0;
}

void WINAPI WintunEndSession(void *p)
{
    struct session *s = p;
    if (!open_session(s, "end"))
        return;
    s->stop = 1;
    tun_set_up(s->adapter->name, 0);
    WaitForSingleObject(s->thread, INFINITE);
    CloseHandle(s->thread);
    if (s->in.tail != s->in.next)
        violation("end: a received packet was not released");
    if (s->out.tail != s->out.head)
        violation("end: an allocated slot was never sent and held up those behind it");
    say("end of session: received %u, sent %u, dropped %u", s->received, s->sent, s->dropped);
    CloseHandle(s->readable);
    DeleteCriticalSection(&s->lock);
    ring_free(&s->in);
    ring_free(&s->out);
    s->adapter->session = NULL;
    /* Kept, so that a use after the end is seen. */
    s->magic = 0;
}

HANDLE WINAPI WintunGetReadWaitEvent(void *p)
{
    struct session *s = p;
    return open_session(s, "event") ? s->readable : NULL;
}

BYTE *WINAPI WintunReceivePacket(void *p, DWORD *size)
{
    struct session *s = p;
    BYTE *data = NULL;
    if (!open_session(s, "receive"))
        return NULL;
    EnterCriticalSection(&s->lock);
    if (s->in.next != s->in.head) {
        struct packet *packet = ring_at(&s->in, s->in.next);
        s->in.next = ring_after(&s->in, s->in.next, packet);
        *size = packet->size;
        data = packet->data;
    }
    LeaveCriticalSection(&s->lock);
    if (!data)
        SetLastError(s->gone ? ERROR_HANDLE_EOF : ERROR_NO_MORE_ITEMS);
    return data;
}

void WINAPI WintunReleaseReceivePacket(void *p, const BYTE *data)
{
    struct session *s = p;
    if (!open_session(s, "release"))
        return;
    EnterCriticalSection(&s->lock);
    struct packet *packet = ring_find(&s->in, data);
    if (!packet || packet->state != TAKEN)
        violation("release: not a received packet, or released before");
    else
        packet->state = DONE;
    while (s->in.tail != s->in.next && (packet = ring_at(&s->in, s->in.tail))->state == DONE)
        s->in.tail = ring_after(&s->in, s->in.tail, packet);
    LeaveCriticalSection(&s->lock);
}

BYTE *WINAPI WintunAllocateSendPacket(void *p, DWORD size)
{
    struct session *s = p;
    unsigned every = fault("full");
    struct packet *packet = NULL;
    if (!open_session(s, "allocate"))
        return NULL;
    if (size > MAX_PACKET || size < 20)
        violation("allocate: %lu bytes", (unsigned long)size);
    EnterCriticalSection(&s->lock);
    s->allocated++;
    if (!s->gone && !(every && s->allocated % every == 0))
        packet = ring_room(&s->out, size);
    if (packet)
        ring_push(&s->out, packet);
    LeaveCriticalSection(&s->lock);
    if (!packet)
        SetLastError(s->gone ? ERROR_HANDLE_EOF : ERROR_BUFFER_OVERFLOW);
    return packet ? packet->data : NULL;
}

void WINAPI WintunSendPacket(void *p, const BYTE *data)
{
    struct session *s = p;
    if (!open_session(s, "send"))
        return;
    EnterCriticalSection(&s->lock);
    struct packet *packet = ring_find(&s->out, data);
    if (!packet || packet->state != TAKEN) {
        violation("send: not an allocated slot, or sent before");
    } else {
        check_sent(packet->data, packet->size);
        packet->state = DONE;
    }
    /* In the order of allocation: an unsent slot holds up the rest. */
    while (s->out.tail != s->out.head && (packet = ring_at(&s->out, s->out.tail))->state == DONE) {
        if (!s->gone && tun_write(s->adapter->fd, packet->data, packet->size) == (long)packet->size)
            s->sent++;
        s->out.tail = ring_after(&s->out, s->out.tail, packet);
    }
    LeaveCriticalSection(&s->lock);
}
