/* The Linux side. No Windows header here: their names collide. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <net/if.h>
#include <linux/if_tun.h>

int tun_open(const char *name)
{
    struct ifreq request;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The link is up as long as a session runs. */
void tun_set_up(const char *name, int up)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags = up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
        ioctl(fd, SIOCSIFFLAGS, &request);
    }
    close(fd);
}

/* Bytes read, 0 when nothing came in time, -1 when the device is gone. */
long tun_read(int fd, void *buf, unsigned long size, int timeout_ms)
{
    long n = read(fd, buf, size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == EIO)) {
        struct pollfd p = {fd, POLLIN, 0};
        /* A device that is not up answers EIO and polls as an error at once. */
        if (errno == EIO || (poll(&p, 1, timeout_ms) > 0 && (p.revents & POLLERR)))
            usleep(timeout_ms * 1000);
        return 0;
    }
    return n;
}

long tun_write(int fd, const void *buf, unsigned long size)
{
    long n = write(fd, buf, size);
    if (n < 0 && errno == EAGAIN) {
        struct pollfd p = {fd, POLLOUT, 0};
        poll(&p, 1, 10);
        n = write(fd, buf, size);
    }
    return n;
}

void tun_close(int fd)
{
    close(fd);
}

unsigned tun_index(const char *name)
{
    return if_nametoindex(name);
}
