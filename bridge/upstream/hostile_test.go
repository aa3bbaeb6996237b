package upstream_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// rawWS is a ws:// broker that answers as it likes. accept is what RFC 6455 wants in Sec-WebSocket-Accept.
func rawWS(t *testing.T, answer func(w io.Writer, accept string)) *url.URL {
	l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		w := &breaks{w: nc}
		answer(w, base64.StdEncoding.EncodeToString(sum[:]))
		hear(nc)
	})
	return parse(t, "ws://"+l.Addr().String()+"/mqtt?token=canary")
}

// breaks remembers that writing has failed.
type breaks struct {
	w   io.Writer
	err error
}

func (b *breaks) Write(p []byte) (n int, err error) {
	if b.err == nil {
		n, b.err = b.w.Write(p)
	}
	return n, b.err
}

const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: "

// endless writes text until the other side hangs up.
func endless(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// TestBoundedAnswers: what a broker says before MQTT is bounded, in bytes as well as in time.
func TestBoundedAnswers(t *testing.T) {
	header := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
	for _, c := range []struct {
		name   string
		answer func(w io.Writer, accept string)
		fail   string // part of the error; "": the broker is taken
	}{
		{"as it should be", func(w io.Writer, accept string) {
			fmt.Fprint(w, upgrade, accept, "\r\n", strings.Repeat(header, 10), "\r\n")
		}, ""},
		{"200 KB of headers", func(w io.Writer, accept string) {
			fmt.Fprint(w, upgrade, accept, "\r\n", strings.Repeat(header, 200), "\r\n")
		}, "exceeded"},
		{"headers without end", func(w io.Writer, accept string) { fmt.Fprint(w, upgrade, accept, "\r\n"); endless(w, header) }, "exceeded"},
		{"one header without end", func(w io.Writer, accept string) { fmt.Fprint(w, upgrade, accept, "\r\nX: "); endless(w, header[:1000]) }, "exceeded"},
		{"interim answers without end", func(w io.Writer, _ string) { endless(w, "HTTP/1.1 103 Early Hints\r\n"+header+"\r\n") }, "exceeded"},
		{"a body without end", func(w io.Writer, _ string) {
			fmt.Fprint(w, "HTTP/1.1 500 Oops\r\n\r\n")
			endless(w, header)
		}, "500"},
		{"a body that does not come", func(w io.Writer, _ string) {
			fmt.Fprint(w, "HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n")
		}, "500"},
		{"headers that do not end", func(w io.Writer, _ string) { fmt.Fprint(w, upgrade) }, "deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPool(t, new(lines), func(o *upstream.Options) { o.Subprotocol = "mqtt" }, rawWS(t, c.answer))
			timeout := 2 * time.Second
			if c.fail == "" {
				timeout = 20 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			began := time.Now()
			b, err := p.Dial(ctx, bridge.DeviceInfo{})
			if err == nil {
				b.Close()
			}
			switch {
			case (err == nil) != (c.fail == ""), err != nil && !strings.Contains(err.Error(), c.fail), err != nil && strings.Contains(err.Error(), "canary"):
				t.Errorf("error %v, want %q", err, c.fail)
			}
			if took := time.Since(began); took > timeout+10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
