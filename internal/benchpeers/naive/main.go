// Command naive is the obvious bridge: coder/websocket's NetConn, a dial and two io.Copy. The benchmark measures what the
// work on the real one buys. It checks nothing and limits nothing: it is no program to run.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

func main() {
	listen := flag.String("listen", "", "host:port for ws")
	secure := flag.String("listen-tls", "", "host:port for wss")
	cert := flag.String("cert", "", "PEM file of the certificate")
	key := flag.String("key", "", "PEM file of its key")
	upstream := flag.String("upstream", "", "host:port of the broker")
	flag.Parse()
	join := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, *upstream) })
	ended := make(chan error, 2) // one for each listener
	go listenPlain(ended, *listen, join)
	if *secure != "" {
		go listenTLS(ended, *secure, *cert, *key, join)
	}
	log.Fatal(<-ended)
}

// listenPlain lives as long as the process.
func listenPlain(ended chan<- error, address string, h http.Handler) {
	ended <- http.ListenAndServe(address, h) //nolint:gosec // naive on purpose
}

// listenTLS lives as long as the process. HTTP/2 is off: a WebSocket begins with HTTP/1.1.
func listenTLS(ended chan<- error, address, cert, key string, h http.Handler) {
	s := &http.Server{Addr: address, Handler: h, Protocols: new(http.Protocols)} //nolint:gosec // naive on purpose
	s.Protocols.SetHTTP1(true)
	ended <- s.ListenAndServeTLS(cert, key)
}

func serve(w http.ResponseWriter, r *http.Request, upstream string) {
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return
	}
	device := websocket.NetConn(context.Background(), socket, websocket.MessageBinary)
	defer device.Close()
	broker, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer broker.Close()
	go pump(broker, device)
	pump(device, broker)
}

// pump ends with either connection, and ends both.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}
