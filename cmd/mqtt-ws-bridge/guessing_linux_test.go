package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
)

// TestAttack45_guessing_at_once: of a thousand wrong passwords that one address sends at once, as many are checked as it may fail. A
// device from elsewhere that connects for the first time meanwhile is let in.
func TestAttack45_guessing_at_once(t *testing.T) {
	const guesses = 1000
	file := writeUsers(t, "pump", "CANARY-right")
	p, _, _ := startBridge(t, func(c *config.Config) {
		c.Limits.HandshakeTimeout = time.Minute                 // a slow machine is not what is tried here
		c.Limits.Handshakes, c.Limits.Sessions = 2*guesses, 100 // as many as descriptors reach for
		c.Upstream.HealthInterval = time.Hour                   // nobody takes the connections of later checks from the rig
		c.Access.Sources = []config.AccessSource{{Type: "basic", File: file}}
	})
	address := p.deviceListeners[0].Addr().String()
	began := time.Now()
	var mu sync.Mutex
	statuses := make(map[int]int)
	var flood, sent sync.WaitGroup
	for range guesses {
		sent.Add(1)
		flood.Go(func() {
			status, _ := try(t.Context(), address, "127.0.0.9", "CANARY-wrong", sent.Done) // 0: its connection was given to others
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	sent.Wait()
	asked := time.Now()
	if status, err := try(t.Context(), address, "127.0.0.10", "CANARY-right", func() {}); status != http.StatusSwitchingProtocols {
		t.Errorf("a device from elsewhere is answered with %d, %v", status, err)
	}
	t.Logf("a device from elsewhere is let in after %v", time.Since(asked).Round(time.Millisecond))
	flood.Wait()
	t.Logf("%v, after %v", statuses, time.Since(began).Round(time.Millisecond))
	most := 10 + int(time.Since(began)/(6*time.Second)) + 1
	if n := statuses[http.StatusUnauthorized]; n == 0 || n > most {
		t.Errorf("%d of %d guesses were checked, want some, at most %d", n, guesses, most)
	}
	if n := statuses[http.StatusUnauthorized] + statuses[http.StatusTooManyRequests] + statuses[http.StatusServiceUnavailable] + statuses[0]; n != guesses {
		t.Errorf("guesses were answered with %v", statuses)
	}
}

// try makes a handshake from an address of this machine and returns the status. sent is called when the request is on its way.
func try(ctx context.Context, address, from, password string, sent func()) (int, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		sent()
		return 0, err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(2 * time.Minute))
	_, err = nc.Write([]byte(upgradeHead + offer + "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("pump:"+password)) + "\r\n\r\n"))
	sent()
	if err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return response.StatusCode, nil
}
