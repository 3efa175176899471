/* Preloaded into the broker: notes each write to a file below $POWERLOSS_DIR until it is synced, so that
 * powerloss.py can take back what a power loss might have taken.
 *
 * Two logs in $POWERLOSS_LOG: `writes` has, per record, a header, the path and the bytes before and after;
 * a record stands there before its write is done, and is void once the file is synced. `names` has a line
 * for each name that came or went and for each sync of a file or directory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* kind: 'w' write, 't' truncate or extend, 's' sync. */
struct header {
    char kind, unused[3];
    uint32_t path_length;
    uint64_t offset, size_before, old_length, new_length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[FDS];
static char root[PATH_MAX];
static int writes = -1, names = -1;
/* How many writes each open file has that are not synced, and all together. */
static long dirty[FDS], dirty_all;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_close)(int);
static int (*real_open64)(const char *, int, ...);

__attribute__((constructor)) static void begin(void) {
    real_write = REAL(write);
    real_pwrite64 = REAL(pwrite64);
    real_ftruncate64 = REAL(ftruncate64);
    real_fsync = REAL(fsync);
    real_fdatasync = REAL(fdatasync);
    real_close = REAL(close);
    real_open64 = REAL(open64);
    const char *dir = getenv("POWERLOSS_DIR"), *log = getenv("POWERLOSS_LOG");
    if (!dir || !log) return;
    snprintf(root, sizeof root, "%s", dir);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/writes", log);
    writes = real_open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    snprintf(path, sizeof path, "%s/names", log);
    names = real_open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (writes < 0 || names < 0) abort();
}

static int is_ours(const char *path) {
    size_t length = strlen(root);
    return length && strncmp(path, root, length) == 0 && (path[length] == '/' || !path[length]);
}

static int tracked(int fd) { return fd >= 0 && fd < FDS && paths[fd]; }

static void all(int fd, const void *bytes, size_t length) {
    if (length && real_write(fd, bytes, length) != (ssize_t)length) abort();
}

static void name(const char *what, const char *path, const char *to) {
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, path, to);
    all(names, line, length);
}

/* Notes a change that is about to be made. */
static void note(int fd, char kind, uint64_t offset, const void *bytes, uint64_t new_length) {
    struct stat64 found;
    if (fstat64(fd, &found)) abort();
    struct header header = {.kind = kind, .path_length = strlen(paths[fd]), .offset = offset};
    header.size_before = found.st_size;
    uint64_t end = kind == 't' ? header.size_before : offset + new_length;
    if (end > header.size_before) end = header.size_before;
    header.old_length = end > offset ? end - offset : 0;
    header.new_length = kind == 'w' ? new_length : 0;
    size_t total = sizeof header + header.path_length + header.old_length + header.new_length;
    char *record = malloc(total), *at = record + sizeof header;
    if (!record) abort();
    memcpy(record, &header, sizeof header);
    memcpy(at, paths[fd], header.path_length);
    at += header.path_length;
    if (header.old_length) {
        /* The file may be open for writing alone. */
        int again = real_open64(paths[fd], O_RDONLY | O_CLOEXEC);
        if (again < 0 || pread64(again, at, header.old_length, offset) != (ssize_t)header.old_length) abort();
        real_close(again);
    }
    if (header.new_length) memcpy(at + header.old_length, bytes, header.new_length);
    all(writes, record, total);
    free(record);
    dirty[fd]++;
    dirty_all++;
}

static void synced(int fd) {
    name("sync", paths[fd], "");
    dirty_all -= dirty[fd];
    dirty[fd] = 0;
    if (dirty_all == 0) {
        if (real_ftruncate64(writes, 0)) abort();
        return;
    }
    struct header header = {.kind = 's', .path_length = strlen(paths[fd])};
    all(writes, &header, sizeof header);
    all(writes, paths[fd], header.path_length);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (!real_open64) real_open64 = REAL(open64);
    if (!is_ours(path)) return real_open64(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat64 found;
    int was_there = stat64(path, &found) == 0;
    if ((flags & O_CREAT) && !was_there) name("create", path, "");
    if ((flags & O_TRUNC) && was_there && found.st_size) abort(); /* Not done until now; it would need a record. */
    int fd = real_open64(path, flags, mode);
    if (fd >= 0 && fd < FDS) paths[fd] = strdup(path);
    pthread_mutex_unlock(&lock);
    return fd;
}

int close(int fd) {
    if (!real_close) real_close = REAL(close);
    if (tracked(fd)) {
        pthread_mutex_lock(&lock);
        free(paths[fd]);
        paths[fd] = NULL;
        dirty[fd] = 0; /* They stay in `dirty_all`, so that the log is kept. */
        pthread_mutex_unlock(&lock);
    }
    return real_close(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    if (!tracked(fd)) return real_pwrite64(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    note(fd, 'w', offset, bytes, length);
    ssize_t written = real_pwrite64(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!real_write) real_write = REAL(write);
    if (!tracked(fd)) return real_write(fd, bytes, length);
    pthread_mutex_lock(&lock);
    note(fd, 'w', lseek64(fd, 0, SEEK_CUR), bytes, length);
    ssize_t written = real_write(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return written;
}

int ftruncate64(int fd, off64_t size) {
    if (!tracked(fd)) return real_ftruncate64(fd, size);
    pthread_mutex_lock(&lock);
    note(fd, 't', size, NULL, 0);
    int result = real_ftruncate64(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

static int sync_with(int (*real)(int), int fd) {
    if (!tracked(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    int result = real(fd);
    if (result == 0) synced(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

int rename(const char *from, const char *to) {
    if (is_ours(to)) name("rename", from, to);
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    if (is_ours(path)) name("unlink", path, "");
    return REAL(unlink)(path);
}

/* Writes that this library would not see end the broker, so that it is extended instead of fooled. */
static int refused(int fd) {
    if (tracked(fd)) abort();
    return 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    refused(fd);
    return REAL(writev)(fd, parts, count);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    refused(fd);
    return REAL(fallocate64)(fd, mode, offset, length);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE)) refused(fd);
    return REAL(mmap64)(at, length, protection, flags, fd, offset);
}
