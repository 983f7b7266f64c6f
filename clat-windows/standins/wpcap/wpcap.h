/* Stand-in for Npcap's wpcap.dll: its functions over Linux' own libpcap. */
#ifndef WPCAP_STANDIN_H
#define WPCAP_STANDIN_H

/* linux.c: no Windows header there, no libpcap header here. */
void *wire_open(const char *name, int longest, int patience_ms, char *error, int size);
void wire_close(void *wire);
int wire_ethernet(void *wire);
int wire_filter(void *wire, const char *expression, char *error, int size);
/* The next frame: its length, 0 for none in time, -1 when the interface is gone. */
int wire_next(void *wire, int wait, const unsigned char **frame);
int wire_send(void *wire, const unsigned char *frame, int size);
/* Whether frames wait. */
int wire_readable(void *wire, int wait_ms);
/* The name of an interface, or nothing. */
int wire_name(unsigned index, char *name);
void wire_log(const char *line);

#endif
