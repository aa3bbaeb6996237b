package handshake

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/listener"
)

// errNotTaken means that the connection is still net/http's and nothing was answered.
var errNotTaken = errors.New("take over the connection")

// upgrade answers 101 and returns the open WebSocket of the device with that address, nil if it is the connection's.
//
// The library makes the handshake; what it would write goes through an [upgrader], because the response has to be one
// write of exactly these headers (device-quirks H4 to H8): some devices read it with a single read into 500 bytes. keep has the connection
// keep its slot at the gate.
func upgrade(w http.ResponseWriter, r *http.Request, device net.Addr, subprotocol string, keep bool, o *Options) (*frame.Conn, error) {
	u := &upgrader{w: w, header: make(http.Header), keep: keep}
	opts := websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled}
	if subprotocol != "" {
		opts.Subprotocols = []string{subprotocol}
	}
	lib, err := websocket.Accept(u, r, &opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotTaken, err)
	}
	_ = lib.CloseNow() // frees what the library holds; the connection stays open behind its guard
	response := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + u.header.Get("Sec-WebSocket-Accept") + "\r\n"
	if subprotocol != "" {
		response += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	if _, err := u.nc.Write([]byte(response + "\r\n")); err != nil {
		u.nc.Close()
		return nil, fmt.Errorf("write the 101 response: %w", err)
	}
	if device == nil {
		device = u.device
	}
	return frame.New(u.nc, frame.Options{
		Early: u.early, Device: device, Subprotocol: subprotocol, MaxFrame: o.MaxFrame, ControlRate: o.ControlRate,
	}), nil
}

// upgrader is the ResponseWriter that the library sees: it keeps the headers and takes the connection out of net/http without
// its buffers of 4 KiB each way.
type upgrader struct {
	w      http.ResponseWriter
	header http.Header
	keep   bool // its slot at the gate
	nc     net.Conn
	device net.Addr // from a PROXY header that is gone with its wrapper; otherwise nil
	early  []byte
}

// Header is where the library leaves the accept key.
func (u *upgrader) Header() http.Header { return u.header }

// WriteHeader does nothing: the response is written in one piece afterwards.
func (u *upgrader) WriteHeader(int) {}

// Write would be the library refusing what the handler let pass.
func (u *upgrader) Write([]byte) (int, error) {
	return 0, errors.New("websocket library refused a handshake that was checked")
}

// Hijack takes the connection over and gives the library one that it cannot close.
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(u.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		peeked, _ := rw.Reader.Peek(n)
		u.early = append(u.early, peeked...)
	}
	var early []byte
	u.nc, u.device, early = listener.Release(nc, u.keep)
	u.early = append(u.early, early...)
	g := guard{nc}
	const smallest = 16
	return g, bufio.NewReadWriter(bufio.NewReaderSize(g, smallest), bufio.NewWriterSize(g, smallest)), nil
}

// guard is a connection that stays open when it is closed.
type guard struct{ net.Conn }

// Close does nothing.
func (guard) Close() error { return nil }
