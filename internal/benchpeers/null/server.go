package null

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Job is what the connections of one load will do. A new one replaces the last with Begin.
type Job struct {
	Devices   int  // connections that will say CONNECT
	Subscribe bool // each subscribes too; the job is ready when the last has, else when the last has connected
	Flood     int  // QoS 0 messages for each connection, as soon as the job is ready
	Size      int  // payload of these
	Batch     int  // of these in one write, one frame each

	// Ready and End are called once each by the connection that makes it so: Ready before the last device is answered, End at
	// the first PINGREQ that makes all devices have asked or at the first connection that ends, whichever is first.
	Ready, End func()
}

// Counts is what a job's connections did so far.
type Counts struct {
	Connects  int64
	Published int64 // messages from devices
	Bytes     int64 // of whole PUBLISH packets from devices
	Flooded   int64 // messages to devices, without those sent back
}

// Server is a null upstream. Its methods are safe for concurrent use.
type Server struct {
	Address string // host:port

	ws       bool
	listener net.Listener
	serving  sync.WaitGroup
	job      atomic.Pointer[job]

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu; nil after Close
}

// job is a Job under way.
type job struct {
	Job
	flood []byte // Batch messages, framed
	last  []byte // the rest that makes Flood

	asked, subscribed, connects, published, bytes, flooded atomic.Int64

	ready     chan struct{} // closed when ready
	readyOnce sync.Once
	endOnce   sync.Once
}

// Listen starts a null upstream at the address, that speaks WebSocket or bare MQTT.
func Listen(address string, ws bool) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start the null upstream: %w", err)
	}
	s := &Server{Address: listener.Addr().String(), ws: ws, listener: listener, conns: map[net.Conn]struct{}{}}
	s.Begin(Job{})
	s.serving.Go(s.accept)
	return s, nil
}

// Begin makes connections that come from now on part of this job.
func (s *Server) Begin(j Job) {
	next := &job{Job: j, ready: make(chan struct{})}
	if j.Flood > 0 {
		one := s.frame(nil, publish("fsim/load/flood", j.Size))
		for range min(j.Batch, j.Flood) {
			next.flood = append(next.flood, one...)
		}
		next.last = next.flood[:j.Flood%j.Batch*len(one)]
	}
	s.job.Store(next)
}

// Counts returns the counts of the job begun last.
func (s *Server) Counts() Counts {
	j := s.job.Load()
	return Counts{Connects: j.connects.Load(), Published: j.published.Load(), Bytes: j.bytes.Load(), Flooded: j.flooded.Load()}
}

// Close ends all connections and waits for their end.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.serving.Wait()
}

// accept serves until the listener is closed.
func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.serving.Go(func() { s.serve(c) })
	}
}

// serve owns c: it closes it.
func (s *Server) serve(c net.Conn) {
	defer c.Close()
	if !s.add(c) {
		return
	}
	defer s.remove(c)
	ctx, cancel := context.WithCancel(context.Background())
	d := &device{Conn: c, server: s, job: s.job.Load(), ended: ctx}
	defer d.flooding.Wait()
	defer c.Close() // a flood under way must not be waited for
	defer cancel()
	_ = d.run() // a connection that breaks off is seen in the counts
	if d.connected {
		d.job.end()
	}
}

func (s *Server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (j *job) becomeReady() {
	j.readyOnce.Do(func() {
		if j.Ready != nil {
			j.Ready()
		}
	})
}

func (j *job) end() {
	j.endOnce.Do(func() {
		if j.End != nil {
			j.End()
		}
	})
}
