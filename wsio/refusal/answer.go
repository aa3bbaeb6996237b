package refusal

import (
	"net/http"
	"strconv"
	"time"
)

// Answer is the HTTP response to a refused handshake.
type Answer struct {
	Status     int           // 4xx or 5xx; anything else is sent as 500
	RetryAfter time.Duration // rounded up to seconds; 0: no Retry-After
	Challenge  string        // WWW-Authenticate, which a 401 needs (RFC 9110 section 15.5.2); empty: none
	Text       string        // one line for people; cut to [MaxText] bytes
}

// MaxText is how many bytes of an [Answer]'s text are sent. It leaves the whole response below 1 KiB (device-quirks H9).
const MaxText = 512

// SetRetryAfter writes the header, in whole seconds, where there is something to wait for.
func SetRetryAfter(header http.Header, wait time.Duration) {
	if wait > 0 {
		header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
}

// PlainText is the content type of an answer.
const PlainText = "text/plain; charset=utf-8"

// Write answers with a small body and the end of the connection.
func Write(w http.ResponseWriter, status int, contentType, body string) {
	header := w.Header()
	header.Set("Connection", "close")
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the device may have gone; there is nobody left to tell
}
