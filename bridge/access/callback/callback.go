// Package callback asks the operator's own service whether a device may connect, as auth_request of nginx does: a request with
// what the device showed at its handshake, and a status for an answer. 2xx lets it in, 401 and 403 do not, and everything else,
// redirects and silence included, means that it could not be found out, which is a refusal too.
//
// The service gets Authorization, Cookie, Origin, Sec-WebSocket-Protocol and User-Agent as the device sent them, X-Original-URI
// with path and query, and X-Device-Address; nothing else passes, and nothing of the device's can take the place of these. It may
// answer with a small JSON object: {"subject": "...", "claims": {"name": "text"}, "expires_in": 3600}.
//
// Answers are remembered for a short while, keyed with a hash that only this process can make.
package callback

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"mqtt-ws-bridge/bridge/access/httpclient"
	"mqtt-ws-bridge/bridge/fairqueue"
)

const (
	maxAnswer     = 64 << 10 // bytes of a body
	maxClaims     = 64
	maxText       = 1024             // bytes of the subject and of each claim
	remembered    = 8 << 10          // answers
	unanswered    = 3                // questions in a row, by which the service counts as away
	unansweredFor = 15 * time.Second // since the last of them
	asking        = 256              // requests under way, and connections that are kept for more
	maxWaiting    = 1024             // questions that wait for others
)

// ErrUnavailable says that the service gave no answer, or none that means anything.
var ErrUnavailable = errors.New("the authentication service gave no answer")

// ErrBusy says that the service was not asked, since too many other questions are under way.
var ErrBusy = errors.New("too many questions to the authentication service")

// Options make a [Service].
type Options struct {
	URL     string
	Method  string        // GET or POST, without a body
	Timeout time.Duration // for one answer
	// For how long an answer is remembered; 0: not at all. A device that was let in does not get beyond expires_in by it.
	RememberAllowed, RememberDenied time.Duration
	Transport                       http.RoundTripper // nil: one of its own. Redirects are not followed in any case
}

// Question is what is known of a handshake.
type Question struct {
	Authorization, Cookie, Origin, Subprotocols, URI, UserAgent string // as the device sent them
	Address                                                     string
}

// headers are what the service is told, all of it.
func (q *Question) headers() [][2]string {
	return [][2]string{
		{"Authorization", q.Authorization}, {"Cookie", q.Cookie}, {"Origin", q.Origin}, {"Sec-Websocket-Protocol", q.Subprotocols},
		{"User-Agent", q.UserAgent}, {"X-Original-Uri", q.URI}, {"X-Device-Address", q.Address},
	}
}

// Answer is what the service said.
type Answer struct {
	Allowed   bool
	Forbidden bool // it knows the device, which may not connect: 403. Without this and Allowed: 401
	Subject   string
	Claims    map[string]string
	Expires   time.Time // zero: never
}

// Service is the operator's. Safe for concurrent use.
type Service struct {
	// Set once.
	opts   Options
	client *httpclient.Client
	key    [32]byte
	queue  *fairqueue.Queue // for requests

	mu     sync.Mutex
	known  map[[sha256.Size]byte]answered // guarded by mu
	silent int                            // questions in a row without an answer; guarded by mu
	asked  time.Time                      // when the last was asked; guarded by mu
}

type answered struct {
	answer Answer
	until  time.Time
}

// New returns a service at a URL.
func New(opts Options) (*Service, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the URL of the authentication service is not http:// or https://")
	}
	if u.User != nil {
		return nil, errors.New("the URL of the authentication service must hold no user name: Authorization is what the device sent")
	}
	if opts.Method != http.MethodGet && opts.Method != http.MethodPost {
		return nil, errors.New("the authentication service is asked with GET or POST")
	}
	client := httpclient.New(httpclient.Options{
		Timeout: opts.Timeout, Connections: asking, Body: maxAnswer, Transport: opts.Transport,
	})
	s := &Service{opts: opts, client: client, queue: fairqueue.New(asking, maxWaiting), known: make(map[[sha256.Size]byte]answered)}
	_, err = rand.Read(s.key[:])
	return s, err
}

// Close closes the connections to the service that are not in use.
func (s *Service) Close() { s.client.Close() }

// Ask returns the service's answer, or one it gave lately. Questions wait in a queue, in which group is whose they are, until ctx ends or
// the timeout does. The error is [ErrBusy], or [ErrUnavailable] with what happened where that tells no secret.
//
// A device that leaves does not take its question back: it could have the service asked any number of times at once.
func (s *Service) Ask(ctx context.Context, group string, q Question) (Answer, error) {
	sum := s.sum(&q)
	if a, ok := s.recall(sum); ok {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if s.queue.Acquire(ctx, group) != nil {
		return Answer{}, ErrBusy
	}
	defer s.queue.Release(group)
	if a, ok := s.recall(sum); ok { // by now
		return a, nil
	}
	deadline, _ := ctx.Deadline()
	ctx, cancelAsking := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancelAsking()
	a, err := s.ask(ctx, &q)
	s.heard(err == nil)
	if err == nil {
		s.remember(sum, a)
	}
	return a, err
}

// Ready returns nil unless the service has lately left several questions in a row unanswered. It asks nothing. After a while without
// questions it returns nil again: whoever looks here before sending devices could otherwise never find out that the service is back.
func (s *Service) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent >= unanswered && time.Since(s.asked) < unansweredFor {
		return ErrUnavailable
	}
	return nil
}

// heard notes whether the service has answered.
func (s *Service) heard(answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Now()
	if s.silent++; answered {
		s.silent = 0
	}
}

func (s *Service) ask(ctx context.Context, q *Question) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, s.opts.Method, s.opts.URL, nil)
	if err != nil {
		return Answer{}, ErrUnavailable
	}
	for _, h := range q.headers() {
		if h[1] != "" {
			req.Header.Set(h[0], h[1])
		}
	}
	if q.UserAgent == "" {
		req.Header["User-Agent"] = nil // not Go's own
	}
	status, body, err := s.client.Do(req)
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Answer{Forbidden: status == http.StatusForbidden}, nil
	case status < 200 || status > 299:
		return Answer{}, fmt.Errorf("%w: status %d", ErrUnavailable, status)
	}
	return readAnswer(body)
}

// readAnswer reads the body of a 2xx. An empty one says nothing more; one that is not understood is no answer.
func readAnswer(text []byte) (Answer, error) {
	a := Answer{Allowed: true}
	if len(bytes.TrimSpace(text)) == 0 {
		return a, nil
	}
	var said struct {
		Subject   string            `json:"subject"`
		Claims    map[string]string `json:"claims"`
		ExpiresIn *int64            `json:"expires_in"`
	}
	unclear := fmt.Errorf("%w: its body is not what is understood", ErrUnavailable)
	if json.Unmarshal(text, &said) != nil || len(said.Claims) > maxClaims || len(said.Subject) > maxText {
		return Answer{}, unclear
	}
	for _, value := range said.Claims {
		if len(value) > maxText {
			return Answer{}, unclear
		}
	}
	a.Subject, a.Claims = said.Subject, said.Claims
	if said.ExpiresIn != nil {
		if *said.ExpiresIn <= 0 || *said.ExpiresIn > 10*365*24*3600 {
			return Answer{}, unclear
		}
		a.Expires = time.Now().Add(time.Duration(*said.ExpiresIn) * time.Second)
	}
	return a, nil
}

// sum is the key under which the answer is remembered: everything that the service was told.
func (s *Service) sum(q *Question) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, s.key[:])
	for _, h := range q.headers() {
		fmt.Fprintf(mac, "%d:%s", len(h[1]), h[1])
	}
	mac.Sum(sum[:0])
	return sum
}

func (s *Service) recall(sum [sha256.Size]byte) (Answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.known[sum]
	return a.answer, ok && time.Now().Before(a.until)
}

func (s *Service) remember(sum [sha256.Size]byte, a Answer) {
	last := s.opts.RememberDenied
	if a.Allowed {
		last = s.opts.RememberAllowed
	}
	if last <= 0 {
		return
	}
	until := time.Now().Add(last)
	if !a.Expires.IsZero() && a.Expires.Before(until) {
		until = a.Expires
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= remembered {
		s.makeRoom()
	}
	s.known[sum] = answered{a, until}
}

// makeRoom forgets what is too old, and some of the rest if that is not enough. The caller holds mu.
func (s *Service) makeRoom() {
	now := time.Now()
	for sum, a := range s.known {
		if now.After(a.until) {
			delete(s.known, sum)
		}
	}
	for sum := range s.known { // in no order
		if len(s.known) < remembered*3/4 {
			return
		}
		delete(s.known, sum)
	}
}
