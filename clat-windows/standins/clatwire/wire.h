/* The Linux side of the stand-in for Npcap's wpcap.dll: frames of an interface by Linux' own libpcap.
 * WIRE is how a Windows DLL calls these; wire.c is compiled with the system's headers and without it. */
#ifndef WIRE_H
#define WIRE_H

#ifndef WIRE
#define WIRE
#endif

void *WIRE wire_open(const char *name, int longest, int patience_ms, char *error, int size);
void WIRE wire_close(void *wire);
int WIRE wire_ethernet(void *wire);
int WIRE wire_filter(void *wire, const char *expression, char *error, int size);
/* The next frame: its length, 0 for none in time, -1 when the interface is gone. */
int WIRE wire_next(void *wire, int wait, const unsigned char **frame);
int WIRE wire_send(void *wire, const unsigned char *frame, int size);
/* Whether frames wait. */
int WIRE wire_readable(void *wire, int wait_ms);
/* The name of an interface, or nothing. */
int WIRE wire_name(unsigned index, char *name);
void WIRE wire_log(const char *line);

#endif
