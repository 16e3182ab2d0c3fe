/* Holds the namespaces of a pod: waits for a signal to end, and takes what is left of children that ended.
 *
 * It is the only program of its image, so it calls the kernel itself and needs no library.
 */

#include <stddef.h>
#include <sys/syscall.h>

enum { END_BY_TERMINAL = 2, END = 15, CHILD = 17, SIG_BLOCK = 0, WITHOUT_WAITING = 1, ANY_CHILD = -1 };

#define BIT(signal) (1UL << ((signal) - 1))

static long call(long number, long first, const void *second, const void *third, long fourth)
{
    long result;
    register long r10 __asm__("r10") = fourth;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

/* The first process of a namespace gets no signal that it does nothing about. One that is blocked waits to be asked for. */
__attribute__((noreturn, force_align_arg_pointer)) void _start(void)
{
    unsigned long signals = BIT(END_BY_TERMINAL) | BIT(END) | BIT(CHILD);
    long signal;

    call(SYS_rt_sigprocmask, SIG_BLOCK, &signals, NULL, sizeof signals);
    do {
        signal = call(SYS_rt_sigtimedwait, (long)&signals, NULL, NULL, sizeof signals);
        while (signal == CHILD && call(SYS_wait4, ANY_CHILD, NULL, (const void *)WITHOUT_WAITING, 0) > 0)
            ;
    } while (signal != END && signal != END_BY_TERMINAL);
    for (;;)
        call(SYS_exit_group, 0, NULL, NULL, 0);
}
