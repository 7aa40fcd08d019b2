/*
 * A disk that fails on demand. Preloaded into a server, it makes writes to the journal fail as the first byte of the
 * file CRASH_TEST_DISK says.
 *
 *   e: writes fail with EIO      n: writes fail with ENOSPC      s: only fsync fails, with EIO
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char mode(int descriptor) {
    static int control = -1;
    char failure = 0, link[64], path[4096];
    if (control < 0) {
        const char *name = getenv("CRASH_TEST_DISK");
        control = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    }
    ssize_t (*read_at)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
    if (control < 0 || read_at(control, &failure, 1, 0) != 1 || failure == '-')
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return strstr(path, "journal.sqlite") ? failure : 0;
}

static int broken(int descriptor) {
    switch (mode(descriptor)) {
    case 'e':
        errno = EIO;
        return 1;
    case 'n':
        errno = ENOSPC;
        return 1;
    default:
        return 0;
    }
}

static int unsynced(int descriptor) {
    char failure = mode(descriptor);
    if (failure == 'e' || failure == 's') {
        errno = EIO;
        return 1;
    }
    return 0;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return broken(descriptor) ? -1 : real(descriptor, data, size);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    return broken(descriptor) ? -1 : real(descriptor, data, size, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    return broken(descriptor) ? -1 : real(descriptor, data, size, offset);
}

int fsync(int descriptor) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    return unsynced(descriptor) ? -1 : real(descriptor);
}

int fdatasync(int descriptor) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    return unsynced(descriptor) ? -1 : real(descriptor);
}
