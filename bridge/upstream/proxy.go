package upstream

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Proxy is an HTTP proxy through which brokers are reached with CONNECT. The zero value is none.
type Proxy struct {
	Address            string // host:port
	Username, Password string // for Basic authentication; no user name: none
}

var (
	errProxySpeaks = errors.New("the proxy sends something before the broker has heard anything")
	errProxyGone   = errors.New("the proxy hangs up")
	errProxyLogin  = errors.New("407 Proxy Authentication Required (upstream.proxy.username, upstream.proxy.password)")
)

// tunnel has the proxy at the other end of nc connect to address. What comes over nc afterwards is the broker's. The caller owns nc. The
// error holds nothing that the proxy chose: it may repeat the credentials.
func (p *Proxy) tunnel(ctx context.Context, nc net.Conn, address string) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() { // ctx is over, whatever came of the deadline
			err = ctx.Err()
		}
	}()
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.Username != "" {
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password)) + "\r\n"
	}
	if _, err := io.WriteString(nc, request+"\r\n"); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: nc, N: maxAnswer}
	r := bufio.NewReader(limited)
	answer, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		if netErr := net.Error(nil); errors.As(err, &netErr) {
			return err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && limited.N > 0 {
			return errProxyGone
		}
		return fmt.Errorf("no answer in HTTP of at most %d bytes", maxAnswer)
	}
	switch {
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return errProxyLogin
	case answer.StatusCode < 200 || answer.StatusCode > 299: // RFC 9110 section 9.3.6
		return fmt.Errorf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	case r.Buffered() > 0: // neither MQTT nor TLS nor HTTP begins so
		return errProxySpeaks
	}
	return nil
}
