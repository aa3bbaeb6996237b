package frame_test

import (
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

// TestFirstFrame: what is wrong with the first frame of a connection is told with the two bytes it begins with, and with nothing of
// what follows them. An MQTT CONNECT without a frame (RFC 6455 section 5.2) is named.
func TestFirstFrame(t *testing.T) {
	connect := []byte("\x10\x1c\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x06canary\x00\x06secret")
	good := wsframes.Masked(wsframes.FIN|wsframes.Binary, "x")
	for name, c := range map[string]struct {
		chunks [][]byte
		want   string
		not    string
	}{
		"CONNECT without a frame": {chunks: [][]byte{connect}, want: "first bytes 10 1c are those of an MQTT CONNECT: the device sent MQTT without a WebSocket frame"},
		"cut after its first byte": {chunks: [][]byte{connect[:1], connect[1:]},
			want: "first bytes 10 1c are those of an MQTT CONNECT"},
		"TLS inside TLS":  {chunks: [][]byte{[]byte("\x16\x03\x01canary")}, want: "first frame begins 16 03: reserved bit set"},
		"unmasked":        {chunks: [][]byte{wsframes.Unmasked(wsframes.FIN|wsframes.Binary, "canary")}, want: "first frame begins 82 06: unmasked"},
		"unmasked, cut":   {chunks: [][]byte{{0x82}, []byte("\x06canary")}, want: "first frame begins 82 06: unmasked"},
		"length of 1 GiB": {chunks: [][]byte{[]byte("\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00mask")}, want: "first frame begins 82 ff: frame above"},
		"after a frame":   {chunks: [][]byte{good, connect}, want: "websocket: reserved bit set", not: "first"},
		"after a ping": {chunks: [][]byte{wsframes.Masked(wsframes.FIN|wsframes.Ping, ""), connect},
			want: "websocket: reserved bit set", not: "first"},
		"after a frame with a cut header": {chunks: [][]byte{good[:3], good[3:], connect}, want: "websocket: reserved bit set", not: "first"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readStream(frame.NewConn(script(c.chunks...), nil, 1<<16), 4096)
			var e *frame.Error
			if !errors.As(err, &e) || e.Label() == "" {
				t.Fatalf("%v is not an error of the protocol", err)
			}
			said := err.Error()
			if !strings.Contains(said, c.want) || c.not != "" && strings.Contains(said, c.not) {
				t.Errorf("%q, want %q and not %q", said, c.want, c.not)
			}
			for _, secret := range []string{"canary", "63 61", "6361", "secret"} {
				if strings.Contains(said, secret) {
					t.Errorf("%q holds what the device sent after the header", said)
				}
			}
		})
	}
}
