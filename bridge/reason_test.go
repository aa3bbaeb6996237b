package bridge_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"mqtt-ws-bridge/bridge/reason"
)

// table is the table of reasons once more, written by hand: label, HTTP status, Retry-After in seconds, CONNACK code in 3.x and 5, DISCONNECT code
// in 5, close code, level.
const table = `
no-request            0  0 00 00 00    0 DEBUG
request-incomplete    0  0 00 00 00    0 INFO
handshake-timeout   408  0 00 00 00    0 INFO
request-too-large   431  0 00 00 00    0 INFO
bad-request         400  0 00 00 00    0 INFO
mqtt-without-websocket   0  0 03 83 00    0 INFO
mqtt-on-tls-port      0  0 03 83 00    0 INFO
tls-on-plain-port     0  0 00 00 00    0 INFO
plain-http-on-tls-port 400  0 00 00 00    0 INFO
client-certificate    0  0 00 00 00    0 INFO
tls-handshake         0  0 00 00 00    0 INFO
handshakes-full     503  5 00 00 00    0 WARN
proxy-header          0  0 00 00 00    0 WARN
unknown-path        404  0 00 00 00    0 INFO
method-not-get      405  0 00 00 00    0 INFO
http-version        426  0 00 00 00    0 INFO
not-websocket       426  0 00 00 00    0 INFO
websocket-version   426  0 00 00 00    0 INFO
websocket-key       400  0 00 00 00    0 INFO
request-body        400  0 00 00 00    0 INFO
origin              403  0 00 00 00    0 INFO
subprotocol         400  0 00 00 00    0 INFO
draining            503  5 03 88 00 1012 INFO
sessions-full       503 30 03 89 00 1013 WARN
memory-full         503 30 03 89 00 1013 DEBUG
descriptors-full    503 30 03 89 00 1013 DEBUG
ports-full          503 30 03 89 00 1013 DEBUG
dials-full          503  5 03 89 00 1013 WARN
broker-down         503  5 03 88 00 1013 WARN
unauthorized        401  0 05 87 00 1008 INFO
forbidden           403  0 05 87 00 1008 INFO
auth-throttled      429 60 03 9F 00 1008 WARN
auth-busy           503  5 03 89 00 1013 WARN
auth-unavailable    503  5 03 88 00 1013 WARN
address-connections 429 30 03 97 00 1008 WARN
address-connect-rate 429 10 03 9F 00 1008 WARN
identity-connections 429 30 03 97 00 1008 WARN
identity-connect-rate 429 10 03 9F 00 1008 WARN
connect-rate        503  5 03 9F 00 1013 WARN
not-authorized        0  0 05 87 00 1008 INFO
connect-timeout       0  0 00 00 00 1008 INFO
not-connect           0  0 00 00 00 1002 INFO
connect-malformed     0  0 00 81 00 1002 INFO
connect-too-large     0  0 00 00 00 1009 INFO
mqtt-version          0  0 01 84 00 1002 INFO
connack-timeout       0  0 03 88 00 1013 WARN
auth-timeout          0  0 00 88 00 1013 INFO
broker-refused        0  0 00 00 00 1008 INFO
device-disconnect     0  0 00 00 00 1000 INFO
device-closed         0  0 00 00 00 1000 INFO
device-lost           0  0 00 00 00    0 INFO
keepalive-timeout     0  0 00 00 8D 1008 INFO
idle-timeout          0  0 00 00 8D 1008 INFO
write-timeout         0  0 00 00 00    0 WARN
packet-malformed      0  0 00 00 81 1002 WARN
packet-protocol       0  0 00 00 82 1002 WARN
packet-too-large      0  0 00 00 95 1009 WARN
control-packet-too-large   0  0 00 00 95 1009 WARN
broker-packet-size    0  0 00 00 95 1009 WARN
answer-too-large      0  0 00 00 95 1009 WARN
packet-timeout        0  0 00 00 8D 1008 WARN
publish-denied        0  0 05 87 87 1008 WARN
identity-expired      0  0 05 87 A0 1008 INFO
certificate-revoked   0  0 05 87 87 1008 WARN
text-frame            0  0 00 00 82 1003 WARN
frame-protocol        0  0 00 00 82 1002 WARN
frame-too-long        0  0 00 00 95 1009 WARN
control-flood         0  0 00 00 97 1008 WARN
broker-disconnect     0  0 00 00 00 1000 INFO
broker-closed         0  0 03 88 80 1012 WARN
broker-lost           0  0 03 88 80 1012 WARN
broker-stalled        0  0 03 89 89 1013 WARN
broker-packet-timeout   0  0 03 88 80 1012 WARN
broker-malformed      0  0 03 88 80 1011 WARN
memory-short          0  0 03 89 89 1013 WARN
shutdown              0  0 03 88 8B 1001 INFO
cut                   0  0 00 00 00    0 WARN
internal-error        0  0 03 80 80 1011 ERROR
`

func TestReasonsTable(t *testing.T) {
	got := new(strings.Builder)
	for _, r := range reason.All() {
		fmt.Fprintf(got, "\n%-19s %3d %2.0f %02X %02X %02X %4d %v",
			r.Label, r.Status, r.RetryAfter.Seconds(), r.Connack3, r.Connack5, r.Disconnect, r.Close, r.Level)
	}
	if got.String()+"\n" != table {
		t.Errorf("the table of reasons is now%s", got)
	}
}

// TestReasonsAreTold holds what every row needs to be told: labels that a metric may have, a text that fits a close frame.
func TestReasonsAreTold(t *testing.T) {
	for _, r := range reason.All() {
		if strings.Trim(r.Label, "abcdefghijklmnopqrstuvwxyz-") != "" || reason.ByLabel(r.Label) != r {
			t.Errorf("label %q is not lower case or not alone", r.Label)
		}
		if s := r.String(); len(s) > 123 || !utf8.ValidString(s) || r.Text == "" { // RFC 6455 section 5.5
			t.Errorf("%d bytes %q do not fit a close frame", len(s), s)
		}
	}
	if reason.ByLabel("no such label") != reason.Internal || reason.Internal.Level != slog.LevelError {
		t.Error("an unknown label is not the bridge's fault")
	}
}

// TestEveryReasonHasACase: a row that no test drives to its audiences is a promise that nobody checks.
func TestEveryReasonHasACase(t *testing.T) {
	covered := map[string]bool{"proxy-header": true} // TestAttack41 of the program
	for _, label := range []string{"no-request", "request-incomplete", "handshake-timeout", "request-too-large", "bad-request",
		"mqtt-without-websocket", "mqtt-on-tls-port", "tls-on-plain-port", "plain-http-on-tls-port", "client-certificate",
		"tls-handshake", "handshakes-full"} { // TestListenerTells and TestAttack33 of the program
		covered[label] = true
	}
	for _, c := range handshakeCases {
		covered[c.reason] = true
	}
	for _, cases := range [][]endCase{refusalCases, deviceCases, brokerCases, bridgeCases} {
		for _, c := range cases {
			covered[c.want.reason] = true
		}
	}
	for _, r := range reason.All() {
		if !covered[r.Label] {
			t.Errorf("no case for %s", r.Label)
		}
		delete(covered, r.Label)
	}
	for label := range covered {
		t.Errorf("a case for %s, which is not in the table", label)
	}
}
