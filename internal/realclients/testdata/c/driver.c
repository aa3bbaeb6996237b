/* The driver of Paho C. Speaks the commands and events of ../../protocol.go. */

#include <MQTTClient.h>
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 20000

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static MQTTClient client;
static int version;

/* emit writes the event as one line and frees it. */
static void emit(cJSON *event) {
  char *line = cJSON_PrintUnformatted(event);
  pthread_mutex_lock(&writing);
  puts(line);
  fflush(stdout);
  pthread_mutex_unlock(&writing);
  free(line);
  cJSON_Delete(event);
}

static cJSON *new_event(const char *kind) {
  cJSON *event = cJSON_CreateObject();
  cJSON_AddStringToObject(event, "event", kind);
  return event;
}

static char *to_hex(const unsigned char *bytes, int len) {
  static const char digits[] = "0123456789abcdef";
  char *hex = malloc(2 * (size_t)len + 1);
  for (int i = 0; i < len; i++) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
  hex[2 * len] = 0;
  return hex;
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static unsigned char *from_hex(const char *hex, int *len) {
  *len = (int)(strlen(hex) / 2);
  unsigned char *bytes = malloc((size_t)*len + 1);
  for (int i = 0; i < *len; i++) bytes[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return bytes;
}

static const char *text(const cJSON *from, const char *name) {
  const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(from, name));
  return value ? value : "";
}

static int number(const cJSON *from, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(from, name);
  return cJSON_IsTrue(item) ? 1 : cJSON_IsNumber(item) ? item->valueint : 0;
}

static int arrived(void *context, char *topic, int topic_len, MQTTClient_message *message) {
  (void)context;
  (void)topic_len; /* 0 unless the topic holds a NUL, which MQTT forbids */
  cJSON *event = new_event("message");
  char *hex = to_hex(message->payload, message->payloadlen);
  cJSON_AddStringToObject(event, "topic", topic);
  cJSON_AddStringToObject(event, "payload", hex);
  cJSON_AddNumberToObject(event, "qos", message->qos);
  cJSON_AddBoolToObject(event, "retain", message->retained);
  emit(event);
  free(hex);
  MQTTClient_freeMessage(&message);
  MQTTClient_free(topic);
  return 1;
}

static void lost(void *context, char *cause) {
  (void)context;
  fprintf(stderr, "connection lost: %s\n", cause ? cause : "no cause given");
}

/* connect5 and connect3 return the library's code and set present. */
static int connect5(MQTTClient_connectOptions *options, int expiry, int *present) {
  MQTTProperties properties = MQTTProperties_initializer;
  if (expiry > 0) {
    MQTTProperty property;
    property.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    property.value.integer4 = (unsigned int)expiry;
    MQTTProperties_add(&properties, &property);
  }
  MQTTResponse response = MQTTClient_connect5(client, options, &properties, NULL);
  int rc = response.reasonCode;
  *present = options->returned.sessionPresent;
  MQTTResponse_free(response);
  MQTTProperties_free(&properties);
  return rc;
}

static int connect3(MQTTClient_connectOptions *options, int *present) {
  int rc = MQTTClient_connect(client, options);
  *present = options->returned.sessionPresent;
  return rc;
}

/* What the library's trace said of the connection being opened. Written by its threads one at a time: they log under its mutex. */
static volatile int upgraded, connect_sent;

static void trace(enum MQTTCLIENT_TRACE_LEVELS level, char *message) {
  (void)level;
  if (strstr(message, "WebSocket connection upgraded")) upgraded = 1;
  if (strstr(message, " -> CONNECT ")) connect_sent = 1;
}

/* The race of Paho C 1.3.12 to 1.3.15 with wss, src/MQTTClient.c: MQTTClient_run gives up the mutex between MQTTClient_cycle, which read
 * TLS session tickets and says 0, and its look at connect_state. If MQTTClient_connectURIVersion sets WEBSOCKET_IN_PROGRESS in
 * between, that 0 counts as the answer 101, and CONNECT is sent at once and without a frame, because net.websocket is not set yet.
 * The library's trace shows it: CONNECT was sent and the upgrade was not done. Only that is tried again. */
static int connect_without_frame(int rc) { return rc == -1 && connect_sent && !upgraded; }

enum { ATTEMPTS = 5 };

static int do_connect(const cJSON *c, int *present) {
  version = number(c, "version") == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  create.MQTTVersion = version;
  int rc = MQTTClient_createWithOptions(&client, text(c, "url"), text(c, "client"), MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                        &create);
  if (rc == 0) rc = MQTTClient_setCallbacks(client, NULL, lost, arrived, NULL);
  if (rc != 0) return rc;

  MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer_ws;
  MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5_ws;
  if (version == MQTTVERSION_5) options = options5;
  options.MQTTVersion = version;
  options.keepAliveInterval = number(c, "keepalive");
  options.connectTimeout = TIMEOUT_MS / 1000;
  if (version == MQTTVERSION_5)
    options.cleanstart = number(c, "clean");
  else
    options.cleansession = number(c, "clean");

  MQTTClient_SSLOptions ssl = MQTTClient_SSLOptions_initializer;
  if (*text(c, "ca")) {
    ssl.trustStore = text(c, "ca");
    ssl.verify = 1; /* the host name too */
    options.ssl = &ssl;
  }
  MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
  unsigned char *payload = NULL;
  const cJSON *w = cJSON_GetObjectItem(c, "will");
  if (w) {
    payload = from_hex(text(w, "payload"), &will.payload.len);
    will.payload.data = payload;
    will.topicName = text(w, "topic");
    will.qos = number(w, "qos");
    will.retained = number(w, "retain");
    options.will = &will;
  }
  int websocket_tls = strncmp(text(c, "url"), "wss:", 4) == 0;
  for (int i = 0; i < ATTEMPTS; i++) {
    upgraded = connect_sent = 0;
    rc = version == MQTTVERSION_5 ? connect5(&options, number(c, "expiry"), present) : connect3(&options, present);
    if (!websocket_tls || !connect_without_frame(rc)) break;
    fprintf(stderr, "Paho C sent CONNECT before the WebSocket was open; attempt %d of %d\n", i + 1, ATTEMPTS);
  }
  free(payload);
  return rc;
}

static int do_subscribe(const cJSON *c) {
  int qos = number(c, "qos");
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_subscribe5(client, text(c, "topic"), qos, NULL, NULL);
    int rc = response.reasonCode == (enum MQTTReasonCodes)qos ? 0 : -1000 - response.reasonCode;
    MQTTResponse_free(response);
    return rc;
  }
  return MQTTClient_subscribe(client, text(c, "topic"), qos);
}

static int do_unsubscribe(const cJSON *c) {
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_unsubscribe5(client, text(c, "topic"), NULL);
    int rc = response.reasonCode;
    MQTTResponse_free(response);
    return rc;
  }
  return MQTTClient_unsubscribe(client, text(c, "topic"));
}

static int do_publish(const cJSON *c) {
  int len, rc;
  int qos = number(c, "qos"), retain = number(c, "retain");
  unsigned char *payload = from_hex(text(c, "payload"), &len);
  MQTTClient_deliveryToken token = 0;
  if (version == MQTTVERSION_5) {
    MQTTResponse response = MQTTClient_publish5(client, text(c, "topic"), len, payload, qos, retain, NULL, &token);
    rc = response.reasonCode;
    MQTTResponse_free(response);
  } else {
    rc = MQTTClient_publish(client, text(c, "topic"), len, payload, qos, retain, &token);
  }
  if (rc == 0 && qos > 0) rc = MQTTClient_waitForCompletion(client, token, TIMEOUT_MS);
  free(payload);
  return rc;
}

static int do_disconnect(void) {
  int rc = version == MQTTVERSION_5 ? MQTTClient_disconnect5(client, TIMEOUT_MS, MQTTREASONCODE_SUCCESS, NULL)
                                    : MQTTClient_disconnect(client, TIMEOUT_MS);
  MQTTClient_destroy(&client);
  return rc;
}

static void carry_out(const cJSON *c) {
  const char *what = text(c, "do");
  int rc = -9999, present = 0;
  if (strcmp(what, "connect") == 0) rc = do_connect(c, &present);
  if (strcmp(what, "subscribe") == 0) rc = do_subscribe(c);
  if (strcmp(what, "unsubscribe") == 0) rc = do_unsubscribe(c);
  if (strcmp(what, "publish") == 0) rc = do_publish(c);
  if (strcmp(what, "disconnect") == 0) rc = do_disconnect();
  cJSON *answer = new_event("done");
  cJSON_AddNumberToObject(answer, "id", number(c, "id"));
  if (present) cJSON_AddBoolToObject(answer, "present", 1);
  if (rc != 0) {
    char words[80];
    snprintf(words, sizeof words, "Paho C returned %d (%s)", rc, MQTTClient_strerror(rc));
    cJSON_AddStringToObject(answer, "error", words);
  }
  emit(answer);
}

static void say_hello(void) {
  char words[80] = "Paho C";
  for (MQTTClient_nameValue *info = MQTTClient_getVersionInfo(); info->name; info++)
    if (strcmp(info->name, "Version") == 0) snprintf(words, sizeof words, "Paho C %s", info->value);
  cJSON *hello = new_event("hello");
  cJSON_AddStringToObject(hello, "library", words);
  emit(hello);
}

int main(void) {
  MQTTClient_init_options init = MQTTClient_init_options_initializer;
  init.do_openssl_init = 1;
  MQTTClient_setTraceCallback(trace);
  MQTTClient_setTraceLevel(MQTTCLIENT_TRACE_PROTOCOL);
  MQTTClient_global_init(&init);
  say_hello();
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) {
    cJSON *command = cJSON_Parse(line);
    carry_out(command);
    cJSON_Delete(command);
  }
  free(line);
  return 0;
}
