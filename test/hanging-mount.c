/* For LD_PRELOAD: a mount that is out of order. Looking at, or opening, what starts with $HANG_BELOW waits while the file
   $HANG_WHILE is there and empty, and fails while it has the number of an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long (*real_syscall)(long, ...);

/* The number of an error, or 0. */
static int trouble(const char *path) {
  const char *below = getenv("HANG_BELOW"), *while_there = getenv("HANG_WHILE");
  if (!below || !while_there || !path || strncmp(path, below, strlen(below)) != 0) return 0;
  for (;;) {
    char text[16] = "";
    FILE *file = fopen(while_there, "re");
    if (!file) return 0;
    char *line = fgets(text, sizeof text, file);
    fclose(file);
    if (line) return atoi(text);
    usleep(10000);
  }
}

static int fails(const char *path) {
  int error = trouble(path);
  if (error != 0) errno = error;
  return error != 0;
}

#define CALL(type, name, parameters, arguments)                \
  type name parameters {                                       \
    static type(*real) parameters;                             \
    if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    if (fails(path)) return -1;                                \
    return real arguments;                                     \
  }

CALL(int, open64, (const char *path, int flags, int mode), (path, flags, mode))
CALL(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size))
CALL(int, scandir64, (const char *path, void *list, void *filter, void *compare), (path, list, filter, compare))
CALL(int, statx, (int folder, const char *path, int flags, unsigned mask, void *to), (folder, path, flags, mask, to))

long syscall(long number, ...) {
  va_list all;
  va_start(all, number);
  long a[6];
  for (int n = 0; n < 6; n++) a[n] = va_arg(all, long);
  va_end(all);
  if (!real_syscall) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  if (number == SYS_statx && fails((const char *)a[1])) return -1;
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
