package slowpeers

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"golang.org/x/sys/unix"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/bridge/socket"
	"mqtt-ws-bridge/internal/mosquitto"
	"mqtt-ws-bridge/internal/netlab"
)

const (
	probe  = time.Second     // the shortest that there is
	outage = 8 * time.Second // longer than TCP's keep alive allows then, which is four of them
)

func probing(l *bridge.Limits) { l.TCPKeepAlive = probe }

// fewRetries has the kernel give up after some three seconds what is not acknowledged, for connections that do not say otherwise.
func fewRetries(t *testing.T) {
	const file = "/proc/sys/net/ipv4/tcp_retries2"
	before, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte("3"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, before, 0o644); err != nil {
			t.Error(err)
		}
	})
}

// TestOutageWithinKeepAlive: a device that cannot be reached for less than its keep alive allows stays, and so does what was said to it:
// neither TCP's keep alive nor its patience with what is not acknowledged ends the session before [MQTT-3.1.2-22].
func TestOutageWithinKeepAlive(t *testing.T) {
	fewRetries(t)
	for _, w := range []way{ways[0], ways[3]} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			line := netlab.New(t)
			broker := newScript(t)
			r := newRig(t, line, w, broker.url(), probing)
			quiet := broker.accept()
			sleeping := r.online(&line.Far, 1200)
			<-quiet
			sessions := broker.accept()
			d := r.online(&line.Far, 1200)
			nc := <-sessions
			r.idle(<-r.devices)
			r.idle(<-r.devices)
			line.Unplug()
			if err := publish("t", 0, false, "while it was away").Write(nc); err != nil {
				t.Fatal(err)
			}
			time.Sleep(outage) // nothing shows that something did not happen
			line.Plug()
			if p, ok := d.next().(*packets.PublishPacket); !ok || string(p.Payload) != "while it was away" {
				t.Errorf("the device got %v", p)
			}
			sleeping.send(packets.NewControlPacket(packets.Pingreq))
			if log := r.log.String(); strings.Contains(log, "session ended") || r.bridge.Sessions() != 2 {
				t.Errorf("a session has ended")
			}
		})
	}
}

// TestOutageOfBroker: the same for a broker.
func TestOutageOfBroker(t *testing.T) {
	line := netlab.New(t)
	line.Far.Do(func() { mosquitto.Start(t, mosquitto.Options{Config: []string{"listener 1883 " + line.Far.IP}}) })
	r := newRig(t, line, ways[0], "tcp://"+line.Far.IP+":1883", probing)
	d := r.online(&line.Near, 1200)
	r.idle(<-r.brokers)
	line.Unplug()
	time.Sleep(outage)
	line.Plug()
	d.ping()
}

// TestOutageWithoutKeepAlive: where MQTT has no clock, TCP's is used.
func TestOutageWithoutKeepAlive(t *testing.T) {
	line := netlab.New(t)
	broker := newScript(t)
	r := newRig(t, line, ways[0], broker.url(), probing)
	sessions := broker.accept()
	r.online(&line.Far, 0)
	<-sessions
	r.idle(<-r.devices)
	line.Unplug()
	r.ends(reason.DeviceLost.Label)
	line.Plug()
}

// TestSocketOptions: what the kernel is told of each end, by keep alive.
func TestSocketOptions(t *testing.T) {
	type options struct{ on, idle, interval, count, unanswered int }
	asks := options{1, 300, 300, 3, 0}
	for name, c := range map[string]struct {
		keepAlive      uint16
		probe          time.Duration
		device, broker options
	}{
		"none":      {0, 5 * time.Minute, asks, asks},
		"none, off": {0, 0, options{}, options{}},
		"short":     {60, 5 * time.Minute, options{unanswered: 1<<31 - 1}, options{}},
		"long": {1200, 5 * time.Minute, options{unanswered: 1<<31 - 1},
			options{unanswered: 1800 * 1000}},
	} {
		for _, w := range []way{ways[0], ways[3]} {
			t.Run(name+", "+w.name, func(t *testing.T) {
				line := netlab.New(t)
				b := mosquitto.Start(t, mosquitto.Options{})
				r := newRig(t, line, w, "tcp://"+b.TCP, func(l *bridge.Limits) { l.TCPKeepAlive = c.probe })
				r.online(&line.Far, c.keepAlive).ping()
				for end, want := range map[chan net.Conn]options{r.devices: c.device, r.brokers: c.broker} {
					var got options
					ask(t, <-end, func(get func(level, option int) int) {
						got = options{on: get(unix.SOL_SOCKET, unix.SO_KEEPALIVE), unanswered: get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)}
						if got.on == 1 {
							got.idle, got.interval = get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
							got.count = get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
						}
					})
					if got != want {
						t.Errorf("%v has %+v, want %+v", end == r.brokers, got, want)
					}
				}
			})
		}
	}
}

// idle waits until the peer has acknowledged everything: TCP asks only then whether it is there.
func (r *rig) idle(nc net.Conn) {
	r.t.Helper()
	r.until("everything is acknowledged", func() bool {
		n, ok := socket.Unacknowledged(nc)
		return ok && n == 0
	})
}

// ask has options of nc's socket read.
func ask(t *testing.T, nc net.Conn, f func(get func(level, option int) int)) {
	t.Helper()
	for {
		if s, ok := nc.(syscall.Conn); ok {
			raw, err := s.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) {
				f(func(level, option int) int {
					n, err := unix.GetsockoptInt(int(fd), level, option)
					if err != nil {
						t.Error(err)
					}
					return n
				})
			}); err != nil {
				t.Fatal(err)
			}
			return
		}
		nc = nc.(interface{ NetConn() net.Conn }).NetConn()
	}
}
