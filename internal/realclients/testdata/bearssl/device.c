/*
 * A device with little memory: BearSSL, with an input buffer for records of SIZE bytes.
 *
 *   device HOST PORT KEY SIZE ask|silent COUNT
 *
 * It trusts the public key KEY (an uncompressed P-256 point in hex), connects with TLS 1.2, subscribes to r/# and counts messages.
 * With "ask", BearSSL requests max_fragment_length by itself, as it does whenever the buffer is small; "silent" hides the buffer's size.
 * It prints "received COUNT", or what went wrong.
 */
#include <bearssl.h>

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int read_socket(void *context, unsigned char *buf, size_t len) {
    ssize_t n = read(*(int *)context, buf, len);
    return n > 0 ? (int)n : -1;
}

static int write_socket(void *context, const unsigned char *buf, size_t len) {
    ssize_t n = write(*(int *)context, buf, len);
    return n > 0 ? (int)n : -1;
}

static int dial(const char *host, const char *port) {
    struct addrinfo *all, hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, port, &hints, &all) != 0) return -1;
    int fd = socket(all->ai_family, all->ai_socktype, 0);
    if (fd >= 0 && connect(fd, all->ai_addr, all->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(all);
    return fd;
}

static br_ssl_client_context client;
static br_sslio_context io;

static void fail(const char *what) {
    printf("%s: BearSSL error %d\n", what, br_ssl_engine_last_error(&client.eng));
    exit(1);
}

static void take(void *buf, size_t len) {
    if (len > 0 && br_sslio_read_all(&io, buf, len) != 0) fail("read");
}

/* say sends one binary frame, whose mask is zero. */
static void say(const void *packet, unsigned char len) {
    unsigned char header[] = {0x82, 0x80 | len, 0, 0, 0, 0};
    if (br_sslio_write_all(&io, header, sizeof header) != 0 || br_sslio_write_all(&io, packet, len) != 0 || br_sslio_flush(&io) != 0)
        fail("write");
}

/* hear reads a frame and returns the first byte of the packet in it. */
static unsigned char hear(void) {
    unsigned char head[2], more[8], byte, first = 0;
    take(head, 2);
    unsigned long len = head[1];
    if (len >= 126) {
        int n = len == 126 ? 2 : 8;
        take(more, n);
        len = 0;
        for (int i = 0; i < n; i++) len = len << 8 | more[i];
    }
    for (unsigned long i = 0; i < len; i++) {
        take(&byte, 1);
        if (i == 0) first = byte;
    }
    return head[0] == 0x82 ? first : 0;
}

static void upgrade(const char *host) {
    char request[512], byte;
    int end = 0;
    snprintf(request, sizeof request,
             "GET /mqtt HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
             host);
    if (br_sslio_write_all(&io, request, strlen(request)) != 0 || br_sslio_flush(&io) != 0) fail("handshake");
    while (end < 4) {
        take(&byte, 1);
        end = byte == "\r\n\r\n"[end] ? end + 1 : byte == '\r';
    }
}

int main(int argc, char **argv) {
    static unsigned char input[16384 + 325], output[BR_SSL_BUFSIZE_OUTPUT];
    static br_x509_knownkey_context trust;
    unsigned char point[65];
    if (argc != 7 || strlen(argv[3]) != 2 * sizeof point) return 2;
    for (size_t i = 0; i < sizeof point; i++) {
        unsigned value;
        if (sscanf(argv[3] + 2 * i, "%2x", &value) != 1) return 2;
        point[i] = (unsigned char)value;
    }
    size_t size = (size_t)atoi(argv[4]) + 325; /* BR_SSL_BUFSIZE_INPUT has as much beside the content */
    if (size > sizeof input) return 2;
    int fd = dial(argv[1], argv[2]);
    if (fd < 0) {
        puts("cannot connect");
        return 1;
    }
    br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof point};
    br_x509_knownkey_init_ec(&trust, &key, BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN);
    br_x509_minimal_context unused;
    br_ssl_client_init_full(&client, &unused, NULL, 0);
    br_ssl_engine_set_x509(&client.eng, &trust.vtable);
    br_ssl_engine_set_buffers_bidi(&client.eng, input, size, output, sizeof output);
    if (strcmp(argv[5], "silent") == 0) client.eng.log_max_frag_len = 14;
    if (!br_ssl_client_reset(&client, argv[1], 0)) fail("reset");
    br_sslio_init(&io, &client.eng, read_socket, &fd, write_socket, &fd);

    upgrade(argv[1]);
    say("\x10\x0d\0\4MQTT\4\2\0\x3c\0\1d", 15);
    if (hear() != 0x20) fail("CONNACK");
    say("\x82\x08\0\1\0\3r/#\0", 10);
    int count = atoi(argv[6]), received = 0;
    while (received < count) received += (hear() & 0xF0) == 0x30;
    printf("received %d\n", received);
    return 0;
}
