package slowpeers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"mqtt-ws-bridge/internal/netlab"
)

// device speaks MQTT 3.1.1, through an independent implementation of it.
type device struct {
	t   testing.TB
	raw *net.TCPConn
	nc  net.Conn
	in  *bufio.Reader
}

// online connects a device from that end of the line.
func (r *rig) online(from *netlab.Space, keepAlive uint16) *device {
	r.t.Helper()
	d := &device{t: r.t}
	dial := dialFrom(from)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: r.tls,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dial(ctx, network, address)
			if err == nil {
				d.raw = nc.(*net.TCPConn)
				err = d.raw.SetReadBuffer(16 << 10) // so that it is soon full
			}
			return nc, err
		},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, r.url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"mqtt"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { ws.CloseNow() })
	ws.SetReadLimit(-1)
	d.nc = websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
	d.in = bufio.NewReader(d.nc)
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession = "MQTT", 4, true
	hello.ClientIdentifier, hello.Keepalive = fmt.Sprintf("device-%p", d), keepAlive
	d.send(hello)
	if ack, ok := d.next().(*packets.ConnackPacket); !ok || ack.ReturnCode != 0 {
		r.t.Fatalf("the device got %v", ack)
	}
	return d
}

func (d *device) send(p packets.ControlPacket) {
	d.t.Helper()
	if err := p.Write(d.nc); err != nil {
		d.t.Fatal(err)
	}
}

// next is the next packet.
func (d *device) next() packets.ControlPacket {
	d.t.Helper()
	p, err := packets.ReadPacket(d.in)
	if err != nil {
		d.t.Fatalf("the device reads: %v", err)
	}
	return p
}

func (d *device) ping() {
	d.t.Helper()
	d.send(packets.NewControlPacket(packets.Pingreq))
	if p, ok := d.next().(*packets.PingrespPacket); !ok {
		d.t.Fatalf("the device got %v, not PINGRESP", p)
	}
}

func publish(topic string, qos byte, retain bool, payload string) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Qos, p.Retain, p.MessageID, p.Payload = topic, qos, retain, 1, []byte(payload)
	return p
}

// messageOf is a payload of n bytes in which every place is told from its neighbours.
func messageOf(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d ", i)
	}
	return b.String()[:n]
}

// script is a broker at the near end that the test plays.
type script struct {
	t testing.TB
	l net.Listener
}

func newScript(t testing.TB) *script {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &script{t, l}
}

func (s *script) url() string { return "tcp://" + s.l.Addr().String() }

// accept takes the next session and answers CONNECT, in the background.
func (s *script) accept() <-chan *net.TCPConn {
	got := make(chan *net.TCPConn, 1)
	go func() {
		nc, err := s.l.Accept()
		if err != nil {
			s.t.Errorf("the broker accepts: %v", err)
			return
		}
		s.t.Cleanup(func() { nc.Close() })
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		if p, err := packets.ReadPacket(nc); err != nil {
			s.t.Errorf("the broker got %v, %v", p, err)
		}
		_, _ = io.WriteString(nc, "\x20\x02\x00\x00")
		got <- nc.(*net.TCPConn)
	}()
	return got
}
