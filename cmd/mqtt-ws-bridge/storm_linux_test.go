package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/config"
)

// slowBroker speaks MQTT over WebSockets, echoes messages, and takes its time for each handshake.
type slowBroker struct{ time time.Duration }

func (b slowBroker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(b.time)
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	for {
		_, packet, err := ws.Read(r.Context())
		if err != nil || len(packet) < 4 {
			return
		}
		switch packet[0] {
		case 0x10:
			packet = []byte("\x20\x02\x00\x00")
		case 0x82:
			packet = []byte{0x90, 3, packet[2], packet[3], 0}
		}
		if ws.Write(r.Context(), websocket.MessageBinary, packet) != nil {
			return
		}
	}
}

// comesAndGoes is a device that connects without end: refused or not, it is back at once.
func comesAndGoes(ctx context.Context, url, host string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: from(host).DialContext}}
	for ctx.Err() == nil {
		ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPClient: client})
		if err != nil {
			continue
		}
		if ws.Write(ctx, websocket.MessageBinary, []byte(connectPacket)) == nil {
			_, _, _ = ws.Read(ctx)
		}
		_ = ws.CloseNow()
	}
}

// TestAttack32_storm_of_one_address: one address connects without end and takes all dials to the broker. Each device from elsewhere that
// comes meanwhile is served, though dials stay full all the time.
func TestAttack32_storm_of_one_address(t *testing.T) {
	for _, loops := range []string{"auto", "off"} {
		t.Run("event loops "+loops, func(t *testing.T) {
			broker := httptest.NewServer(slowBroker{20 * time.Millisecond})
			defer broker.Close()
			p, _ := wireBefore(t, strings.Replace(broker.URL, "http", "ws", 1), func(c *config.Config) {
				c.EventLoops, c.Limits.Dials, c.Limits.HandshakeTimeout = loops, 2, time.Minute
			})
			defer p.close()
			if err := p.pool.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.start()
			url := "ws://" + p.deviceListeners[0].Addr().String() + "/mqtt"
			ctx, stop := context.WithCancel(t.Context())
			var flood sync.WaitGroup
			defer flood.Wait()
			defer stop()
			for range 20 {
				flood.Go(func() { comesAndGoes(ctx, url, "127.0.0.2") })
			}
			for deadline := time.Now().Add(time.Minute); counted(t, p, "dials-full") == 0 && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond)
			}
			begin := counted(t, p, "dials-full")
			var took time.Duration
			for i := range 8 {
				began := time.Now()
				serves(t, url, "127.0.0.3", string(rune('a'+i)), "")
				took = max(took, time.Since(began))
			}
			more := counted(t, p, "dials-full") - begin
			if t.Logf("a device from elsewhere connects and has its message echoed in at most %v; %v of the flood were refused meanwhile", took, more); more == 0 {
				t.Error("no dial was refused: this was no storm")
			}
		})
	}
}
