package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/loopback"
)

// TestReloadsLoseNothing: 50 devices exchange messages through 20 reloads that change listeners, limits and the log, and none is lost.
func TestReloadsLoseNothing(t *testing.T) {
	const devices, reloads = 50, 20
	dir := t.TempDir()
	file, address := filepath.Join(dir, "bridge.yaml"), loopback.Address(t, loopback.Host())
	write := func(more, rest string) {
		t.Helper()
		text := fmt.Sprintf("listen: [%q%s]\nadmin: {listen: \"off\"}\nembedded: {listen: \"off\"}\n%s", address, more, rest)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("", "")
	p := command(t, "--log.format", "json", "--config", file)
	p.wait("serving")
	p.device = "ws://" + address + "/mqtt"

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var messages atomic.Int64
	moved := make(chan struct{}, 1)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range devices {
		startEcho(t, ctx, &all, p.device, i, func() {
			messages.Add(1)
			select {
			case moved <- struct{}{}:
			default:
			}
		})
	}
	for i := range reloads {
		for before := messages.Load(); messages.Load() < before+devices; { // they do not stand still meanwhile
			select {
			case <-moved:
			case <-time.After(30 * time.Second):
				t.Fatal("no messages")
			}
		}
		more, rest := "", "limits: {write-timeout: 20s, sessions: 900}\n"
		if i%2 == 0 {
			more, rest = fmt.Sprintf(", %q", "unix://"+filepath.Join(dir, "s")), "log: {level: debug, connects: true}\npaths: [/mqtt, /other]\nkeepalive: {grace: 7s}\ndownlink: {frame-size: 4KiB}\n"
		}
		write(more, rest)
		if line := p.hangUp("configuration loaded"); line["after_restart"] != nil {
			t.Errorf("logged as %v", line)
		}
	}
	stop()
	all.Wait()
	t.Logf("%d messages through %d reloads", messages.Load(), reloads)
}

// startEcho connects a device that publishes to itself until ctx ends.
func startEcho(t *testing.T, ctx context.Context, all *sync.WaitGroup, url string, device int, arrived func()) {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	nc := websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
	t.Cleanup(func() { _ = ws.CloseNow() })
	all.Go(func() {
		if err := echo(ctx, nc, device, arrived); err != nil {
			t.Errorf("device %d: %v", device, err)
		}
	})
}

// echo publishes numbered messages to itself, one at a time, until ctx ends, and reports the first that does not come back.
func echo(ctx context.Context, nc net.Conn, device int, arrived func()) error {
	topic := fmt.Sprintf("d/%03d", device)
	exchange := func(packet, want string) error {
		_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
		if _, err := io.WriteString(nc, packet); err != nil {
			return err
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil {
			return err
		}
		if !bytes.Equal(got, []byte(want)) {
			return fmt.Errorf("got % x, want % x", got, want)
		}
		return nil
	}
	id := fmt.Sprintf("device-%03d", device)
	if err := exchange("\x10"+string(rune(12+len(id)))+"\x00\x04MQTT\x04\x02\x00\x3c\x00"+string(rune(len(id)))+id, "\x20\x02\x00\x00"); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := exchange("\x82\x0a\x00\x01\x00\x05"+topic+"\x00", "\x90\x03\x00\x01\x00"); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for n := uint64(0); ctx.Err() == nil; n++ {
		message := "\x30\x0f\x00\x05" + topic + string(binary.BigEndian.AppendUint64(nil, n))
		if err := exchange(message, message); err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		arrived()
	}
	return nil
}
