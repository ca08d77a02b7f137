# R values as JSON or MessagePack: bounded, never failing, numbers as numbers. One walk over the value; what is written
# is up to a writer: `text`, `number`, `flag`, `null`, `array` and `object` give a piece, `join` puts pieces together.

MAX_TEXT_BYTES <- 8192L
MAX_KEYS <- 128L
MAX_ITEMS <- 256L
MAX_DEPTH <- 8L
MAX_INTEGER <- 2^53

# U+FFFD, whatever the locale that this file is read in.
REPLACEMENT <- rawToChar(as.raw(c(0xef, 0xbf, 0xbd)))
Encoding(REPLACEMENT) <- "UTF-8"

# Well-formed UTF-8 of at most 8 KiB, cut at a character; what is not becomes U+FFFD.
clean_text <- function(text) {
  text <- tryCatch(as.character(text)[1L], error = function(e) "<unprintable>")
  if (is.na(text)) return(NA_character_)
  # In the C locale, too, the text of files and sockets is UTF-8 most often.
  if (Encoding(text) == "unknown" && !l10n_info()[["Latin-1"]]) Encoding(text) <- "UTF-8"
  text <- enc2utf8(text)
  if (!validUTF8(text)) text <- gsub("\032", REPLACEMENT, iconv(text, "UTF-8", "UTF-8", sub = "\032"), fixed = TRUE)
  if (nchar(text, "bytes") <= MAX_TEXT_BYTES) return(text)
  bytes <- charToRaw(text)
  end <- MAX_TEXT_BYTES
  # A byte 10xxxxxx continues a character.
  while (as.integer(bytes[end + 1L]) %/% 64L == 2L) end <- end - 1L
  text <- rawToChar(bytes[seq_len(end)])
  Encoding(text) <- "UTF-8"
  text
}

write_text <- function(writer, text) {
  text <- clean_text(text)
  if (is.na(text)) return(writer$null)
  .state$room <- .state$room - nchar(text, "bytes")
  writer$text(text)
}

# A number in as many digits as it needs; beyond 2^53, unless it is `measured`, and where JSON has none for it, a text.
write_number <- function(writer, number, measured = FALSE) {
  if (is.nan(number)) return(writer$text("NaN"))
  if (is.na(number)) return(writer$null)
  if (is.infinite(number)) return(writer$text(if (number > 0) "Infinity" else "-Infinity"))
  is_whole <- number == floor(number)
  if (!measured && is_whole && abs(number) > MAX_INTEGER && abs(number) < 1e21) return(writer$text(sprintf("%.0f", number)))
  if (is_whole && abs(number) <= MAX_INTEGER) return(writer$number(number, sprintf("%.0f", number)))
  digits <- sprintf("%.15g", number)
  for (form in c("%.16g", "%.17g")) if (as.numeric(digits) != number) digits <- sprintf(form, number)
  writer$number(number, digits)
}

# To the millisecond, where it has some.
iso_time <- function(time) {
  ms <- round(as.numeric(time) * 1000)
  part <- ms %% 1000
  form <- if (is.finite(part) && part > 0) sprintf("%%Y-%%m-%%dT%%H:%%M:%%S.%03.0fZ", part) else "%Y-%m-%dT%H:%M:%SZ"
  format(structure(ms %/% 1000, class = c("POSIXct", "POSIXt")), form, tz = "UTC")
}

# The numbers that a vector stands for, where its class keeps them as others.
numbers_of <- function(value) {
  if (inherits(value, "integer64")) return(stats::setNames(integer64_of(value), names(value)))
  if (!inherits(value, "difftime")) return(value)
  units(value) <- "secs" # R chooses the unit by the size
  attributes(value) <- attributes(value)["names"]
  value
}

# Whole numbers of package bit64, each in the bytes of a double; those beyond 2^53 as text.
integer64_of <- function(value) {
  bytes <- matrix(as.numeric(writeBin(as.vector(unclass(value)), raw(), endian = "big")), nrow = 8L)
  high <- colSums(bytes[1:4, , drop = FALSE] * 256^(3:0))
  high <- high - 2^32 * (high >= 2^31)
  low <- colSums(bytes[5:8, , drop = FALSE] * 256^(3:0))
  number <- high * 2^32 + low
  number[high == -2^31 & low == 0] <- NA
  large <- !is.na(number) & (high < -2^21 | high + (low > 0) > 2^21)
  if (!any(large)) return(number)
  # Divided by a billion, sixteen bits at a time: no step is beyond 2^53.
  below <- high < 0
  high[below] <- -high[below] - (low[below] > 0)
  low[below] <- -low[below] %% 2^32
  upper <- high * 2^16 + low %/% 2^16
  lower <- upper %% 1e9 * 2^16 + low %% 2^16
  digits <- sprintf("%s%.0f%09.0f", ifelse(below, "-", ""), upper %/% 1e9 * 2^16 + lower %/% 1e9, lower %% 1e9)
  if (all(large)) digits else ifelse(large, as.list(digits), as.list(number))
}

write_scalar <- function(writer, value) {
  if (inherits(value, "POSIXct")) return(write_text(writer, iso_time(value)))
  if (inherits(value, "Date") || is.factor(value)) return(write_text(writer, as.character(value)))
  if (is.logical(value)) return(if (is.na(value)) writer$null else writer$flag(value))
  if (is.numeric(value)) return(write_number(writer, as.numeric(value)))
  write_text(writer, value)
}

# Any value; `within` are the environments that it is in, `depth` counts the containers. `.state$room` is how many bytes may
# still be written, counted as no more than are: a value that is cut off for them, as what is shared may be, makes no record.
write_value <- function(writer, value, depth = 0L, within = list()) {
  if (is.null(value)) return(writer$null)
  if (inherits(value, "monitoring_kept")) return(unclass(value)[[1L]])
  if (is.raw(value)) return(write_text(writer, paste0("base64:", base64(value))))
  if (is.environment(value)) {
    if (any(vapply(within, identical, NA, value))) return(writer$text("<cyclic>"))
    within <- c(within, value)
    value <- as.list(value, sorted = TRUE)
  }
  if (inherits(value, "POSIXlt")) value <- as.POSIXct(value)
  if (inherits(value, "numeric_version")) value <- as.character(value) # a list each of whose items is a list again
  value <- numbers_of(value)
  if (is.function(value) || is.language(value)) value <- paste(deparse(value), collapse = " ")
  if (isS4(value) || !is.atomic(value) && !is.list(value)) return(writer$text(paste0("<", class(value)[1L], ">")))
  if (is.atomic(value) && length(value) == 1L && is.null(names(value))) return(write_scalar(writer, value))
  if (depth >= MAX_DEPTH) return(writer$text("<depth>"))
  if (.state$room <= 0) return(writer$text("<large>"))
  write_container(writer, value, function(item) write_value(writer, item, depth + 1L, within))
}

# A name; one that is missing is empty.
write_key <- function(writer, key) {
  key <- text_of(key)
  .state$room <- .state$room - nchar(key, "bytes")
  writer$text(key)
}

# The names of members; that of one without is its position, as a list of R may have some of both.
names_of <- function(values) {
  keys <- names(values)
  nameless <- is.na(keys) | !nzchar(keys)
  if (any(nameless)) keys[nameless] <- which(nameless)
  keys
}

write_container <- function(writer, value, inner) {
  keys <- names_of(value)
  .state$room <- .state$room - min(length(value), if (is.null(keys)) MAX_ITEMS else MAX_KEYS)
  if (is.null(keys)) return(writer$array(lapply(seq_len(min(length(value), MAX_ITEMS)), function(at) inner(value[[at]]))))
  kept <- utils::head(order(keys, method = "radix"), MAX_KEYS)
  writer$object(lapply(keys[kept], write_key, writer = writer), lapply(kept, function(at) inner(value[[at]])))
}

# An object whose members keep their order.
write_members <- function(writer, values, depth = 0L) {
  writer$object(lapply(names(values), write_key, writer = writer), lapply(values, write_value, writer = writer, depth = depth))
}

# A value to be kept in a context: encoded now, taken as it is when it is met again.
kept_value <- function(writer, value) {
  .state$room <- MAX_RECORD_BYTES
  structure(list(write_value(writer, value, 1L)), class = "monitoring_kept")
}

BASE64 <- strsplit("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "")[[1L]]

base64 <- function(bytes) {
  if (length(bytes) == 0L) return("")
  if (length(bytes) > MAX_TEXT_BYTES) bytes <- bytes[seq_len(MAX_TEXT_BYTES)]
  padding <- (3L - length(bytes) %% 3L) %% 3L
  triples <- matrix(c(as.integer(bytes), integer(padding)), nrow = 3L)
  bits <- triples[1L, ] * 65536L + triples[2L, ] * 256L + triples[3L, ]
  digits <- rbind(bits %/% 262144L, bits %/% 4096L, bits %/% 64L, bits) %% 64L
  text <- BASE64[digits + 1L]
  if (padding > 0L) text[length(text) - seq_len(padding) + 1L] <- "="
  paste(text, collapse = "")
}
