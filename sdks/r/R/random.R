# Random bytes of the operating system: `.Random.seed` is the host's. Read in blocks, which no fork shares.

.pool <- new.env(parent = emptyenv())
POOL_BYTES <- 4096L

random_bytes <- function(count) {
  if (!identical(.pool$pid, Sys.getpid()) || length(.pool$bytes) < count) {
    source <- file("/dev/urandom", "rb", raw = TRUE)
    on.exit(close(source))
    .pool$bytes <- readBin(source, raw(), POOL_BYTES)
    .pool$pid <- Sys.getpid()
  }
  taken <- .pool$bytes[seq_len(count)]
  .pool$bytes <- .pool$bytes[-seq_len(count)]
  taken
}

random_share <- function() sum(as.integer(random_bytes(4L)) / 256^(1:4))

# An id of so many bytes in hexadecimal digits; never all zeros.
new_id <- function(bytes) {
  repeat {
    id <- paste(format(random_bytes(bytes)), collapse = "")
    if (grepl("[^0]", id)) return(id)
  }
}
