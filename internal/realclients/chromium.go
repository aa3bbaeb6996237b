package realclients

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/install"
)

// errGone is what a page that was closed leaves behind.
var errGone = errors.New("the page is gone")

// chromium serves the pages of MQTT.js, and runs one headless Chromium per row. One page of it, the hub, holds every device
// as a frame, and the frame's end is the device's: the browser closes its WebSocket and no script of the page is asked.
func chromium(t testing.TB, target Target) func(testing.TB) *Device {
	install.Debian(t, "chromium")
	modules := install.NPM(t, "testdata/npm")
	b := &browser{hub: make(chan hubOrder), pages: map[string]*page{}, over: make(chan struct{})}
	mux := http.NewServeMux()
	serveFile := func(path, file string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	serveFile("/hub.html", "testdata/mqttjs/hub.html")
	serveFile("/device.html", "testdata/mqttjs/device.html")
	serveFile("/device.js", "testdata/mqttjs/device.js")
	serveFile("/mqtt.min.js", filepath.Join(modules, "node_modules/mqtt/dist/mqtt.min.js"))
	serveFile("/package.json", filepath.Join(modules, "node_modules/mqtt/package.json"))
	mux.HandleFunc("GET /hub", b.serveHub)
	mux.HandleFunc("POST /gone", b.serveGone)
	mux.HandleFunc("GET /command", b.serveCommand)
	mux.HandleFunc("POST /event", b.serveEvent)
	server := httptest.NewServer(mux)

	cmd := exec.Command("chromium", append(chromiumFlags(t, target), server.URL+"/hub.html")...)
	said := new(bytes.Buffer)
	cmd.Stderr = said
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	t.Cleanup(func() {
		killGroup(cmd)
		_ = cmd.Wait() // it was killed
		close(b.over)
		server.Close()
		if t.Failed() {
			t.Logf("what Chromium said: %s", tail(said.String()))
		}
	})
	return b.open
}

// chromiumFlags run Chromium without a screen, as root, and without its own talk to the outside.
func chromiumFlags(t testing.TB, target Target) []string {
	key := sha256.Sum256(target.Leaf.Leaf.RawSubjectPublicKeyInfo)
	return []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--user-data-dir=" + t.TempDir(),
		// Chromium asks the system for authorities, not a file; it is told to trust the target's key instead.
		"--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(key[:]),
	}
}

// tail is the end of a long text.
func tail(s string) string { return s[max(0, len(s)-2000):] }

// browser joins the pages to their devices.
type browser struct {
	hub  chan hubOrder
	over chan struct{} // closed at the end of the row

	mu    sync.Mutex
	pages map[string]*page // guarded by mu
}

// hubOrder opens or closes a device's frame.
type hubOrder struct {
	Open  string `json:"open,omitempty"`
	Close string `json:"close,omitempty"`
}

// page is the link to a device in a frame.
type page struct {
	browser  *browser
	name     string
	device   *Device
	commands chan []byte
	gone     chan struct{} // closed when the hub has removed the frame
	end      sync.Once
}

func (b *browser) open(t testing.TB) *Device {
	t.Helper()
	p := &page{browser: b, device: newDevice(t), commands: make(chan []byte), gone: make(chan struct{})}
	p.device.link = p
	b.mu.Lock()
	p.name = fmt.Sprintf("device%d", len(b.pages)+1)
	b.pages[p.name] = p
	b.mu.Unlock()
	if !b.order(hubOrder{Open: p.name}) {
		t.Fatal("the hub page does not ask what to do")
	}
	t.Cleanup(p.kill)
	return p.device
}

// order hands an order to the hub page; it is false when the page never asks for one.
func (b *browser) order(o hubOrder) bool {
	select {
	case b.hub <- o:
		return true
	case <-time.After(patience):
		return false
	}
}

func (b *browser) page(r *http.Request) *page {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pages[r.FormValue("device")]
}

func (p *page) send(line []byte) error {
	select {
	case p.commands <- line:
		return nil
	case <-p.gone:
		return errGone
	case <-time.After(patience):
		return errors.New("the page does not ask for a command")
	}
}

func (p *page) kill() {
	p.end.Do(func() {
		if !p.browser.order(hubOrder{Close: p.name}) {
			panic("realclients: the hub page does not ask what to do")
		}
		select {
		case <-p.gone:
			p.device.hangUp(errGone)
		case <-time.After(patience):
			panic("realclients: the hub page does not remove a frame")
		}
	})
}

func (b *browser) serveHub(w http.ResponseWriter, r *http.Request) {
	select {
	case o := <-b.hub:
		_ = json.NewEncoder(w).Encode(o) // a browser that is gone shows as an order not carried out
	case <-b.over:
	case <-r.Context().Done():
	}
}

func (b *browser) serveGone(_ http.ResponseWriter, r *http.Request) { close(b.page(r).gone) }

func (b *browser) serveCommand(w http.ResponseWriter, r *http.Request) {
	p := b.page(r)
	select {
	case line := <-p.commands:
		_, _ = w.Write(line) // a page that is gone shows as a command without an answer
	case <-p.gone:
	case <-b.over:
	case <-r.Context().Done():
	}
}

func (b *browser) serveEvent(w http.ResponseWriter, r *http.Request) {
	line, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.page(r).device.hear(line)
}
