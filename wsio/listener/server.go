package listener

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"mqtt-ws-bridge/wsio/refusal"
)

// Limits bound what a connection may cost before it is a WebSocket.
type Limits struct {
	HandshakeTimeout time.Duration // from accept to the end of the request, the PROXY header and the TLS handshake included
	HeaderSize       int           // bytes of request line and headers
}

// NewServer returns an HTTP/1.1 server for devices: none of the clients of device-quirks opens a WebSocket over HTTP/2. It is
// meant for connections of a [Gate]'s listeners, which hold the limits to the letter; net/http by itself allows 4 KiB more.
// A fault in the handler is logged; what net/http says of broken requests goes to log at level debug.
func NewServer(h http.Handler, limits Limits, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:   reached{h, log},
		Protocols: protocols,
		// Otherwise net/http answers OPTIONS * itself, with 200 and a connection that stays open.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            limits.HandshakeTimeout,
		ReadTimeout:                  limits.HandshakeTimeout,
		WriteTimeout:                 limits.HandshakeTimeout,
		IdleTimeout:                  limits.HandshakeTimeout,
		MaxHeaderBytes:               limits.HeaderSize,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			if c := pendingBelow(nc); c != nil {
				return context.WithValue(ctx, pendingKey{}, c)
			}
			return ctx
		},
	}
}

// reached is the handler of a server: it notes that a request was whole, and survives a fault in the handler below.
type reached struct {
	http.Handler
	log *slog.Logger
}

// ServeHTTP calls the handler below.
func (h reached) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := Of(r)
	if c != nil && !c.phase.CompareAndSwap(phaseRequest, phaseHandler) {
		return // it was dropped
	}
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		h.log.Error("panic in a handshake; please report it", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
		if c != nil {
			c.report(refusal.CauseInternal, fmt.Errorf("panic: %v", fault))
			if c.phase.Load() == phaseOver { // it is a WebSocket, or is about to be one
				_ = c.raw.Close()
				return
			}
		}
		refusal.Write(w, http.StatusInternalServerError, refusal.PlainText, "fault in the bridge\n")
	}()
	h.Handler.ServeHTTP(w, r)
}

type pendingKey struct{}

// Of returns the connection of a request, nil if it did not come from a gate.
func Of(r *http.Request) *Pending {
	c, _ := r.Context().Value(pendingKey{}).(*Pending)
	return c
}
