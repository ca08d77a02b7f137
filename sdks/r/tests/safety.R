# No call fails, waits, or changes the program's random numbers.
library(monitoring)
source("server.R")

nowhere <- port_of_free()
close(nowhere$socket)
client <- mon_init("safety", "127.0.0.1", nowhere$port, quiet = TRUE, buffer_bytes = 100000)

set.seed(7)
seed <- .Random.seed
hostile <- list(
  NULL, NA, NaN, Inf, -1, "", "\xff\xfe", strrep("x", 1e5), list(), list(1, list(2)), new.env(), sum, quote(a + b), y ~ x,
  as.raw(0:255), factor("f"), Sys.time(), Sys.Date(), as.POSIXlt(Sys.time()), matrix(1:4, 2), data.frame(a = 1:3), 1i,
  structure(list(), class = "odd"), stdin(), 2^70, .Machine$integer.max, c(a = 1), character(), "\u202e", emptyenv()
)
runs <- as.integer(Sys.getenv("FUZZ_CALLS", "2000"))
pick <- function(n) hostile[[n %% length(hostile) + 1L]]
for (n in seq_len(runs)) {
  a <- pick(n * 7L); b <- pick(n * 13L + 1L); c <- pick(n * 5L + 2L)
  switch(n %% 8L + 1L,
    mon_event(a, b, c), mon_metric(a, b, c, a), mon_progress(a, b, c), mon_resource(a, b, c), mon_end_span(mon_start_span(a), b, c),
    mon_set_context(a, b), mon_continue_trace(a), mon_event("info", stop("in an argument"), list(a, b))
  )
}
stopifnot(identical(seed, .Random.seed))
stats <- mon_stats()
stopifnot(stats$accepted == stats$sent + stats$queued + sum(unlist(stats$dropped)), stats$queued_bytes <= 100000)
stopifnot(stats$dropped$full > 0, stats$dropped$encode > 0)

# The last fifth is for what is important.
plain <- mon_init("full", "127.0.0.1", nowhere$port, quiet = TRUE, buffer_bytes = 20000)
for (n in 1:500) mon_event("info", "ordinary")
before <- mon_stats()$queued
for (n in 1:10) stopifnot(mon_event("error", "important"))
stopifnot(mon_stats()$queued == before + 10, !mon_event("info", "ordinary"))

# Where there is no sidecar, the end does not wait.
started <- Sys.time()
stopifnot(!mon_close(client = plain), !mon_close(client = client))
stopifnot(as.numeric(Sys.time() - started, units = "secs") < 5)

off <- mon_init("off", disabled = TRUE)
stopifnot(!mon_event("info", "x"), mon_flush(), mon_stats()$accepted == 0)

# A client that was closed is forgotten when another is made, and can be made anew.
forgotten <- 0
for (n in 1:10) {
  one <- mon_init(paste0("job ", n), "127.0.0.1", nowhere$port, quiet = TRUE)
  reg.finalizer(one, function(...) forgotten <<- forgotten + 1)
  mon_close(client = one)
}
last <- one
rm(one)
invisible(gc())
stopifnot(forgotten == 9, !identical(mon_init("job 10", "127.0.0.1", nowhere$port, quiet = TRUE), last))
