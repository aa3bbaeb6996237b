package httpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/access/httpclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// says answers the first request of each connection with some bytes and then says nothing until the other side closes, which it counts.
type says struct {
	net.Listener
	answer string
	wg     sync.WaitGroup

	open, most atomic.Int32
}

func newSays(t *testing.T, answer string) *says {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &says{Listener: l, answer: answer}
	s.wg.Go(s.serve)
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *says) serve() {
	for {
		nc, err := s.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			defer nc.Close()
			defer s.open.Add(-1)
			if n := s.open.Add(1); n > s.most.Load() {
				s.most.Store(n)
			}
			r := bufio.NewReader(nc)
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			_, _ = nc.Write([]byte(s.answer))
			_, _ = r.ReadByte() // until the client has closed
		})
	}
}

// TestWhateverIsAnswered ends, in the time there is or before, and leaves no connection behind: the listener waits for all of them.
func TestWhateverIsAnswered(t *testing.T) {
	const head = "HTTP/1.1 "
	for name, c := range map[string]struct {
		answer string
		status int
		err    string // "": none
		late   bool   // it is the end of the time that ends it
	}{
		"switching protocols":       {head + "101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 101, "status 101", false},
		"switching, not asked":      {head + "101 Switching Protocols\r\n\r\n", 101, "status 101", false},
		"interim without end":       {strings.Repeat(head+"102 Processing\r\n\r\n", 3), 0, context.DeadlineExceeded.Error(), true},
		"many interim":              {strings.Repeat(head+"103 Early Hints\r\nLink: "+strings.Repeat("x", 1000)+"\r\n\r\n", 100), 0, "header", false},
		"large header":              {head + "200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 0, "header", false},
		"half a header":             {head + "200 OK\r\nX: ", 0, context.DeadlineExceeded.Error(), true},
		"not HTTP":                  {"SSH-2.0-x\r\n\r\n", 0, "malformed", false},
		"redirect":                  {head + "302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302, "", false},
		"redirect, body cut":        {head + "302 Found\r\nLocation: /\r\nContent-Length: 100\r\n\r\nx", 302, "", true},
		"refusal, body cut":         {head + "403 Forbidden\r\nContent-Length: 100\r\n\r\nx", 403, "", true},
		"refusal, body without end": {head + "403 Forbidden\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100<<10), 403, "", false},
		"body cut":                  {head + "200 OK\r\nContent-Length: 100\r\n\r\nx", 0, context.DeadlineExceeded.Error(), true},
		"large body":                {head + "200 OK\r\n\r\n" + strings.Repeat("x", 2000), 0, httpclient.ErrTooLarge.Error(), false},
		"good":                      {head + "200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSays(t, c.answer)
			client := httpclient.New(httpclient.Options{Timeout: time.Minute, Connections: 4, Body: 1000})
			defer client.Close()
			limit := time.Minute
			if c.late {
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			status, body, err := client.Get(ctx, "http://"+s.Addr().String()+"/?key=CANARY")
			if status != c.status || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || status == 200 && string(body) != "hi" {
				t.Errorf("%d, %q, %v; want %d, %s", status, body, err, c.status, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the error tells the URL: %v", err)
			}
		})
	}
}

// TestConnectionsAreBounded: while a service does not answer, there are no more connections to it than allowed, whatever is asked.
func TestConnectionsAreBounded(t *testing.T) {
	s := newSays(t, "")
	client := httpclient.New(httpclient.Options{Timeout: time.Minute, Connections: 3, Body: 1000})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		all.Go(func() {
			_, _, err := client.Get(ctx, fmt.Sprintf("http://%s/", s.Addr()))
			errs <- err
		})
	}
	all.Wait()
	for range 20 {
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
	if n := s.most.Load(); n > 2*3 { // the service may see the end of one after the beginning of the next
		t.Errorf("%d connections", n)
	}
}
