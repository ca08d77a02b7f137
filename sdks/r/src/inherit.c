/* What base R has no call for: programs that R starts must not inherit the connection. */
#include <R.h>
#include <Rinternals.h>
#include <R_ext/Rdynload.h>

#ifdef _WIN32

/* There, nothing is inherited. */
static SEXP sockets_to(SEXP port) { (void)port; return allocVector(INTSXP, 0); }
static SEXP close_on_exec(SEXP fds) { (void)fds; return R_NilValue; }

#else

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Above that R's own sockets cannot be, as it waits for them by select(). */
enum { MOST_FDS = 1024 };

static int port_of(const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)peer)->sin_port);
    if (peer->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)peer)->sin6_port);
    return -1;
}

/* The descriptors of sockets that are connected to `port`, an integer, of whatever host. */
static SEXP sockets_to(SEXP port)
{
    int found[MOST_FDS], count = 0, wanted = asInteger(port);
    for (int fd = 0; fd < MOST_FDS; fd++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && port_of(&peer) == wanted) found[count++] = fd;
    }
    SEXP result = allocVector(INTSXP, count);
    for (int n = 0; n < count; n++) INTEGER(result)[n] = found[n];
    return result;
}

/* Closes these descriptors, integers, in every program that this one becomes or starts. */
static SEXP close_on_exec(SEXP fds)
{
    for (R_xlen_t n = 0; n < XLENGTH(fds); n++) {
        int flags = fcntl(INTEGER(fds)[n], F_GETFD);
        if (flags >= 0) fcntl(INTEGER(fds)[n], F_SETFD, flags | FD_CLOEXEC);
    }
    return R_NilValue;
}

#endif

static const R_CallMethodDef CALLS[] = {
    {"sockets_to", (DL_FUNC)&sockets_to, 1},
    {"close_on_exec", (DL_FUNC)&close_on_exec, 1},
    {NULL, NULL, 0},
};

void R_init_monitoring(DllInfo *dll)
{
    R_registerRoutines(dll, NULL, CALLS, NULL, NULL);
    R_useDynamicSymbols(dll, FALSE);
    R_forceSymbols(dll, TRUE);
}
