/* Byte rings with the driver's rules: packets are given back in any order, room comes back in order. */
#include "wintun.h"
#include <stdlib.h>

static DWORD footprint(DWORD size)
{
    return (DWORD)(sizeof(struct packet) + size + 3) & ~3u;
}

int ring_init(struct ring *ring, DWORD capacity)
{
    memset(ring, 0, sizeof *ring);
    ring->capacity = capacity;
    /* A packet may start anywhere and runs past the end, as the driver's trailing space allows. */
    ring->bytes = VirtualAlloc(NULL, capacity + 0x10000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    return ring->bytes != NULL;
}

void ring_free(struct ring *ring)
{
    VirtualFree(ring->bytes, 0, MEM_RELEASE);
}

struct packet *ring_at(struct ring *ring, DWORD offset)
{
    return (struct packet *)(ring->bytes + offset);
}

DWORD ring_after(struct ring *ring, DWORD offset, const struct packet *packet)
{
    return (offset + footprint(packet->size)) & (ring->capacity - 1);
}

struct packet *ring_room(struct ring *ring, DWORD size)
{
    DWORD used = (ring->head - ring->tail) & (ring->capacity - 1);
    struct packet *packet = ring_at(ring, ring->head);
    if (used + footprint(size) >= ring->capacity)
        return NULL;
    packet->size = size;
    packet->state = TAKEN;
    return packet;
}

void ring_push(struct ring *ring, struct packet *packet)
{
    ring->head = ring_after(ring, ring->head, packet);
}

struct packet *ring_find(struct ring *ring, const BYTE *data)
{
    for (DWORD at = ring->tail; at != ring->head;) {
        struct packet *packet = ring_at(ring, at);
        if (packet->data == data)
            return packet;
        at = ring_after(ring, at, packet);
    }
    return NULL;
}
