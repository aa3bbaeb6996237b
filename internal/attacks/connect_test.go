//go:build linux

package attacks

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// many is enough connections to see what one costs, and more than `limits.handshakes`.
const many = handshakes + 16

// drip says a text byte by byte until the other end closes, and returns then.
func drip(d *device, text string, pause time.Duration) {
	for i := 0; ; i++ {
		at := i % len(text)
		if _, err := io.WriteString(d.Conn, text[at:at+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestAttack01_slow_headers(t *testing.T) {
	k := plain(t)
	var drips sync.WaitGroup
	for range many {
		d := reach(t, k.bridge.WS).say(goodPath + "X-Slow: ")
		drips.Go(func() { drip(d, "a", shortTime/20) })
		t.Cleanup(func() { _ = d.Close() })
	}
	drips.Wait() // every one was cut
	open(t, k).join(hello{version: 4, id: "after-the-drips"}).alive()
}

// TestAttack02_silence: connections without a byte, and with half a TLS greeting, take all handshake slots at once. A good device of the same
// address is told to come back, and gets a slot when the silent ones have had theirs for long enough.
func TestAttack02_silence(t *testing.T) {
	k := plain(t)
	greeting := make(chan string, 1)
	go catchGreeting(greeting)
	half := <-greeting
	half = half[:len(half)/2]
	var silent []*device
	for i := range many {
		if i%2 == 0 {
			silent = append(silent, reach(t, k.bridge.WS))
		} else {
			silent = append(silent, reach(t, k.bridge.WSS).say(half))
		}
	}
	if !eventually(func() bool {
		d := reach(t, k.bridge.WS).say(with(""))
		defer d.Close()
		answer, err := http.ReadResponse(d.r, nil)
		return err == nil && answer.StatusCode == http.StatusSwitchingProtocols
	}) {
		t.Error("no good device gets in")
	}
	for _, d := range silent { // most of the second half never had a slot; half a greeting is TLS at a plain port
		if status, _ := d.refusal(); status != 0 && status != http.StatusServiceUnavailable {
			t.Errorf("silence is answered with %d", status)
		}
	}
}

// TestAttack03_no_connect: nothing goes to a broker for a device that has only a WebSocket.
func TestAttack03_no_connect(t *testing.T) {
	k := plain(t)
	heard := k.broker.Log.Count("New connection from")
	var devices []*device
	for range 20 {
		devices = append(devices, open(t, k))
	}
	for i, d := range devices {
		if i%2 == 1 {
			d.say(frame(data, hello{version: 4, id: "half-a-connect"}.packet()[:9]))
		}
	}
	for _, d := range devices {
		d.wantEnd(1008)
	}
	k.wantReason("connect-timeout", len(devices))
	if n := k.broker.Log.Count("New connection from"); n != heard {
		t.Errorf("the broker has %d new connections", n-heard)
	}
	k.wantUnheard("half-a-connect")
}

// TestAttack04_connect_dripped: the time for CONNECT is for all of it; pings and empty frames prolong nothing.
func TestAttack04_connect_dripped(t *testing.T) {
	k := plain(t)
	var drips sync.WaitGroup
	var devices []*device
	for range 20 {
		d := open(t, k).say(frame(data, "\x10\xff\x7f"+str("MQTT")+"\x04\x02\x00\x3c"+"\x0f\xff"))
		drips.Go(func() { drip(d, frame(data, "x")+frame(ping, "")+frame(data, ""), shortTime/100) })
		devices = append(devices, d)
	}
	for _, d := range devices {
		d.wantEnd(1008)
	}
	drips.Wait()
	k.wantReason("connect-timeout", len(devices))
}

// TestAttack05_declared_length: a length is judged by what is declared, however it is cut.
func TestAttack05_declared_length(t *testing.T) {
	k := plain(t)
	cuts := map[string]func(d *device, packet string){
		"whole": func(d *device, packet string) { d.send(packet) },
		"cut": func(d *device, packet string) {
			for _, b := range []byte(packet) {
				d.say(frame(data, string([]byte{b})))
			}
		},
		"fragments": func(d *device, packet string) { d.say(frame(0x02, packet[:1]) + frame(0x80, packet[1:])) },
	}
	for name, send := range cuts {
		t.Run(name, func(t *testing.T) {
			d := open(t, k)
			send(d, "\x10\xff\xff\xff\x7f")
			d.wantEnd(1009)
			d = online(t, k, hello{version: 4, id: "claimant"})
			send(d, "\x30\xff\xff\xff\x7f")
			d.wantEnd(1009)
			d = online(t, k, hello{version: 5, id: "claimant"})
			send(d, "\x30"+varint(packetSize))
			if got := d.wantEnd(1009); got != "\xe0\x01\x95" && !strings.HasPrefix(got, "\xe0") {
				t.Errorf("an MQTT 5 device hears %x", got)
			}
		})
	}
	k.wantReason("connect-too-large", len(cuts))
	k.wantReason("packet-too-large", 2*len(cuts))
	// What is allowed passes, cut or not.
	d := online(t, k, hello{version: 4, id: "large"}).send(subscribe(1, "large"))
	_ = d.packet()
	large := publish("large", strings.Repeat("x", packetSize-20))
	for begin := 0; begin < len(large); begin += 1000 {
		d.say(frame(data, large[begin:min(begin+1000, len(large))]))
	}
	var got string
	for len(got) < len(large) {
		got += d.packet()
	}
	if got != large {
		t.Error("a packet of the largest size comes back changed")
	}
}

// TestAttack06_five_byte_length: a Remaining Length of five bytes is read as malformed, and nothing is sent on.
func TestAttack06_five_byte_length(t *testing.T) {
	k := plain(t)
	rest := str("MQTT") + "\x04\x02\x00\x3c" + str("smuggler-five")
	for _, length := range []string{"\x80\x80\x80\x80\x01", "\xff\xff\xff\xff\x7f", fmt.Sprintf("%c\x80\x80\x80\x00", len(rest)|0x80)} {
		open(t, k).say(frame(data, "\x10"+length+rest)).wantEnd(1002)
		online(t, k, hello{version: 4, id: "honest"}).say(frame(data, "\x30"+length+str("smuggled/five"))).wantEnd(1002)
	}
	k.wantReason("connect-malformed", 3)
	k.wantReason("packet-malformed", 3)
	k.wantUnheard("smuggler-five", "smuggled/five")
}

// catchGreeting returns what a TLS client says first.
func catchGreeting(caught chan<- string) {
	here, there := net.Pipe()
	defer here.Close()
	go func() { _ = tls.Client(there, &tls.Config{InsecureSkipVerify: true}).Handshake() }() // it ends with here
	b := make([]byte, 4096)
	n, _ := here.Read(b)
	caught <- string(b[:n])
}
