package main

import (
	"bufio"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/config"
)

// TestAttack45_guessing_at_once: of a thousand wrong passwords that one address sends at once, as many are checked as it may fail. A
// device from elsewhere that connects for the first time meanwhile is let in.
func TestAttack45_guessing_at_once(t *testing.T) {
	const guesses = 1000
	hash, err := bcrypt.GenerateFromPassword([]byte("CANARY-right"), 8)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, append([]byte("pump:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _, _ := startBridge(t, func(c *config.Config) {
		c.Limits.HandshakeTimeout = time.Minute // a slow machine is not what is tried here
		c.Limits.Handshakes = 2 * guesses
		c.Upstream.HealthInterval = time.Hour // nobody takes the connections of later checks from the rig
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
			status := try(t, address, "127.0.0.9", "CANARY-wrong", sent.Done)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	sent.Wait()
	asked := time.Now()
	if status := try(t, address, "127.0.0.10", "CANARY-right", func() {}); status != http.StatusSwitchingProtocols {
		t.Errorf("a device from elsewhere is answered with %d", status)
	}
	t.Logf("a device from elsewhere is let in after %v", time.Since(asked).Round(time.Millisecond))
	flood.Wait()
	t.Logf("%v, after %v", statuses, time.Since(began).Round(time.Millisecond))
	most := 10 + int(time.Since(began)/(6*time.Second)) + 1
	if n := statuses[http.StatusUnauthorized]; n < 10 || n > most {
		t.Errorf("%d of %d guesses were checked, want 10 to %d", n, guesses, most)
	}
	if n := statuses[http.StatusUnauthorized] + statuses[http.StatusTooManyRequests] + statuses[http.StatusServiceUnavailable]; n != guesses {
		t.Errorf("guesses were answered with %v", statuses)
	}
}

// try makes a handshake from an address of this machine and returns the status. sent is called when the request is on its way.
func try(t *testing.T, address, from, password string, sent func()) int {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Minute}
	nc, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Error(err)
		sent()
		return 0
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(2 * time.Minute))
	_, err = nc.Write([]byte(handshake + offer + "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("pump:"+password)) + "\r\n\r\n"))
	sent()
	if err != nil {
		t.Error(err)
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
