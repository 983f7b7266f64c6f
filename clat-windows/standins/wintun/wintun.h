/* Stand-in for wintun.dll under Wine: the API of wintun.h on a Linux TUN device, for tests only.
 *
 * It checks what the real driver relies on and writes each broken rule as a line "VIOLATION ..." to the file named in
 * CLAT_STANDIN_LOG. CLAT_STANDIN_FAULTS asks for failures: a comma-separated list of
 *   create=N    the first N calls of WintunCreateAdapter fail, as in the first seconds after boot
 *   remove=N    after N received packets the adapter is gone (once a process)
 *   full=N      every Nth allocation finds the ring full
 */
#ifndef STANDIN_WINTUN_H
#define STANDIN_WINTUN_H

#include <windows.h>

/* As in wintun.h. */
#define MIN_CAPACITY 0x20000u
#define MAX_CAPACITY 0x4000000u
#define MAX_PACKET 0xffffu

/* A packet in a ring: its state, its size, its bytes, padded to 4. */
enum state { FREE, TAKEN, DONE };
struct packet {
    volatile LONG state;
    DWORD size;
    BYTE data[];
};

/* A byte ring as in wintun.sys: `head` is where the next packet ends up, `tail` the oldest that is not given back. */
struct ring {
    DWORD capacity;
    DWORD head, next, tail;
    BYTE *bytes;
};

/* ring.c */
int ring_init(struct ring *ring, DWORD capacity);
void ring_free(struct ring *ring);
/* Room for `size` bytes at the head, or NULL. The packet does not count before ring_push. */
struct packet *ring_room(struct ring *ring, DWORD size);
void ring_push(struct ring *ring, struct packet *packet);
/* The packet at an offset, for walking from `tail` or `next` towards `head`. */
struct packet *ring_at(struct ring *ring, DWORD offset);
DWORD ring_after(struct ring *ring, DWORD offset, const struct packet *packet);
/* The packet whose bytes start at `data`, or NULL when no packet in the ring does. */
struct packet *ring_find(struct ring *ring, const BYTE *data);

/* contract.c */
void say(const char *format, ...);
void violation(const char *format, ...);
/* The number after `name=` in CLAT_STANDIN_FAULTS, or 0. */
unsigned fault(const char *name);
/* Whether `size` bytes are one IPv4 or IPv6 packet of that length. */
void check_sent(const BYTE *bytes, DWORD size);

/* tun.c: the Linux side */
int tun_open(const char *name);
long tun_read(int fd, void *buf, unsigned long size, int timeout_ms);
long tun_write(int fd, const void *buf, unsigned long size);
void tun_set_up(const char *name, int up);
void tun_close(int fd);
unsigned tun_index(const char *name);

#endif
