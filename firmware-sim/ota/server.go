package ota

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
)

// maxChunk is the largest chunk the server hands out, whatever is asked for.
const maxChunk = 64 << 10

// ServerProfile is the server's own client: one without peculiarities.
var ServerProfile = profile.Profile{
	Name: "update-server", Engine: profile.Raw, MQTT: packet.V5, KeepAlive: 30 * time.Second, PingAt: 0.5,
	Request:   profile.Request{Subprotocols: []string{"mqtt"}, Path: "/mqtt"},
	Closing:   profile.Closing{Payload: []byte{3, 0xE8}},
	Reconnect: profile.Backoff{First: 200 * time.Millisecond},
}

// Server hands out one image and keeps what devices report. It implements device.Behaviour: run it as a Device.
type Server struct {
	prefix   string
	image    []byte
	manifest Manifest
	requests chan work
	stop     chan struct{}

	mu      sync.Mutex
	reports map[string][]Report // per device, newest last, maxReports at most
	heard   func(id string, r Report)
	served  int64
}

type work struct {
	id string
	request
}

const maxReports = 16

// NewServer serves an image under a prefix; with no image it only listens to what devices report to another server. heard, when not nil, is called for every report, one at a time.
func NewServer(prefix string, image []byte, manifest Manifest, heard func(id string, r Report)) *Server {
	return &Server{prefix: prefix, image: image, manifest: manifest, heard: heard, reports: make(map[string][]Report),
		// Enough for a fleet that asks at once; what does not fit is asked for again.
		requests: make(chan work, 4096), stop: make(chan struct{})}
}

// Filters are what the server subscribes to.
func (s *Server) Filters() []string {
	return []string{s.prefix + "/ota/+/get", s.prefix + "/ota/+/state"}
}

// Stop makes the server take its announcement off the broker and leave for good; call it once.
func (s *Server) Stop() { close(s.stop) }

// Online implements device.Behaviour: announces and serves until ctx ends or Stop is called.
func (s *Server) Online(ctx context.Context, link device.Link) time.Duration {
	body, _ := json.Marshal(s.manifest) // strings and numbers do not fail
	announce := packet.Message{Topic: s.prefix + "/ota/announce", Payload: body, QoS: 1, Retain: true}
	if s.image != nil && link.Publish(ctx, announce, 0) != nil {
		return 0
	}
	for {
		select {
		case w := <-s.requests:
			if s.serve(ctx, link, w) != nil {
				return 0
			}
		case <-s.stop:
			if s.image != nil {
				announce.Payload = nil
				_ = link.Publish(ctx, announce, 0)
				link.Settle(ctx, 3*time.Second)
			}
			return -1
		case <-ctx.Done():
			return 0
		}
	}
}

func (s *Server) serve(ctx context.Context, link device.Link, w work) error {
	if w.Version != s.manifest.Version || w.Offset < 0 || w.Offset >= len(s.image) || w.Length <= 0 {
		return nil
	}
	end := min(w.Offset+min(w.Length, maxChunk), len(s.image))
	body := binary.BigEndian.AppendUint32(make([]byte, 0, 4+end-w.Offset), uint32(w.Offset))
	body = append(body, s.image[w.Offset:end]...)
	s.mu.Lock()
	s.served++
	s.mu.Unlock()
	return link.Publish(ctx, packet.Message{Topic: s.prefix + "/ota/" + w.id + "/chunk", Payload: body, QoS: 1}, 0)
}

// Message implements device.Behaviour.
func (s *Server) Message(_ device.Link, m packet.Message) {
	parts := strings.Split(strings.TrimPrefix(m.Topic, s.prefix+"/ota/"), "/")
	if len(parts) != 2 {
		return
	}
	id := parts[0]
	switch parts[1] {
	case "get":
		var r request
		if json.Unmarshal(m.Payload, &r) != nil {
			return
		}
		select {
		case s.requests <- work{id, r}:
		default: // the device asks again
		}
	case "state":
		var r Report
		if json.Unmarshal(m.Payload, &r) == nil {
			s.note(id, r)
		}
	}
}

func (s *Server) note(id string, r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.reports[id]; len(all) < maxReports {
		s.reports[id] = append(all, r)
	} else {
		all[maxReports-1] = r
	}
	if s.heard != nil {
		s.heard(id, r)
	}
}

// Reports returns what a device has said, oldest first.
func (s *Server) Reports(id string) []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Report(nil), s.reports[id]...)
}

// Chunks returns how many chunks were handed out.
func (s *Server) Chunks() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}
