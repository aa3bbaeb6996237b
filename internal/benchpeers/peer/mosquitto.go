package peer

import (
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
log_dest none
log_type none
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
	return []string{sbin("mosquitto"), "-c", p.configure(t, mosquittoConfig, pair)}
}
