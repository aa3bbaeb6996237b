package listener

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mqtt-ws-bridge/wsio/refusal"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

// What a connection begins with that speaks something else than it should.
const (
	firstOfTLS  = 0x16 // a handshake record, RFC 8446 section 5.1
	firstOfMQTT = 0x10 // CONNECT [MQTT-3.1.0-1]
)

// alert is what TLS hears from a port that speaks none: a record with the fatal alert handshake_failure. No other of RFC 8446 section 6
// says more.
var alert = []byte{0x15, 3, 1, 0, 2, 2, 40}

// foreign answers a peer that does not begin with HTTP, and reports whether it was one.
func (c *Pending) foreign(head []byte) bool {
	switch {
	case head[0] == firstOfTLS && c.tls.Load() == nil:
		c.refuse(refusal.CauseTLSOnPlainPort, nil, alert)
	case head[0] == firstOfMQTT:
		c.refuseMQTT(head, refusal.CauseNoWebSocket)
	default:
		return false
	}
	return true
}

const maxConnect = 4 << 10 // bytes of a CONNECT that are looked at to answer it

// refuseMQTT answers a peer that sends MQTT without a WebSocket around it.
func (c *Pending) refuseMQTT(head []byte, cause refusal.Cause) {
	if c.listener.opts.MQTT == nil {
		c.refuse(cause, nil, nil)
		return
	}
	head = bytes.Clone(head)
	for {
		answer, fact, whole := c.listener.opts.MQTT(head, cause)
		if !whole && len(head) < maxConnect {
			at := len(head)
			head = append(head, make([]byte, maxConnect-at)...)
			n, _ := c.conn().Read(head[at:]) // an error: then the answer is to what there is
			if head = head[:at+n]; n > 0 {
				continue
			}
		}
		c.refuse(cause, fact, answer)
		return
	}
}

// handshake looks whether the peer speaks TLS and makes the TLS handshake.
func (c *Pending) handshake() bool {
	head, err := c.low.peek()
	switch {
	case err != nil:
		c.fail(err)
		return false
	case head[0] == firstOfMQTT:
		_, _ = c.low.Read(head)
		c.refuseMQTT(head, refusal.CauseMQTTOnTLSPort)
		return false
	case head[0] >= 'A' && head[0] <= 'Z':
		c.refuse(refusal.CausePlainHTTP, nil, c.answer(refusal.CausePlainHTTP, http.StatusBadRequest, ""))
		return false
	case head[0] != firstOfTLS:
		c.refuse(refusal.CauseTLSHandshake, fmt.Errorf("it begins with byte %#02x, which is not TLS", head[0]), nil)
		return false
	}
	conn := tlsrecords.Server(c.low, c.listener.config, c.listener.opts.RecordSize)
	if err = c.calculate(conn); err != nil {
		cause, fact := tlsFailure(c.low.tail.explain(err))
		if c.refuse(cause, fact, nil); !timedOut(err) {
			c.linger() // crypto/tls has sent an alert
		}
		return false
	}
	c.tls.Store(conn)
	return true
}

// certificateError is what a check of the client's certificate found beyond its chain.
type certificateError struct{ error }

// Unwrap returns what it found.
func (e certificateError) Unwrap() error { return e.error }

// tlsFailure says why a TLS handshake failed.
func tlsFailure(err error) (refusal.Cause, error) {
	var chain *tls.CertificateVerificationError
	var own certificateError
	switch {
	case timedOut(err):
		return refusal.CauseHandshakeTimeout, errors.New("the TLS handshake was not complete")
	case errors.As(err, &chain), errors.As(err, &own),
		strings.Contains(err.Error(), "client didn't provide a certificate"), // crypto/tls has no other name for it
		strings.Contains(err.Error(), "failed to parse client certificate"):
		return refusal.CauseClientCertificate, err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return refusal.CauseTLSHandshake, errors.New("the peer closed in the middle of it; it may not trust the certificate")
	}
	return refusal.CauseTLSHandshake, err
}

// ownAnswer reads the status and the fact from a response that net/http makes by itself, such as
// "HTTP/1.1 400 Bad Request: missing required Host header".
func ownAnswer(response []byte) (status int, fact string, ok bool) {
	line, _, _ := strings.Cut(string(response), "\r\n")
	rest, ok := strings.CutPrefix(line, "HTTP/1.1 ")
	if !ok || len(rest) < 3 {
		return 0, "", false
	}
	status, err := strconv.Atoi(rest[:3])
	if err != nil || status < 400 || status > 599 {
		return 0, "", false
	}
	fact = strings.TrimSpace(rest[3:])
	if _, detail, found := strings.Cut(fact, ": "); found {
		fact = detail
	}
	return status, fact, true
}

// answer is an HTTP response of the listener's own.
func (c *Pending) answer(cause refusal.Cause, status int, fact string) []byte {
	a := refusal.Answer{Text: string(cause)}
	if c.listener.opts.Answer != nil {
		a = c.listener.opts.Answer(cause)
		if a.Status >= 400 && cause != refusal.CauseBadRequest {
			status = a.Status
		}
	}
	if fact != "" {
		a.Text += ": " + fact
	}
	a.Text = a.Text[:min(len(a.Text), refusal.MaxText)]
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n",
		status, http.StatusText(status), len(a.Text)+1)
	if a.RetryAfter > 0 {
		fmt.Fprintf(&b, "Retry-After: %d\r\n", (a.RetryAfter+time.Second-1)/time.Second)
	}
	fmt.Fprintf(&b, "\r\n%s\n", a.Text)
	return b.Bytes()
}

// requestSize counts the bytes of a request up to the empty line that ends its headers.
type requestSize struct {
	size  int
	ended bool
	line  int // bytes of the line so far, without a CR
	any   bool
}

// add counts what was read. What follows the request does not count.
func (r *requestSize) add(b []byte) {
	for _, x := range b {
		if r.ended {
			return
		}
		r.size++
		switch x {
		case '\n':
			r.ended = r.any && r.line == 0
			r.any, r.line = true, 0
		case '\r':
		default:
			r.line++
		}
	}
}
