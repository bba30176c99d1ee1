#ifndef BARE_TLS_H
#define BARE_TLS_H

#include <stddef.h>
#include <stdint.h>

/// One TLS 1.3 connection over loopback, both sides with a certificate, and nothing above it: what this machine's
/// OpenSSL can do at most. Two threads, one for each side.
///
/// First `round_trips` times `ping_bytes` there and back, then `stream_bytes` one way, sealed in records of 16 KiB and
/// handed to the socket in slices of `slice_bytes`, as the nodes' transport does.
///
/// - round_trip_nanoseconds: room for `round_trips` times.
/// - bytes_per_second: of the stream, from its first byte sent to its last byte deciphered.
/// - Returns: 0, or -1 with the reason in `error`.
int bare_tls_measure(const char *certificate, const char *key, const char *authority, uint64_t stream_bytes,
                     size_t slice_bytes, size_t round_trips, size_t ping_bytes, uint64_t *round_trip_nanoseconds,
                     double *bytes_per_second, char *error, size_t error_size);

/// AES-128-GCM over records of this size, each with a nonce, a head and a tag of its own as in TLS 1.3: what of a stream
/// is sealing alone.
///
/// - Returns: 0, or -1 when OpenSSL cannot.
int bare_aes_gcm_measure(size_t record_bytes, uint64_t stream_bytes, double *bytes_per_second);

/// A caller with a certificate that it hopes to be let in with. It trusts whoever answers.
struct bare_tls_caller;

/// - protocol: what it asks for (ALPN), at most 255 bytes.
/// - Returns: NULL when the certificate or its key cannot be used.
struct bare_tls_caller *bare_tls_caller_new(const char *certificate, const char *key, const char *protocol);
void bare_tls_caller_free(struct bare_tls_caller *caller);

/// How an attempt ended.
enum bare_tls_end { BARE_TLS_LET_IN, BARE_TLS_REFUSED, BARE_TLS_CUT_OFF };

/// Shakes hands on a blocking socket that is connected, and waits for the first byte from the other side. From any
/// thread. Closes nothing.
///
/// - Returns: refused when the other side said so in an alert, cut off when it did not.
enum bare_tls_end bare_tls_attempt(const struct bare_tls_caller *caller, int socket);

#endif
