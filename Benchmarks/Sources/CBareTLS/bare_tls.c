#include "bare_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256 << 10)

struct side {
    SSL_CTX *context;
    int socket;
    uint64_t stream_bytes;
    size_t round_trips;
    size_t ping_bytes;
    uint64_t ended_at;
    const char *problem;
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static SSL_CTX *make_context(const SSL_METHOD *method, const char *certificate, const char *key,
                             const char *authority) {
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context) return NULL;
    if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1
        || SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1
        || SSL_CTX_use_certificate_chain_file(context, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_load_verify_locations(context, authority, NULL) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    // Many records from one call of the system.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BYTES);
    return context;
}

static int read_all(SSL *ssl, char *buffer, size_t count) {
    while (count > 0) {
        int got = SSL_read(ssl, buffer, (int)count);
        if (got <= 0) return -1;
        buffer += got;
        count -= (size_t)got;
    }
    return 0;
}

// The receiving side.
static void *serve(void *argument) {
    struct side *side = argument;
    char *buffer = malloc(READ_BYTES > side->ping_bytes ? READ_BYTES : side->ping_bytes);
    SSL *ssl = SSL_new(side->context);
    uint64_t left = side->stream_bytes;
    if (!buffer || !ssl || SSL_set_fd(ssl, side->socket) != 1 || SSL_accept(ssl) != 1) {
        side->problem = "the server's handshake failed";
        goto end;
    }
    for (size_t trip = 0; trip < side->round_trips; trip++) {
        if (read_all(ssl, buffer, side->ping_bytes) != 0
            || SSL_write(ssl, buffer, (int)side->ping_bytes) != (int)side->ping_bytes) {
            side->problem = "a round trip failed";
            goto end;
        }
    }
    while (left > 0) {
        int got = SSL_read(ssl, buffer, READ_BYTES);
        if (got <= 0) {
            side->problem = "the stream ended early";
            goto end;
        }
        left -= (uint64_t)got < left ? (uint64_t)got : left;
    }
    side->ended_at = now();
end:
    // The other side may be waiting for an answer.
    shutdown(side->socket, SHUT_RDWR);
    SSL_free(ssl);
    free(buffer);
    return NULL;
}

static int connect_pair(int *client, int *server) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, result = -1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *client = *server = -1;
    if (listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0
        && getsockname(listener, (struct sockaddr *)&address, &size) == 0
        && (*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0
        && connect(*client, (struct sockaddr *)&address, size) == 0
        && (*server = accept(listener, NULL, NULL)) >= 0
        && setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0
        && setsockopt(*server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0)
        result = 0;
    if (listener >= 0) close(listener);
    return result;
}

static int send_all(int socket, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) return -1;
        bytes += sent;
        count -= (size_t)sent;
    }
    return 0;
}

// The sending side.
static const char *drive(SSL *ssl, int socket, uint64_t stream_bytes, size_t slice_bytes, size_t round_trips,
                         size_t ping_bytes, uint64_t *times, uint64_t *begun_at) {
    char *buffer = calloc(1, slice_bytes > ping_bytes ? slice_bytes : ping_bytes);
    const char *problem = NULL;
    BIO *sealed = NULL;
    if (!buffer) return "out of memory";
    if (SSL_set_fd(ssl, socket) != 1 || SSL_connect(ssl) != 1) {
        problem = "the client's handshake failed";
        goto end;
    }
    for (size_t trip = 0; trip < round_trips; trip++) {
        uint64_t start = now();
        if (SSL_write(ssl, buffer, (int)ping_bytes) != (int)ping_bytes || read_all(ssl, buffer, ping_bytes) != 0) {
            problem = "a round trip failed";
            goto end;
        }
        times[trip] = now() - start;
    }
    sealed = BIO_new(BIO_s_mem());
    if (!sealed) {
        problem = "out of memory";
        goto end;
    }
    SSL_set0_wbio(ssl, sealed);
    *begun_at = now();
    for (uint64_t left = stream_bytes; left > 0;) {
        size_t count = left < slice_bytes ? (size_t)left : slice_bytes;
        char *bytes = NULL;
        if (SSL_write(ssl, buffer, (int)count) != (int)count) {
            problem = "a slice could not be sealed";
            break;
        }
        long length = BIO_get_mem_data(sealed, &bytes);
        if (send_all(socket, bytes, (size_t)length) != 0) {
            problem = "a slice could not be sent";
            break;
        }
        (void)BIO_reset(sealed);
        left -= count;
    }
end:
    free(buffer);
    return problem;
}

int bare_tls_measure(const char *certificate, const char *key, const char *authority, uint64_t stream_bytes,
                     size_t slice_bytes, size_t round_trips, size_t ping_bytes, uint64_t *round_trip_nanoseconds,
                     double *bytes_per_second, char *error, size_t error_size) {
    SSL_CTX *server = make_context(TLS_server_method(), certificate, key, authority);
    SSL_CTX *client = make_context(TLS_client_method(), certificate, key, authority);
    struct side side = {.context = server,
                        .socket = -1,
                        .stream_bytes = stream_bytes,
                        .round_trips = round_trips,
                        .ping_bytes = ping_bytes};
    int socket = -1;
    uint64_t begun_at = 0;
    const char *problem = NULL;
    SSL *ssl = client ? SSL_new(client) : NULL;
    pthread_t thread;
    if (!server || !ssl) {
        problem = "the certificate, its key or the authority cannot be used";
    } else if (connect_pair(&socket, &side.socket) != 0) {
        problem = "no connection over loopback";
    } else if (pthread_create(&thread, NULL, serve, &side) != 0) {
        problem = "no thread";
    } else {
        problem = drive(ssl, socket, stream_bytes, slice_bytes, round_trips, ping_bytes, round_trip_nanoseconds,
                        &begun_at);
        // Whoever waits for more hears that there is none.
        shutdown(socket, SHUT_WR);
        pthread_join(thread, NULL);
        if (!problem) problem = side.problem;
    }
    if (!problem) *bytes_per_second = (double)stream_bytes / ((double)(side.ended_at - begun_at) / 1e9);
    if (problem) {
        char reason[200] = "";
        unsigned long code = ERR_get_error();
        if (code) ERR_error_string_n(code, reason, sizeof reason);
        snprintf(error, error_size, "%s%s%s", problem, code ? ": " : "", reason);
    }
    if (socket >= 0) close(socket);
    if (side.socket >= 0) close(side.socket);
    SSL_free(ssl);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return problem ? -1 : 0;
}

int bare_aes_gcm_measure(size_t record_bytes, uint64_t stream_bytes, double *bytes_per_second) {
    unsigned char key[16] = {1}, nonce[12] = {0}, head[5] = {23, 3, 3}, tag[16];
    unsigned char *plain = calloc(1, record_bytes), *sealed = malloc(record_bytes + 16);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int result = -1, count;
    uint64_t done = 0, start;
    if (!plain || !sealed || !context || EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, nonce) != 1)
        goto end;
    start = now();
    while (done < stream_bytes) {
        memcpy(nonce, &done, sizeof done);
        if (EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) != 1
            || EVP_EncryptUpdate(context, NULL, &count, head, sizeof head) != 1
            || EVP_EncryptUpdate(context, sealed, &count, plain, (int)record_bytes) != 1
            || EVP_EncryptFinal_ex(context, sealed + count, &count) != 1
            || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) != 1)
            goto end;
        done += record_bytes;
    }
    *bytes_per_second = (double)done / ((double)(now() - start) / 1e9);
    result = 0;
end:
    EVP_CIPHER_CTX_free(context);
    free(plain);
    free(sealed);
    return result;
}

struct bare_tls_caller {
    SSL_CTX *context;
};

struct bare_tls_caller *bare_tls_caller_new(const char *certificate, const char *key, const char *protocol) {
    struct bare_tls_caller *caller = calloc(1, sizeof *caller);
    size_t count = strlen(protocol);
    unsigned char offered[256];
    if (!caller || count == 0 || count > 255) goto failed;
    offered[0] = (unsigned char)count;
    memcpy(offered + 1, protocol, count);
    caller->context = SSL_CTX_new(TLS_client_method());
    if (!caller->context || SSL_CTX_set_min_proto_version(caller->context, TLS1_3_VERSION) != 1
        || SSL_CTX_use_certificate_chain_file(caller->context, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(caller->context, key, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_set_alpn_protos(caller->context, offered, (unsigned)count + 1) != 0)
        goto failed;
    SSL_CTX_set_verify(caller->context, SSL_VERIFY_NONE, NULL);
    return caller;
failed:
    bare_tls_caller_free(caller);
    return NULL;
}

void bare_tls_caller_free(struct bare_tls_caller *caller) {
    if (!caller) return;
    SSL_CTX_free(caller->context);
    free(caller);
}

enum bare_tls_end bare_tls_attempt(const struct bare_tls_caller *caller, int socket) {
    enum bare_tls_end end = BARE_TLS_CUT_OFF;
    char byte;
    SSL *ssl = SSL_new(caller->context);
    ERR_clear_error();
    // In TLS 1.3 a client is done before the other side has judged its certificate.
    if (ssl && SSL_set_fd(ssl, socket) == 1) {
        int code = SSL_connect(ssl);
        if (code == 1) code = SSL_read(ssl, &byte, 1);
        if (code == 1)
            end = BARE_TLS_LET_IN;
        else if (SSL_get_error(ssl, code) == SSL_ERROR_SSL)
            end = BARE_TLS_REFUSED;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return end;
}
