//go:build linux

package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crookedly begins an attack of the broker.
func crookedly(t *testing.T) (*attack, *crooked) {
	t.Helper()
	p := crookedArena(t)
	return p.begin(t), p.crooked
}

// TestAttack20_broker_stops_reading: so does the bridge, and after the write timeout the device is told.
func TestAttack20_broker_stops_reading(t *testing.T) {
	k, c := crookedly(t)
	hold := make(chan struct{})
	defer close(hold)
	devices := make(map[byte]*device)
	for _, version := range []byte{4, 5} {
		id := fmt.Sprint("unread-", version)
		c.serve(id, func(nc *net.TCPConn, _ *bufio.Reader) {
			_ = nc.SetReadBuffer(4096)
			_, _ = io.WriteString(nc, connack(version))
			<-hold
		})
		d := online(t, k, hello{version: version, id: id})
		devices[version] = d
		go pour(d, frame(data, publish("x", "\x00"+strings.Repeat("x", 100_000))))
	}
	for version, d := range devices {
		if got := d.wantEnd(1013); version == 5 && !strings.HasPrefix(got, "\xe0") {
			t.Errorf("the device hears %x", got)
		}
	}
	k.wantReason("broker-stalled", 2)
}

// pour says something again and again until the connection ends.
func pour(d *device, text string) {
	for {
		if _, err := io.WriteString(d.Conn, text); err != nil {
			return
		}
	}
}

// TestAttack21_broker_does_not_answer CONNECT.
func TestAttack21_broker_does_not_answer(t *testing.T) {
	k, c := crookedly(t)
	for version, want := range map[byte]string{4: "\x20\x02\x00\x03", 5: "\x88"} {
		id := fmt.Sprint("unanswered-", version)
		c.serve(id, func(_ *net.TCPConn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
		got := open(t, k).send(hello{version: version, id: id}.packet(), publish("x", "\x00impatient")).wantEnd(1013)
		if !strings.HasPrefix(got, "\x20") || !strings.Contains(got, want) {
			t.Errorf("an MQTT %d device hears %x", version, got)
		}
		k.innocent.goesOn(t)
	}
	k.wantReason("connack-timeout", 2)
}

// TestAttack22_broker_sends_garbage: a broker is not trusted either.
func TestAttack22_broker_sends_garbage(t *testing.T) {
	k, c := crookedly(t)
	garbage := map[string]string{
		"wrong direction": subscribe(1, "x"), "type 0": "\x00\x00", "second CONNACK": connack(4), "five-byte length": "\x30\xff\xff\xff\xff\x01",
		"packet over the limit": "\x30\xff\xff\xff\x7f" + strings.Repeat("x", 1000), "topic longer than the packet": packet(0x30, "\x00\xffx"),
		"random": "\xff\x02\xfe\xfd", "CONNECT": hello{version: 4}.packet(),
	}
	c.serve("garbage", func(nc *net.TCPConn, r *bufio.Reader) {
		_, _ = io.WriteString(nc, connack(4))
		wanted, err := readPacket(r) // the device says which
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, garbage[wanted[4:]])
		_, _ = io.Copy(io.Discard, r)
	})
	c.serve("garbage-first", func(nc *net.TCPConn, r *bufio.Reader) {
		_, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, r)
	})
	for name := range garbage {
		if got := online(t, k, hello{version: 4, id: "garbage"}).send(publish(name, "")).wantEnd(1011); got != "" {
			t.Errorf("%s: the device hears %x", name, got)
		}
	}
	if got := open(t, k).send(hello{version: 4, id: "garbage-first"}.packet()).wantEnd(1011); got != "\x20\x02\x00\x03" {
		t.Errorf("garbage in place of CONNACK: the device hears %x", got)
	}
	k.wantReason("broker-malformed", len(garbage)+1)
}

// TestAttack23_broker_breaks_off: the device gets no half packet, and hears of it.
func TestAttack23_broker_breaks_off(t *testing.T) {
	k, c := crookedly(t)
	half := publish("half", strings.Repeat("x", 1000))[:500]
	for name, breakOff := range map[string]func(nc *net.TCPConn){
		"reset":       func(nc *net.TCPConn) { _ = nc.SetLinger(0); _ = nc.Close() },
		"FIN":         func(nc *net.TCPConn) { _ = nc.Close() },
		"half-closed": func(nc *net.TCPConn) { _ = nc.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			sent := make(chan struct{})
			c.serve(name, func(nc *net.TCPConn, r *bufio.Reader) {
				_, _ = io.WriteString(nc, connack(4)+pingresp+half)
				<-sent
				breakOff(nc)
				_, _ = io.Copy(io.Discard, r)
			})
			d := online(t, k, hello{version: 4, id: name})
			if got := d.packet(); got != pingresp {
				t.Errorf("before the half packet the device hears %x", got)
			}
			d.alone() // half a packet is nothing
			close(sent)
			if got := d.wantEnd(1012); got != "" {
				t.Errorf("the device hears %x", got)
			}
		})
	}
	// A DISCONNECT is passed on if the device says it, and never otherwise: the will depends on it.
	for name, leave := range map[string]func(d *device){
		"says it":    func(d *device) { d.send(disconnect).end() },
		"closes":     func(d *device) { d.say(frame(closing, "\x03\xe8")).end() },
		"goes":       func(d *device) { _ = d.Close() },
		"misbehaves": func(d *device) { d.send("\x00\x00").end() },
	} {
		heard := make(chan string, 1)
		c.serve("will", func(nc *net.TCPConn, r *bufio.Reader) {
			_, _ = io.WriteString(nc, connack(4))
			all, _ := io.ReadAll(r)
			heard <- string(all)
		})
		leave(online(t, k, hello{version: 4, id: "will", will: "x"}))
		if got := <-heard; (got == disconnect) != (name == "says it") || got != "" && got != disconnect {
			t.Errorf("a device that %s: the broker hears %x", name, got)
		}
	}
}

// TestAttack52_suspend: after the gateway has slept, devices that did their part stay. The broker here does not mind the gap. A jump of
// the clock cannot be tried from outside; the bridge measures with a clock that has no jumps.
func TestAttack52_suspend(t *testing.T) {
	k, c := crookedly(t)
	c.serve("sleeper", func(nc *net.TCPConn, r *bufio.Reader) {
		_, _ = io.WriteString(nc, connack(4))
		for {
			if p, err := readPacket(r); err != nil || p != pingreq {
				return
			}
			_, _ = io.WriteString(nc, pingresp)
		}
	})
	var devices []*device
	var sent []int // to each device
	beat := func() {
		for i, d := range devices {
			d.send(pingreq)
			sent[i]++
		}
	}
	for range 20 {
		devices, sent = append(devices, online(t, k, hello{version: 4, id: "sleeper", keepAlive: 1})), append(sent, 0)
		beat() // those that came first do not wait for the last
	}
	k.bridge.Signal(syscall.SIGSTOP)
	for range 8 { // twice as long as a keep alive of one second allows
		time.Sleep(400 * time.Millisecond)
		beat()
	}
	k.bridge.Signal(syscall.SIGCONT)
	beat()
	for i, d := range devices {
		for range sent[i] {
			if got := d.packet(); got != pingresp {
				t.Fatalf("device %d hears %x", i, got)
			}
		}
	}
}
