package device_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// once publishes one message and leaves for good.
type once struct {
	size int
	qos  byte
}

func (o *once) Online(ctx context.Context, link device.Link) time.Duration {
	m := packet.Message{Topic: "a/b", Payload: []byte(strings.Repeat("x", o.size)), QoS: o.qos}
	if err := link.Publish(ctx, m, 0); err != nil {
		return -1
	}
	link.Settle(ctx, time.Second)
	return -1
}

func (o *once) Message(device.Link, packet.Message) {}

// peer is the other end of a device's pipe: a pipe keeps the boundaries of writes, which TCP does not.
type peer struct {
	request string
	writes  [][]byte
	done    chan struct{}
}

// serve answers the upgrade, then CONNECT and QoS 1; ping, when not nil, is sent after the CONNACK.
func (p *peer) serve(t *testing.T, conn net.Conn, ping []byte) {
	defer close(p.done)
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 128<<10)
	n, err := conn.Read(buf)
	if err != nil {
		t.Error(err)
		return
	}
	p.request = string(buf[:n])
	p.upgrade(conn)
	answers := make(chan []byte, 8)
	defer close(answers)
	go write(conn, answers)
	var stream, frames []byte
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		p.writes = append(p.writes, append([]byte(nil), buf[:n]...))
		frames = append(frames, buf[:n]...)
		stream, frames = unframe(stream, frames)
		for {
			size, err := packet.Size(stream)
			if err != nil || size == 0 || size > len(stream) {
				break
			}
			var answer []byte
			switch stream[0] >> 4 {
			case packet.CONNECT:
				answer = []byte{0x20, 2, 0, 0}
				if strings.Contains(string(stream[:size]), "MQTT\x05") {
					answer = []byte{0x20, 3, 0, 0, 0}
				}
				answer = wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary}, answer)
				if ping != nil {
					answer = wire.AppendFrame(answer, wire.Header{Fin: true, Op: wire.Ping}, ping)
				}
			case packet.PUBLISH:
				if stream[0]&6 == 2 {
					answer = wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary}, packet.Ack(packet.PUBACK, 1))
				}
			}
			stream = stream[size:]
			if answer != nil {
				answers <- answer
			}
		}
	}
}

// upgrade answers the request.
func (p *peer) upgrade(conn net.Conn) {
	key, protocol := "", ""
	for line := range strings.Lines(p.request) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch strings.ToLower(name) {
		case "sec-websocket-key":
			key = value
		case "sec-websocket-protocol":
			protocol, _, _ = strings.Cut(value, ",")
		}
	}
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"+
		"Sec-WebSocket-Protocol: %s\r\n\r\n", wire.AcceptFor(key), protocol)
}

// write sends the answers beside the reading: a pipe has no buffer, and a device that is writing a pong does not read until it is taken.
func write(conn net.Conn, answers <-chan []byte) {
	for answer := range answers {
		if _, err := conn.Write(answer); err != nil {
			_ = conn.Close() // ends the reading too
		}
	}
}

// unframe moves the payload of whole data frames from raw to stream.
func unframe(stream, raw []byte) ([]byte, []byte) {
	for {
		h, n, err := wire.ParseHeader(raw)
		if err != nil || uint64(len(raw)-n) < h.Length {
			return stream, raw
		}
		body := append([]byte(nil), raw[n:n+int(h.Length)]...)
		wire.Mask(body, h.Mask, 0)
		if !h.Op.Control() {
			stream = append(stream, body...)
		}
		raw = raw[n+int(h.Length):]
	}
}

// trace writes frames as letters: B binary, K continuation, C close, P pong, with the payload's length, then + for FIN=0,
// ~ for unmasked, 0 for a zero mask, w for a length wider than needed, | where header and payload are two writes. The
// payload of C follows in hex.
func (p *peer) trace(t *testing.T) string {
	var all []byte
	ends := make(map[int]bool)
	for _, w := range p.writes {
		all = append(all, w...)
		ends[len(all)] = true
	}
	var out []string
	for at := 0; at < len(all); {
		h, n, err := wire.ParseHeader(all[at:])
		if err != nil {
			t.Fatalf("at byte %d: %v", at, err)
		}
		letter := map[wire.Opcode]string{wire.Binary: "B", wire.Continuation: "K", wire.Close: "C", wire.Pong: "P", wire.Text: "T"}[h.Op]
		token := fmt.Sprintf("%s%d", letter, h.Length)
		for flag, on := range map[string]bool{"+": !h.Fin, "~": !h.Masked, "0": h.Masked && h.Mask == [4]byte{}, "w": h.Wide} {
			if on {
				token += flag
			}
		}
		if ends[at+n] && h.Length > 0 {
			token += "|"
		}
		body := append([]byte(nil), all[at+n:at+n+int(h.Length)]...)
		wire.Mask(body, h.Mask, 0)
		if h.Op == wire.Close && len(body) > 0 {
			token += fmt.Sprintf(":%x", body)
		}
		at += n + int(h.Length)
		if !ends[at] {
			t.Errorf("a write goes beyond the frame that ends at byte %d", at)
		}
		out = append(out, token)
	}
	return strings.Join(out, " ")
}

// play runs one device of a profile against a peer.
func play(t *testing.T, name string, does *once, ping []byte) (*peer, *device.Counters) {
	t.Helper()
	prof, err := profile.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{done: make(chan struct{})}
	opened := false
	u, _ := url.Parse("ws://gateway.example:8083")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e := &wire.Endpoint{URL: u, Open: func(context.Context, string, string) (net.Conn, error) {
		if opened {
			cancel() // one connection is all there is to see
			return nil, net.ErrClosed
		}
		opened = true
		here, there := net.Pipe()
		go p.serve(t, there, ping)
		return here, nil
	}}
	prof.Reconnect = profile.Backoff{}
	counters := new(device.Counters)
	settings := &device.Settings{Endpoint: e, Clean: true, Seed: 1}
	device.New(device.Identity{ClientID: "dev"}, &prof, settings, does, nil, counters).Run(ctx)
	<-p.done
	return p, counters
}

// Lengths: CONNECT of "dev" is 17 bytes (19 as MQIsdp, 18 in MQTT 5), PUBLISH of "hello" to a/b at QoS 1 is 14 (15),
// DISCONNECT 2.
func TestFramesOfEachProfile(t *testing.T) {
	ordinary := "B17 B14 B2 C2:03e8"
	for name, want := range map[string]string{
		"esp32-idf":            "B17| B14| B2|",
		"esp32-idf-legacy":     "B17| B14| B2|",
		"esp8266-arduino":      ordinary,
		"avr-arduino":          ordinary,
		"zephyr-cortex-m":      "B17 B9+ K5 B2 C0",
		"stm32-wolfmqtt":       ordinary,
		"paho-c-linux-arm":     ordinary,
		"libmosquitto-gateway": ordinary,
		"paho-java-android":    "B17 B14 B2 C4:31303030",
		"hivemq-android":       "B18 B15 B2",
		"flutter-dart":         ordinary,
		"paho-python-rpi":      "B17 B14 B2",
		"mqttjs-node":          "B1 B1 B2 B4 B1 B1 B2 B2 B3 B1 B1 B2 B3 B2 B5 B1 B1 C0",
		"aws-crt":              ordinary,
		"azure-iot-c":          ordinary,
		"dotnet-mqttnet":       "B18 B15 B2 C2:03e8",
		"legacy-mqttv31":       "B19 B14 B2 C2:03e8",
	} {
		p, counters := play(t, name, &once{size: 5, qos: 1}, nil)
		if got := p.trace(t); got != want {
			t.Errorf("%s\n got %s\nwant %s\n%v", name, got, want, counters.Errors())
		}
	}
}

func TestFramesOfLargeMessages(t *testing.T) {
	for _, x := range []struct {
		name string
		size int // PUBLISH is 8 bytes longer up to 16,383, 9 beyond
		want string
	}{
		{"esp32-idf", 3000, "B17| B1024| B1024| B960| B2|"},
		{"aws-crt", 5000, "B17 B4096 B912 B2 C2:03e8"},
		{"esp8266-arduino", 1391, "B17 B1399 B2 C2:03e8"},
		{"esp8266-arduino", 1392, "B17 B14000 B2 C2:03e8"}, // the last 0 is the mask
		{"esp8266-arduino", 65526, "B17 B655350w B2 C2:03e8"},
		{"paho-c-linux-arm", 65526, "B17 B65535 B2 C2:03e8"},
	} {
		p, _ := play(t, x.name, &once{size: x.size}, nil)
		got := strings.ReplaceAll(p.trace(t), "w0", "0w")
		if got != x.want {
			t.Errorf("%s with %d B\n got %s\nwant %s", x.name, x.size, got, x.want)
		}
	}
}

func TestPingIsTreatedAsTheLibraryDoes(t *testing.T) {
	for _, x := range []struct {
		name, ping, want string
		fault            profile.Fault
	}{
		{"esp32-idf", "x", "P1", ""},
		{"paho-python-rpi", "x", "P1~", ""},
		{"libmosquitto-gateway", "x", "P1", ""},
		{"zephyr-cortex-m", "x", "", ""},
		{"zephyr-cortex-m", "", "", profile.PingHit},
		{"paho-java-android", "x", "", profile.PingHit},
	} {
		p, counters := play(t, x.name, &once{size: 5, qos: 1}, []byte(x.ping))
		pong := ""
		for _, token := range strings.Fields(p.trace(t)) {
			if strings.HasPrefix(token, "P") {
				pong = token
			}
		}
		if pong != x.want {
			t.Errorf("%s pinged with %q: pong %q, want %q", x.name, x.ping, pong, x.want)
		}
		if faults := counters.Faults(); x.fault != "" && faults[x.fault] == 0 || x.fault == "" && len(faults) > 0 {
			t.Errorf("%s pinged with %q: faults %v", x.name, x.ping, faults)
		}
	}
}

func TestRequestsOfEachProfile(t *testing.T) {
	for name, want := range map[string][]string{
		"esp32-idf":            {"GET / HTTP/1.1", "Host: gateway.example:8083", "User-Agent: ESP32 Websocket Client", "Sec-WebSocket-Protocol: mqtt"},
		"esp8266-arduino":      {"Origin: file://", "User-Agent: arduino-WebSocket-Client", "Host: gateway.example:8083"},
		"zephyr-cortex-m":      {"GET /mqtt HTTP/1.1", "Host: localhost\r"},
		"paho-c-linux-arm":     {"Origin: http://gateway.example:8083", "Host: gateway.example:8083"},
		"libmosquitto-gateway": {"Host: gateway.example\r"},
		"flutter-dart":         {"Sec-WebSocket-Protocol: mqtt, mqttv3.1, mqttv3.11"},
		"paho-python-rpi":      {"Sec-Websocket-Protocol: mqtt"},
		"mqttjs-node":          {"GET / HTTP/1.1", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"},
		"aws-crt":              {"GET /mqtt?X-Amz-Algorithm=", "X-Amz-Security-Token=", "Host: gateway.example\r"},
		"azure-iot-c":          {"GET /$iothub/websocket HTTP/1.1", "Sec-WebSocket-Protocol: MQTT\r", "Host: gateway.example:443"},
		"legacy-mqttv31":       {"Sec-WebSocket-Protocol: mqttv3.1\r"},
	} {
		p, _ := play(t, name, &once{size: 5, qos: 1}, nil)
		for _, line := range append(want, "Upgrade: websocket\r", "Connection: Upgrade\r", "Sec-WebSocket-Version: 13\r") {
			if !strings.Contains(p.request, line) {
				t.Errorf("%s: no %q in\n%.600s", name, line, p.request)
			}
		}
		if strings.Contains(p.request, "Origin:") && name != "esp8266-arduino" && name != "paho-c-linux-arm" && name != "paho-python-rpi" {
			t.Errorf("%s sends an Origin", name)
		}
	}
}

// The real library sends every field as a message of its own, an empty one for absent properties' payload among them.
func TestAutopahoSendsFieldByField(t *testing.T) {
	p, counters := play(t, "autopaho-linux-arm", &once{size: 5, qos: 1}, nil)
	got := strings.Fields(p.trace(t))
	if len(got) < 6 || counters.Connects.Load() != 1 {
		t.Errorf("only %v (%v)", got, counters.Errors())
	}
}
