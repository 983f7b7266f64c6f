/* Two calls through which a Windows DLL reaches Linux: a shell command, and a wait for changes of the network. */
#include <windows.h>

/* linux.c, which includes no Windows header. */
int run_command(const char *command, char *output, int size);
int wait_change(int timeout_ms);

/* The command's exit code; what it wrote is stored, cut to the size, with a zero at its end. */
int WINAPI linux_run(const char *command, char *output, int size)
{
    return run_command(command, output, size);
}

/* 1 when an interface, an address or a route changed in time, else 0. */
int WINAPI linux_wait_change(int timeout_ms)
{
    return wait_change(timeout_ms);
}
