// Package httpclient asks services of the operator over HTTP. Whatever they answer costs a bounded time, bounded memory and a bounded
// number of connections.
package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	maxHeader = 64 << 10 // bytes of response headers, interim responses (1xx) included
	maxDrain  = 4 << 10  // bytes of a body that nobody needs, read so that the connection can be used again
)

// ErrTooLarge says that a body has more bytes than are read.
var ErrTooLarge = errors.New("the body is too large")

// Client asks one service. Safe for concurrent use.
type Client struct {
	http *http.Client
	body int64
}

// Options make a [Client].
type Options struct {
	Timeout     time.Duration     // for opening a connection; a request has the time of its context
	Connections int               // at most, those being opened included
	Body        int               // bytes of a body, at most
	Transport   http.RoundTripper // nil: one of the client's own
}

// New returns a client. It follows no redirects.
func New(o Options) *Client {
	if o.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.DialContext = (&net.Dialer{Timeout: o.Timeout}).DialContext
		own.TLSHandshakeTimeout = o.Timeout
		own.MaxConnsPerHost = o.Connections                                      // dialing goes on when a request ends: without a bound silence would use up descriptors
		own.MaxIdleConns, own.MaxIdleConnsPerHost = o.Connections, o.Connections // a fleet that comes back would use up the ports of this machine
		own.MaxResponseHeaderBytes = maxHeader
		o.Transport = own
	}
	return &Client{body: int64(o.Body), http: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends a request, whose context should have a deadline, and returns the status and, if that is 2xx, the body. Errors do not hold the
// URL, which may be secret.
func (c *Client) Do(req *http.Request) (status int, body []byte, err error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	// The body of 101 is the connection itself. No context ends a read of it.
	if resp.StatusCode < http.StatusOK {
		return resp.StatusCode, nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	if resp.StatusCode > 299 {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
		return resp.StatusCode, nil, nil
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, c.body+1))
	switch {
	case err != nil:
		return 0, nil, err
	case int64(len(body)) > c.body:
		return 0, nil, ErrTooLarge
	}
	return resp.StatusCode, body, nil
}

// Get asks for a URL.
func (c *Client) Get(ctx context.Context, url string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	return c.Do(req)
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
