package peer

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"text/template"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

// Mosquitto is the broker itself, with WebSocket listeners of its own and one for TCP. It needs no upstream.
func Mosquitto() Peer {
	return Peer{Name: "Mosquitto", Version: install.Version("mosquitto"), command: mosquittoCommand}
}

var mosquittoConfig = template.Must(template.New("mosquitto").Parse(`user root
log_dest stderr
log_type error
allow_anonymous true
set_tcp_nodelay true
listener {{.TCPPort}} {{.Host}}
listener {{.Port}} {{.Host}}
protocol websockets
listener {{.PortTLS}} {{.Host}}
protocol websockets
certfile {{.Cert}}
keyfile {{.Key}}
`))

func mosquittoCommand(t testing.TB, p *Process, pair certs.Pair) []string {
	host, _ := split(p.listen)
	p.TCP = loopback.Address(t, host)
	for _, address := range []*string{&p.listen, &p.listenTLS} {
		*address = host + ":" + everywhereFree(t)
	}
	p.WS, p.WSS = "ws://"+p.listen+"/mqtt", "wss://"+p.listenTLS+"/mqtt"
	return []string{sbin("mosquitto"), "-c", p.configure(t, mosquittoConfig, pair)}
}

// everywhereFree is a port that nobody uses at any address: Mosquitto opens a WebSocket listener at all of them, whatever
// address it is given. It is below those that outgoing connections get.
func everywhereFree(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if l, err := net.Listen("tcp", ":"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("find a free port: 100 are taken")
	return ""
}
