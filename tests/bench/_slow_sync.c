/* Makes a disk slow: each fsync and fdatasync of a process that preloads this takes SLOW_SYNC_MS longer.
   The wait stands where a real disk's would: inside the system call's wrapper, with Python's lock let go. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slow(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int answer = real(fd);
    const char *ms = getenv("SLOW_SYNC_MS");
    long ns = ms ? (long)(atof(ms) * 1e6) : 0;
    struct timespec wait = { ns / 1000000000, ns % 1000000000 };
    nanosleep(&wait, 0);
    return answer;
}
int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
