/* skewed_clock: a wall clock that is off, by as many seconds as a file says at the moment.
 *
 * Build:  cc -O2 -shared -fPIC -o skewed_clock.so skewed_clock.c -ldl
 * Use:    CLOCK_SKEW=FILE LD_PRELOAD=./skewed_clock.so PROGRAM ARGS...
 *
 * FILE holds one 64-bit number of the machine's own byte order, which may change at any time: the clock jumps. Clocks
 * that nobody sets (CLOCK_MONOTONIC) are as always.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *skew = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_SKEW");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof *skew, PROT_READ, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) skew = found;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = (int)syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *skew;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
