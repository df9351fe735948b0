/* failpoint: a disk that fills up at the k-th call that needs space, for pitboss and its git alike.
 *
 * Build:  cc -O2 -shared -fPIC -o failpoint.so failpoint.c -ldl
 * Use:    FAIL_AT=17 FAIL_UNDER=/repo FAIL_PAGE=/elsewhere/page LD_PRELOAD=./failpoint.so  PROGRAM ARGS...
 *
 * FAIL_AT=K     from the K-th counted call on, each such call fails with ENOSPC; 0: none does, they are only counted.
 * FAIL_FOR=N    after N failed calls there is space again; 0: there never is.
 * FAIL_UNDER=D  only calls on paths in D count: the rest of the machine has space.
 * FAIL_ONLY=W   only calls of programs that have the argument W count, as `commit` of `git commit`.
 * FAIL_PAGE=F   a file that all processes share: the number of counted calls, then of failed ones, in binary.
 *
 * Counted: open(O_CREAT) of a file that does not exist, write and writev to a regular file, fsync, fdatasync,
 * rename*, link*, symlink*, mkdir*, ftruncate and posix_fallocate that make a file longer.
 * A process with PITBOSS_SESSION_SEQ in its environment (an agent, a hook) is left alone, and so are its children.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static struct page { long counted, failed; } *page = NULL; /* NULL: inactive in this process */
static long fail_at = 0, fail_for = 0;
static const char *under = "";

/* Whether this program was started with the argument `word`. */
static int has_argument(const char *word) {
    char line[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    long n = syscall(SYS_read, fd, line, sizeof line - 1);
    syscall(SYS_close, fd);
    line[n > 0 ? n : 0] = 0;
    for (long at = 0; at < n; at += (long)strlen(line + at) + 1)
        if (!strcmp(line + at, word)) return 1;
    return 0;
}

__attribute__((constructor)) static void start(void) {
    const char *shared = getenv("FAIL_PAGE"), *only = getenv("FAIL_ONLY");
    if (!shared || getenv("PITBOSS_SESSION_SEQ") || (only && *only && !has_argument(only))) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return;
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size < (off_t)sizeof *page) syscall(SYS_ftruncate, fd, sizeof *page);
    void *mapped = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED) return;
    fail_at = getenv("FAIL_AT") ? atol(getenv("FAIL_AT")) : 0;
    fail_for = getenv("FAIL_FOR") ? atol(getenv("FAIL_FOR")) : 0;
    under = getenv("FAIL_UNDER") ? getenv("FAIL_UNDER") : "";
    page = mapped;
}

/* Whether this call, known to need space on the disk, is to fail. */
static int is_full(void) {
    long k = __atomic_add_fetch(&page->counted, 1, __ATOMIC_SEQ_CST);
    if (!fail_at || k < fail_at) return 0;
    if (fail_for && __atomic_load_n(&page->failed, __ATOMIC_SEQ_CST) >= fail_for) return 0;
    __atomic_add_fetch(&page->failed, 1, __ATOMIC_SEQ_CST);
    errno = ENOSPC;
    return 1;
}

static int is_within(const char *path) { return !strncmp(path, under, strlen(under)); }

/* The path that `name` under the open directory `dir` stands for, as far as it matters here. */
static int path_counts(int dir, const char *name) {
    char link[32], at[4096];
    if (!page || !name) return 0;
    if (name[0] == '/') return is_within(name);
    if (dir == AT_FDCWD) return getcwd(at, sizeof at) && is_within(at);
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, at, sizeof at - 1);
    if (n <= 0) return 0;
    at[n] = 0;
    return is_within(at);
}

static int file_counts(int fd) {
    struct stat st;
    if (!page || fstat(fd, &st) || !S_ISREG(st.st_mode)) return 0;
    return path_counts(fd, "");
}

static int is_new(int dir, const char *path) { return syscall(SYS_faccessat, dir, path, F_OK) != 0; }

#define REAL(type, name, args) static type(*real_##name) args = NULL; \
    if (!real_##name) real_##name = dlsym(RTLD_NEXT, #name)

#define OPENS(name, dir, params, args) \
    int name params { \
        REAL(int, name, params); \
        int kept = errno; \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list ap; va_start(ap, flags); mode = va_arg(ap, int); va_end(ap); } \
        if ((flags & O_CREAT) && path_counts(dir, path) && is_new(dir, path) && is_full()) return -1; \
        errno = kept; \
        return real_##name args; \
    }

OPENS(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENS(openat64, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

#define FAILS(type, name, params, args, counts) \
    type name params { REAL(type, name, params); if (counts && is_full()) return -1; return real_##name args; }

FAILS(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), file_counts(fd))
FAILS(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), file_counts(fd))
FAILS(int, fsync, (int fd), (fd), file_counts(fd))
FAILS(int, fdatasync, (int fd), (fd), file_counts(fd))
FAILS(int, rename, (const char *a, const char *b), (a, b), path_counts(AT_FDCWD, b))
FAILS(int, renameat, (int da, const char *a, int db, const char *b), (da, a, db, b), path_counts(db, b))
FAILS(int, renameat2, (int da, const char *a, int db, const char *b, unsigned f), (da, a, db, b, f), path_counts(db, b))
FAILS(int, link, (const char *a, const char *b), (a, b), path_counts(AT_FDCWD, b))
FAILS(int, symlink, (const char *a, const char *b), (a, b), path_counts(AT_FDCWD, b))
FAILS(int, mkdir, (const char *a, mode_t m), (a, m), path_counts(AT_FDCWD, a) && is_new(AT_FDCWD, a))
FAILS(int, mkdirat, (int d, const char *a, mode_t m), (d, a, m), path_counts(d, a) && is_new(d, a))

static int grows(int fd, off_t n) {
    struct stat st;
    return fstat(fd, &st) == 0 && n > st.st_size;
}

FAILS(int, ftruncate, (int fd, off_t n), (fd, n), file_counts(fd) && grows(fd, n))
FAILS(int, ftruncate64, (int fd, off64_t n), (fd, n), file_counts(fd) && grows(fd, n))
