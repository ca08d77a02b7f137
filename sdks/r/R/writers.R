# The two forms on the wire.

SAFE <- "^[ !#-\\[\\]-~]*$"
CONTROLS <- vapply(1:31, intToUtf8, "")
ESCAPES <- sprintf("\\u%04x", 1:31)
ESCAPES[c(9, 10, 13)] <- c("\\t", "\\n", "\\r")

json_writer <- list(
  null = "null",
  flag = function(flag) if (flag) "true" else "false",
  number = function(number, digits) digits,
  text = function(text) {
    if (!grepl(SAFE, text, perl = TRUE)) {
      text <- gsub("([\"\\\\])", "\\\\\\1", text, perl = TRUE)
      for (at in which(vapply(CONTROLS, grepl, NA, x = text, fixed = TRUE))) {
        text <- gsub(CONTROLS[at], ESCAPES[at], text, fixed = TRUE)
      }
    }
    paste0("\"", text, "\"")
  },
  array = function(items) paste0("[", paste(items, collapse = ","), "]"),
  object = function(keys, items) paste0("{", paste(keys, items, sep = ":", collapse = ","), "}"),
  bytes = function(piece) nchar(piece, "bytes"),
  frame = function(piece) charToRaw(paste0(piece, "\n"))
)

# A whole number, negative ones in two's complement, in 1, 2, 4 or 8 bytes, big end first.
big_endian <- function(number, bytes) {
  if (bytes < 8) return(as.raw((number %/% 256^((bytes - 1):0)) %% 256))
  high <- floor(number / 2^32)
  c(big_endian(high, 4), big_endian(number - high * 2^32, 4))
}

msgpack_whole <- function(number) {
  if (number >= 0) {
    if (number < 128) return(as.raw(number))
    at <- which(number < c(2^8, 2^16, 2^32, Inf))[1L]
    return(c(as.raw(0xcb + at), big_endian(number, 2^(at - 1))))
  }
  if (number >= -32) return(as.raw(256 + number))
  at <- which(number >= c(-2^7, -2^15, -2^31, -Inf))[1L]
  c(as.raw(0xcf + at), big_endian(number, 2^(at - 1)))
}

# What begins a text, an array or an object of this length: one byte up to `least`, else a code and the length.
msgpack_head <- function(length, fixed, least, codes) {
  if (length <= least) return(as.raw(fixed + length))
  at <- which(length < codes$below)[1L]
  c(as.raw(codes$code[at]), big_endian(length, codes$bytes[at]))
}

TEXT_CODES <- list(below = c(2^8, 2^16, 2^32), code = c(0xd9, 0xda, 0xdb), bytes = c(1, 2, 4))
ARRAY_CODES <- list(below = c(2^16, 2^32), code = c(0xdc, 0xdd), bytes = c(2, 4))
MAP_CODES <- list(below = c(2^16, 2^32), code = c(0xde, 0xdf), bytes = c(2, 4))

msgpack_writer <- list(
  null = as.raw(0xc0),
  flag = function(flag) as.raw(if (flag) 0xc3 else 0xc2),
  number = function(number, digits) {
    is_whole <- number == floor(number) && abs(number) <= MAX_INTEGER
    if (is_whole) msgpack_whole(number) else c(as.raw(0xcb), writeBin(number, raw(), endian = "big"))
  },
  text = function(text) {
    bytes <- charToRaw(text)
    c(msgpack_head(length(bytes), 0xa0, 31, TEXT_CODES), bytes)
  },
  array = function(items) c(msgpack_head(length(items), 0x90, 15, ARRAY_CODES), unlist(items)),
  object = function(keys, items) c(msgpack_head(length(items), 0x80, 15, MAP_CODES), unlist(rbind(keys, items))),
  bytes = length,
  frame = identity
)
