package wire

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Request is an upgrade request, header line by header line.
type Request struct {
	Path string // with query
	Key  string // Sec-WebSocket-Key
	// Lines follow the request line, without CRLF, in this order. Upgrade, Connection, Key and Version are among them.
	Lines []string
	// Method and Proto default to GET and HTTP/1.1.
	Method, Proto string
}

// Append appends the request's bytes to b.
func (r Request) Append(b []byte) []byte {
	method, proto := r.Method, r.Proto
	if method == "" {
		method = "GET"
	}
	if proto == "" {
		proto = "HTTP/1.1"
	}
	b = fmt.Appendf(b, "%s %s %s\r\n", method, r.Path, proto)
	for _, line := range r.Lines {
		b = append(b, line...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// Key returns a Sec-WebSocket-Key for 16 given bytes.
func Key(nonce [16]byte) string { return base64.StdEncoding.EncodeToString(nonce[:]) }

// AcceptFor is the Sec-WebSocket-Accept value that answers key (RFC 6455 section 4.2.2).
func AcceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Line is one response header line. Value keeps every space as it came.
type Line struct {
	Name, Value string
	Colon       bool
}

// Response is the answer to an upgrade request as it came over the wire.
type Response struct {
	Proto  string
	Status int
	Lines  []Line
	Head   []byte // status line up to and with the empty line
	After  []byte // whatever was received together with, but behind, the head
	Reads  int    // how many reads it took until the head was complete
}

// Header returns the trimmed value of the first line with that name, and whether there is one.
func (r *Response) Header(name string) (string, bool) {
	v, ok := r.Raw(name)
	return strings.TrimSpace(v), ok
}

// Raw returns what stands behind the colon, untouched.
func (r *Response) Raw(name string) (string, bool) {
	for _, l := range r.Lines {
		if strings.EqualFold(strings.TrimSpace(l.Name), name) {
			return l.Value, true
		}
	}
	return "", false
}

// StatusLine is the first line as it came.
func (r *Response) StatusLine() string {
	line, _, _ := bytes.Cut(r.Head, []byte("\r\n"))
	return string(line)
}

// ErrHeadTooLarge means that the response head did not fit the limit.
var ErrHeadTooLarge = errors.New("response head larger than the limit")

// ReadResponse reads a response head of at most limit bytes. The caller sets deadlines.
// On error the response holds what was received so far.
func ReadResponse(conn net.Conn, limit int) (*Response, error) {
	resp := &Response{}
	buf := make([]byte, 0, min(limit, 1024)+1)
	for {
		if len(buf) == cap(buf) {
			if len(buf) > limit {
				resp.Head = buf
				return resp, ErrHeadTooLarge
			}
			buf = append(buf, make([]byte, min(limit+1-len(buf), 4096))...)[:len(buf)]
		}
		n, err := conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n > 0 {
			resp.Reads++
		}
		if end := bytes.Index(buf, []byte("\r\n\r\n")); end >= 0 {
			resp.Head, resp.After = buf[:end+4], buf[end+4:]
			return resp, resp.parse()
		}
		if err != nil {
			resp.Head = buf
			if errors.Is(err, io.EOF) && len(buf) == 0 {
				return resp, errors.New("closed without an answer")
			}
			return resp, err
		}
	}
}

func (r *Response) parse() error {
	lines := strings.Split(strings.TrimSuffix(string(r.Head), "\r\n\r\n"), "\r\n")
	proto, rest, _ := strings.Cut(lines[0], " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if err != nil || !strings.HasPrefix(proto, "HTTP/") {
		return fmt.Errorf("not an HTTP response: %.60q", lines[0])
	}
	r.Proto, r.Status = proto, status
	for _, line := range lines[1:] {
		name, value, colon := strings.Cut(line, ":")
		r.Lines = append(r.Lines, Line{Name: name, Value: value, Colon: colon})
	}
	return nil
}

// ReadBody reads what follows the head of an error response: Content-Length bytes, or everything until the peer closes,
// limit bytes at most, including what came with the head.
func (r *Response) ReadBody(conn net.Conn, limit int) ([]byte, error) {
	want := limit
	if v, ok := r.Header("Content-Length"); ok {
		if n, err := strconv.Atoi(v); err == nil && n < want {
			want = n
		}
	}
	body := r.After
	if len(body) >= want {
		return body[:want], nil
	}
	more, err := io.ReadAll(io.LimitReader(conn, int64(want-len(body))))
	return append(body[:len(body):len(body)], more...), err
}

// maxRefusal bounds how much of a refusal's body is read and shown; bodyPatience bounds the wait for one whose end nobody announced.
const (
	maxRefusal   = 512
	bodyPatience = time.Second
)

// Refusal is what an answer that is no 101 says: its status line, and the beginning of its body on one line, escaped. It leaves conn with a read
// deadline that may have passed.
func (r *Response) Refusal(conn net.Conn) string {
	_ = conn.SetReadDeadline(time.Now().Add(bodyPatience))
	body, _ := r.ReadBody(conn, maxRefusal) // what came before an error counts
	return Refusal(r.StatusLine(), body)
}

// Refusal joins a status line with the beginning of a body on one line, escaped.
func Refusal(status string, body []byte) string {
	text := strings.TrimSpace(string(body[:min(len(body), maxRefusal)]))
	if text == "" {
		return fmt.Sprintf("%.200s", strings.Trim(strconv.Quote(status), `"`))
	}
	return fmt.Sprintf("%.200s: %.200q", strings.Trim(strconv.Quote(status), `"`), text)
}
