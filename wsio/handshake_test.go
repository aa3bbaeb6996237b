package wsio_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
)

// TestHandshake holds the rules H1 to H15 of device-quirks, plain and over TLS.
func TestHandshake(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { testHandshake(t, serverConfig{}) })
	t.Run("tls", func(t *testing.T) { testHandshake(t, serverConfig{tls: tlsConfig(t)}) })
}

func testHandshake(t *testing.T, c serverConfig) {
	s := startServer(t, c)
	offer := func(names string) string { return without(offersMQTT, "Sec-WebSocket-Protocol: "+names+"\r\n") }
	for name, spelling := range map[string]string{
		"H1_echo_mqtt": "mqtt", "H1_echo_MQTT_of_Azure": "MQTT", "H1_echo_mQtT": "mQtT",
		"H2_mqttv3.1": "mqttv3.1", "H2_mqttv3.11": "mqttv3.11", "H2_MQTTV3.1": "MQTTV3.1",
	} {
		t.Run(name, func(t *testing.T) { s.wantAccepted(t, offer(spelling), spelling) })
	}
	for name, list := range map[string][2]string{
		"H2_list_of_dart":       {"mqtt, mqttv3.1, mqttv3.11", "mqtt"},
		"H2_mqtt_comes_last":    {"mqttv3.1, mqttv3.11, MQTT", "MQTT"},
		"H2_without_spaces":     {"chat,mqttv3.1,x", "mqttv3.1"},
		"H2_empty_list_members": {" , ,\tmqtt\t,, ", "mqtt"},
	} {
		t.Run(name, func(t *testing.T) { s.wantAccepted(t, offer(list[0]), list[1]) })
	}
	t.Run("H3_off_by_default", func(t *testing.T) {
		s.wantRefused(t, without(offersMQTT), 400)
		s.wantRefused(t, offer("arduino"), 400)
		s.wantRefused(t, offer(""), 400)
	})
	t.Run("H4_response_is_literally_right", func(t *testing.T) { s.wantAccepted(t, goodRequest, "mqtt") })
	t.Run("H6_no_extensions", func(t *testing.T) {
		s.wantAccepted(t, without("", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"), "mqtt")
	})
	t.Run("H8_one_write_and_nothing_after_it", func(t *testing.T) { testOneWrite(t, s) })
	t.Run("H11_origin_is_not_looked_at", func(t *testing.T) {
		for _, origin := range []string{"file://", "http://127.0.0.1:8083", "https://evil.example", "null", ""} {
			s.wantAccepted(t, without("", "Origin: "+origin+"\r\n"), "mqtt")
		}
	})
	t.Run("H12_any_host", func(t *testing.T) {
		for _, host := range []string{"bridge.test", "bridge.test:8083", "bridge.test:443", "localhost", "10.1.2.3", "[::1]:80", ""} {
			s.wantAccepted(t, without(hostHeader, "Host: "+host+"\r\n"), "mqtt")
		}
	})
	t.Run("H13_request_line_of_8_KiB", func(t *testing.T) {
		s.wantAccepted(t, strings.Replace(goodRequest, "/mqtt", "/mqtt?X-Amz-Security-Token="+strings.Repeat("a", 8<<10), 1), "mqtt")
	})
	t.Run("H14_paths", func(t *testing.T) {
		for _, path := range []string{"/", "/mqtt", "/mqtt?x=y", "/?jwt=a.b.c", "http://bridge.test/mqtt"} {
			s.wantAccepted(t, strings.Replace(goodRequest, "/mqtt", path, 1), "mqtt")
		}
	})
}

// TestHandshakeResponseIsSmall: no header without a value, and a block below 500 bytes whatever the device sends along.
func TestHandshakeResponseIsSmall(t *testing.T) {
	long := strings.Repeat("x", 100)
	s := startServer(t, serverConfig{opts: handshake.Options{ExtraSubprotocols: []string{long}}})
	got := s.ask(t, without(offersMQTT, "Sec-WebSocket-Protocol: "+long+"\r\n", "Cookie: a=b\r\n", "Traceparent: 00-1-2-03\r\n"))
	t.Run("H5_every_header_has_a_value", func(t *testing.T) {
		lines := strings.Split(strings.TrimSuffix(got, "\r\n\r\n"), "\r\n")
		for _, line := range lines[1:] {
			if name, value, ok := strings.Cut(line, ": "); !ok || name == "" || strings.TrimSpace(value) != value || value == "" {
				t.Errorf("header line %q", line)
			}
		}
	})
	t.Run("H7_response_below_500_bytes", func(t *testing.T) {
		if len(got) >= 500 || !strings.HasPrefix(got, "HTTP/1.1 101 ") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	})
}

// TestOptionalSubprotocols is H3 with the options set.
func TestOptionalSubprotocols(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{SubprotocolOptional: true, ExtraSubprotocols: []string{"arduino", "chat"}}})
	offer := func(names string) string { return without(offersMQTT, "Sec-WebSocket-Protocol: "+names+"\r\n") }
	t.Run("H3_none_offered", func(t *testing.T) { s.wantAccepted(t, without(offersMQTT), "") })
	t.Run("H3_empty_offer", func(t *testing.T) { s.wantAccepted(t, offer(""), "") })
	t.Run("H3_odd_one", func(t *testing.T) { s.wantAccepted(t, offer("Arduino"), "Arduino") })
	t.Run("H3_mqtt_goes_first", func(t *testing.T) { s.wantAccepted(t, offer("chat, arduino, mqttv3.1"), "mqttv3.1") })
	t.Run("H3_another_is_refused", func(t *testing.T) { s.wantRefused(t, offer("soap"), 400) })
}

// testOneWrite looks at what went to the socket: one write with the whole response, or with one TLS record that holds it.
func testOneWrite(t *testing.T, s *testServer) {
	nc := s.dial(t)
	s.recorder.take() // the TLS handshake
	if _, err := io.WriteString(nc, goodRequest); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(nc)
	if err != nil || string(got) != accepts("mqtt") {
		t.Fatalf("%q, %v", got, err)
	}
	writes := s.recorder.take()
	if !s.tls {
		if len(writes) != 1 || string(writes[0]) != accepts("mqtt") {
			t.Errorf("%d writes: %q", len(writes), writes)
		}
		return
	}
	// The second is the alert with which the test's server says goodbye.
	if len(writes) != 2 || len(tlsRecords(t, writes[0])) != 1 {
		t.Errorf("%d writes: % x", len(writes), writes)
	}
}

const applicationData = 23

// tlsRecords returns the sizes of the TLS records with application data.
func tlsRecords(t *testing.T, b []byte) (sizes []int) {
	for len(b) > 0 {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if b[0] != applicationData {
			t.Errorf("TLS record of type %d", b[0])
		}
		sizes = append(sizes, n)
		b = b[5+n:]
	}
	return sizes
}

const gather = 16 << 10 // what one TLS record holds

// TestD2_frame_in_one_TLS_record: from the first frame on, as long as it fits; Go would begin with small records.
func TestD2_frame_in_one_TLS_record(t *testing.T) {
	conns := make(chan *frame.Conn, 1)
	s := startServer(t, serverConfig{tls: tlsConfig(t), opts: handshake.Options{
		Accepted: func(c *frame.Conn, _ *http.Request) { conns <- c },
	}})
	nc := s.dial(t)
	if _, err := io.WriteString(nc, goodRequest); err != nil {
		t.Fatal(err)
	}
	conn := <-conns
	defer conn.Close()
	got := wsframes.Collect(nc)
	s.recorder.take()
	full := strings.Repeat("x", gather-4)
	burst := make([]string, 1000)
	for i := range burst {
		burst[i] = strings.Repeat("y", 62)
	}
	for _, packets := range [][]string{{"small"}, {full}, burst} {
		if err := conn.WriteFrames(wsframes.Run(frame.Headroom, packets...)); err != nil {
			t.Fatal(err)
		}
		writes := s.recorder.take()
		total := 0
		for _, w := range writes {
			total += len(tlsRecords(t, w))
		}
		if want := (len(strings.Join(packets, "")) + 4*len(packets) + gather - 1) / gather; len(writes) != total || total > want {
			t.Errorf("%d packets went out in %d writes with %d records, want %d", len(packets), len(writes), total, want)
		}
	}
	_ = conn.Close()
	frames := wsframes.MustParse(t, bytes.TrimPrefix(got.Wait(), []byte(accepts("mqtt"))))
	if len(frames) != 1002 {
		t.Errorf("%d frames", len(frames))
	}
}

// TestH15_early_bytes: what comes with the request is the beginning of the stream, also if it is longer than net/http's buffer.
func TestH15_early_bytes(t *testing.T) {
	streams := make(chan string, 1)
	s := startServer(t, serverConfig{opts: handshake.Options{Accepted: func(c *frame.Conn, _ *http.Request) {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		stream, _ := io.ReadAll(c)
		_ = c.Close()
		streams <- string(stream)
	}}})
	for _, size := range []int{1, 100, 3 << 10, 100 << 10} {
		nc := s.dial(t)
		payload := strings.Repeat("0123456789abcdef!", size)[:size]
		early := wsframes.Masked(wsframes.FIN|wsframes.Binary, payload)
		go nc.Write(append([]byte(goodRequest), append(early, wsframes.Masked(wsframes.FIN|wsframes.Close, "")...)...)) //nolint:errcheck // seen below
		if got := <-streams; got != payload {
			t.Errorf("of %d early bytes came %d", size, len(got))
		}
	}
}
