/* LD_PRELOAD: a machine whose clock can be set while a program runs. Its wall clock is as many seconds ahead as the eight
   bytes of the file $CLOCK_SET_AHEAD say, at every moment; uptime and timers are the true ones. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t not_set = 0;
static const volatile int64_t *ahead = &not_set;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_SET_AHEAD");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) ahead = page;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *shown) {
    long result = syscall(SYS_clock_gettime, clock, shown);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shown->tv_sec += *ahead;
    return (int)result;
}

int gettimeofday(struct timeval *shown, void *zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    shown->tv_sec = now.tv_sec;
    shown->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *shown) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    if (shown) *shown = now.tv_sec;
    return now.tv_sec;
}
