#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

int run_command(const char *command, char *output, int size)
{
    char line[1024];
    FILE *pipe;
    size_t n = 0;
    int status;
    if (snprintf(line, sizeof line, "{ %s\n} 2>&1", command) >= (int)sizeof line || !(pipe = popen(line, "r")))
        return -1;
    if (size > 0) {
        n = fread(output, 1, size - 1, pipe);
        output[n] = 0;
    }
    while (fread(line, 1, sizeof line, pipe) > 0)
        ;
    status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int wait_change(int timeout_ms)
{
    static int fd = -1;
    char buf[8192];
    struct pollfd p;
    if (fd < 0) {
        struct sockaddr_nl groups;
        memset(&groups, 0, sizeof groups);
        groups.nl_family = AF_NETLINK;
        groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof groups) < 0)
            return 0;
    }
    p.fd = fd;
    p.events = POLLIN;
    if (poll(&p, 1, timeout_ms) <= 0)
        return 0;
    while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
    return 1;
}
