/* Tries what a build must not do, one thing a line: `name errno`. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

static void say(const char *name, long result) {
    printf("%s %s\n", name, result >= 0 ? "allowed" : strerrorname_np(errno));
    fflush(stdout);
}

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    return to;
}

static void calls(void) {
    say("unshare-user", syscall(SYS_unshare, CLONE_NEWUSER));
    say("clone-user", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    say("clone-cgroup", syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0));
    say("clone3", syscall(SYS_clone3, 0, 0));
    say("mount", mount("none", "/tmp", "tmpfs", 0, 0));
    say("umount", umount("/proc"));
    say("chroot", chroot("/"));
    say("open_tree", syscall(SYS_open_tree, -100, "/", 0));
    say("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    say("bpf", syscall(SYS_bpf, 0, 0, 0));
    say("perf", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    say("io_uring", syscall(SYS_io_uring_setup, 1, 0));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("init_module", syscall(SYS_init_module, 0, 0, 0));
    say("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0));
    say("syslog", syscall(SYS_syslog, 3, 0, 0));
    say("sethostname", sethostname("x", 1));
    say("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    say("alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
    say("packet", socket(AF_PACKET, SOCK_RAW, 0));
    say("raw", socket(AF_INET, SOCK_RAW, 1));
    say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say("inet6", socket(AF_INET6, SOCK_STREAM, 0));
    say("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    say("setuid", setuid(0));
    say("kill-init", kill(1, SIGKILL));
    say("trace-init", ptrace(PTRACE_ATTACH, 1, 0, 0));
    pid_t child = fork();
    if (child == 0) {
        say("trace-child", ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    waitpid(child, 0, 0);
}

/* Datagrams in the ways that `connect` does not show. */
static void datagrams(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = address("192.0.2.1", 1001), b = address("192.0.2.2", 1002), c = address("192.0.2.3", 1003);
    struct iovec text = {.iov_base = "x", .iov_len = 1};
    say("sendto", sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    struct msghdr one = {.msg_name = &b, .msg_namelen = sizeof b, .msg_iov = &text, .msg_iovlen = 1};
    say("sendmsg", sendmsg(s, &one, 0));
    struct mmsghdr many[2] = {{.msg_hdr = one}, {.msg_hdr = one}};
    many[1].msg_hdr.msg_name = &c;
    say("sendmmsg", sendmmsg(s, many, 2, 0));
}

/* Takes memory until it is killed. */
static void hog(void) {
    for (;;) {
        char *more = malloc(8 << 20);
        if (more) memset(more, 1, 8 << 20);
        usleep(1000);
    }
}

/* Gives a file the right to use raw sockets (cap_net_raw, effective and permitted), in the kernel's revision 2. */
static void give_capability(const char *path) {
    static const unsigned char value[20] = {1, 0, 0, 2, 0, 0x20};
    say("setxattr", setxattr(path, "security.capability", value, sizeof value, 0));
}

int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "calls")) calls();
    else if (count > 1 && !strcmp(words[1], "datagrams")) datagrams();
    else if (count > 1 && !strcmp(words[1], "hog")) hog();
    else if (count > 1 && !strcmp(words[1], "ids")) printf("%d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    else if (count > 2 && !strcmp(words[1], "capability")) give_capability(words[2]);
    else return 2;
    return 0;
}
