/* The Linux side: libpcap, loaded by name so that its functions are not taken for ours. */
#include "wire.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *function(const char *name)
{
    static void *library;
    void *found;
    if (!library)
        library = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);
    found = library ? dlsym(library, name) : NULL;
    if (!found) {
        fprintf(stderr, "wpcap stand-in: libpcap has no %s\n", name);
        abort();
    }
    return found;
}

#define REAL(name) ((__typeof__(&name))function(#name))

struct wire {
    pcap_t *pcap;
    int fd, patience_ms;
};

void *wire_open(const char *name, int longest, int patience_ms, char *error, int size)
{
    char why[PCAP_ERRBUF_SIZE] = "";
    struct wire *wire = calloc(1, sizeof *wire);
    pcap_t *pcap = REAL(pcap_create)(name, why);
    if (pcap) {
        REAL(pcap_set_snaplen)(pcap, longest);
        REAL(pcap_set_promisc)(pcap, 1);
        REAL(pcap_set_immediate_mode)(pcap, 1);
        if (REAL(pcap_activate)(pcap) < 0 || REAL(pcap_setnonblock)(pcap, 1, why) < 0) {
            snprintf(why, sizeof why, "%s", REAL(pcap_geterr)(pcap));
            REAL(pcap_close)(pcap);
            pcap = NULL;
        }
    }
    if (!pcap) {
        snprintf(error, size, "%s", why);
        free(wire);
        return NULL;
    }
    wire->pcap = pcap;
    wire->fd = REAL(pcap_get_selectable_fd)(pcap);
    wire->patience_ms = patience_ms;
    return wire;
}

void wire_close(void *p)
{
    struct wire *wire = p;
    REAL(pcap_close)(wire->pcap);
    free(wire);
}

int wire_ethernet(void *p)
{
    return REAL(pcap_datalink)(((struct wire *)p)->pcap);
}

int wire_filter(void *p, const char *expression, char *error, int size)
{
    pcap_t *pcap = ((struct wire *)p)->pcap;
    struct bpf_program program;
    int result = REAL(pcap_compile)(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN);
    if (result == 0) {
        result = REAL(pcap_setfilter)(pcap, &program);
        REAL(pcap_freecode)(&program);
    }
    if (result)
        snprintf(error, size, "%s", REAL(pcap_geterr)(pcap));
    return result;
}

int wire_readable(void *p, int wait_ms)
{
    struct pollfd fd = {((struct wire *)p)->fd, POLLIN, 0};
    return poll(&fd, 1, wait_ms) > 0 && fd.revents & POLLIN;
}

int wire_next(void *p, int wait, const unsigned char **frame)
{
    struct wire *wire = p;
    struct pcap_pkthdr *header;
    int found = REAL(pcap_next_ex)(wire->pcap, &header, frame);
    if (found == 0 && wait && wire_readable(wire, wire->patience_ms))
        found = REAL(pcap_next_ex)(wire->pcap, &header, frame);
    return found == 1 ? (int)header->caplen : found;
}

int wire_send(void *p, const unsigned char *frame, int size)
{
    return REAL(pcap_sendpacket)(((struct wire *)p)->pcap, frame, size);
}

int wire_name(unsigned index, char *name)
{
    return if_indextoname(index, name) != NULL;
}

void wire_log(const char *line)
{
    const char *path = getenv("CLAT_STANDIN_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    fprintf(stderr, "%s\n", line);
    if (fd >= 0) {
        dprintf(fd, "%s\n", line);
        close(fd);
    }
}
