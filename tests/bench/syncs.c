/* LD_PRELOAD: counts the fsync and fdatasync calls of every process in $BENCH_SYNC_DIR/<pid>, eight bytes, and makes each
   take $BENCH_SYNC_US microseconds longer, as on a disk that really flushes. What a process forks without beginning a
   program is counted as its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t unseen;
static _Atomic uint64_t *counter = &unseen;
static long delay_us;

__attribute__((constructor)) static void begin(void) {
    const char *delay = getenv("BENCH_SYNC_US"), *dir = getenv("BENCH_SYNC_DIR");
    delay_us = delay ? atol(delay) : 0;
    if (!dir) return;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%d", dir, (int)getpid()) >= (int)sizeof path) return;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return;
    fchmod(fd, 0666); /* the same process may go on as another user */
    if (ftruncate(fd, sizeof *counter) == 0) {
        void *page = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED) counter = page;
    }
    close(fd);
}

static int counted(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    atomic_fetch_add(counter, 1);
    if (delay_us > 0) {
        struct timespec t = {delay_us / 1000000, (delay_us % 1000000) * 1000};
        nanosleep(&t, NULL);
    }
    return real(fd);
}

int fsync(int fd) { return counted("fsync", fd); }
int fdatasync(int fd) { return counted("fdatasync", fd); }
