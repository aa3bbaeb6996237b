package handshake

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// Options are what a [Handler] needs to know. The zero value of a field has the meaning given with it.
type Options struct {
	// Paths on which a WebSocket may be opened, compared letter by letter. One that ends in /* stands for all that begin with what is
	// before the star. Empty: /mqtt and /.
	Paths []string
	// HealthPath is where load balancers look, with GET or HEAD and no Upgrade. Empty: nowhere.
	HealthPath string
	// Health is the answer there: status 200, or 5xx. Must not be nil if there is a HealthPath.
	Health func() refusal.Answer
	// Origins that a browser may come from, as scheme://host[:port] or "null", compared as a whole. A request without
	// Origin is a device and passes, as does the bare "file://" that arduinoWebSockets sends (device-quirks H11) and no
	// page from the network can. Empty: not checked.
	Origins []string
	// SubprotocolOptional lets devices in that offer no subprotocol at all, against [MQTT-6.0.0-3].
	SubprotocolOptional bool
	// ExtraSubprotocols are odd names to accept beside those of MQTT, such as "arduino".
	ExtraSubprotocols []string
	// MaxFrame is the largest payload of a frame to the device, in bytes. 0: 64 KiB.
	MaxFrame int
	// ControlRate is how many frames a device may send in a second that bring nothing of its stream: pings, pongs and empty
	// ones. Ten seconds' worth may come at once. 0: any.
	ControlRate int
	// AddressHeader names the device where TrustedProxies stand in front. What the options below are given as RemoteAddr of a
	// request, and of a [frame.Conn], is the device's address, found once: from a PROXY header (see [listener.Options]), then from
	// this header.
	AddressHeader AddressHeader
	// TrustedProxies are the machines whose word in that header counts.
	TrustedProxies listener.Peers
	// Admit is asked before the upgrade whether a session would be taken now, and says why if not: nil means that it would. A nil function: always.
	Admit func(*http.Request) refusal.Refusal
	// Answer says how a refusal is told to the device. Nil: status 400 and the refusal.
	Answer func(why refusal.Refusal) refusal.Answer
	// Refused hears of every refusal, and of devices that left before the answer. Nil: nobody does.
	Refused func(r *http.Request, why refusal.Refusal)
	// Tell is given the WebSocket of a page that Admit refused, to tell it why until the deadline: a page sees nothing of an HTTP answer but
	// code 1006. The connection keeps its slot at the gate, and is closed afterwards. Nil: pages get the HTTP answer as well.
	Tell func(c *frame.Conn, why refusal.Refusal, deadline time.Time)
	// Accepted is given every device that was let in and owns the connection from then on. It must return soon: the
	// goroutine and the buffers of the HTTP server are free only then.
	Accepted func(*frame.Conn, *http.Request)
}

const (
	defaultMaxFrame = 64 << 10
	arduinoOrigin   = "file://"
)

// Handler answers the requests of devices. It is safe for concurrent use.
type Handler struct {
	opts Options
}

// NewHandler returns a handler with these options.
func NewHandler(opts Options) *Handler {
	if len(opts.Paths) == 0 {
		opts.Paths = []string{"/mqtt", "/"}
	}
	if opts.MaxFrame <= 0 {
		opts.MaxFrame = defaultMaxFrame
	}
	return &Handler{opts: opts}
}

// ServeHTTP upgrades a good handshake and refuses everything else with less than 1 KiB (device-quirks H9): ESP32 firmware
// reads any response into 1024 bytes. It never redirects (H10).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	device := h.deviceAddr(r)
	if device != nil {
		copied := *r
		r = &copied
		r.RemoteAddr = device.String()
		if c := listener.Of(r); c != nil {
			c.CountFor(device)
		}
	}
	if h.isHealthCheck(r) {
		h.answerHealth(w)
		return
	}
	if isBrowserNavigation(r) && h.knownPath(r) {
		writePage(w)
		return
	}
	if cause := h.check(r); cause != "" {
		h.refuse(w, r, cause)
		return
	}
	subprotocol, offered := selectSubprotocol(r.Header, h.opts.ExtraSubprotocols)
	if subprotocol == "" && (offered || !h.opts.SubprotocolOptional) {
		h.refuse(w, r, refusal.CauseSubprotocol)
		return
	}
	if h.opts.Admit != nil {
		if why := h.opts.Admit(r); why != nil && h.isPage(r) {
			h.tell(w, r, device, subprotocol, why)
			return
		} else if why != nil {
			h.refuse(w, r, why)
			return
		}
	}
	if conn := h.upgraded(w, r, device, subprotocol, false); conn != nil {
		h.opts.Accepted(conn, r)
	}
}

// upgraded opens the WebSocket of a device, or reports why that could not be done.
func (h *Handler) upgraded(w http.ResponseWriter, r *http.Request, device net.Addr, subprotocol string, keep bool) *frame.Conn {
	conn, err := upgrade(w, r, device, subprotocol, keep, &h.opts)
	switch {
	case errors.Is(err, errNotTaken):
		h.report(r, refusal.CauseInternal)
		refusal.Write(w, http.StatusInternalServerError, refusal.PlainText, "no WebSocket can be opened here\n")
	case err != nil:
		h.report(r, refusal.CauseDeviceLost)
	}
	return conn
}

// isPage reports whether a request comes from a page that can be told more over a WebSocket than by an HTTP answer.
func (h *Handler) isPage(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return h.opts.Tell != nil && origin != "" && origin != arduinoOrigin && listener.Of(r) != nil
}

const tellTime = 5 * time.Second // for a page that was refused, within the time for its handshake

// tell refuses a page over its WebSocket.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, device net.Addr, subprotocol string, why refusal.Refusal) {
	h.report(r, why)
	pending := listener.Of(r)
	defer pending.Leave()
	deadline := time.Now().Add(tellTime)
	if end := pending.Deadline(); !end.IsZero() && end.Before(deadline) {
		deadline = end
	}
	conn := h.upgraded(w, r, device, subprotocol, true)
	if conn == nil {
		return
	}
	_ = conn.SetDeadline(deadline)
	h.opts.Tell(conn, why, deadline)
	_ = conn.Close()
}

func (h *Handler) report(r *http.Request, why refusal.Refusal) {
	if h.opts.Refused != nil {
		h.opts.Refused(r, why)
	}
}

// check holds the request against RFC 6455 section 4.2.1, strictest where others were attacked.
func (h *Handler) check(r *http.Request) refusal.Cause {
	switch {
	case r.ProtoMajor != 1: // net/http passes on the preface of HTTP/2
		return refusal.CauseHTTPVersion
	case !h.knownPath(r):
		return refusal.CausePath
	case r.Method != http.MethodGet:
		return refusal.CauseMethod
	case r.ProtoMinor != 1:
		return refusal.CauseHTTPVersion
	case !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket"):
		return refusal.CauseNotWebSocket
	case !slices.Equal(r.Header.Values("Sec-Websocket-Version"), []string{"13"}):
		return refusal.CauseWebSocketVersion
	case !validKey(r.Header.Values("Sec-Websocket-Key")):
		return refusal.CauseWebSocketKey
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return refusal.CauseRequestBody
	case !h.originAllowed(r.Header.Values("Origin")):
		return refusal.CauseOrigin
	}
	return ""
}

func (h *Handler) originAllowed(origins []string) bool {
	if len(h.opts.Origins) == 0 || len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	return origins[0] == arduinoOrigin || slices.ContainsFunc(h.opts.Origins, func(allowed string) bool {
		return equalASCII(allowed, origins[0])
	})
}

// validKey checks for exactly one key that is the base64 of 16 bytes (RFC 6455 section 4.2.1).
func validKey(keys []string) bool {
	if len(keys) != 1 || len(keys[0]) != 24 {
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(keys[0]))
	return err == nil && n == 16
}

// hasToken looks for a token in a comma-separated header, whatever its case.
func hasToken(h http.Header, key, token string) bool {
	for _, line := range h.Values(key) {
		for part := range strings.SplitSeq(line, ",") {
			if equalASCII(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, why refusal.Refusal) {
	answer := refusal.Answer{Status: http.StatusBadRequest, Text: fmt.Sprint(why)}
	if h.opts.Answer != nil {
		answer = h.opts.Answer(why)
	}
	h.report(r, why)
	if answer.Status < 400 || answer.Status > 599 {
		answer.Status = http.StatusInternalServerError // a device could take a 3xx for success (device-quirks H10)
	}
	if len(answer.Text) > refusal.MaxText {
		answer.Text = answer.Text[:refusal.MaxText]
	}
	header := w.Header()
	switch why {
	case refusal.CauseWebSocketVersion:
		header.Set("Sec-Websocket-Version", "13") // RFC 6455 section 4.4
	case refusal.CauseMethod:
		header.Set("Allow", http.MethodGet)
	}
	if answer.Status == http.StatusUpgradeRequired && !behindProxy(r) {
		header.Set("Upgrade", "websocket") // RFC 9110 section 15.5.22; net/http adds Connection: close
	}
	if answer.Challenge != "" {
		header.Set("WWW-Authenticate", answer.Challenge)
	}
	refusal.SetRetryAfter(header, answer.RetryAfter)
	refusal.Write(w, answer.Status, refusal.PlainText, answer.Text+"\n")
}

// behindProxy reports whether a request may have come through a proxy. The Upgrade header of a response is for the next machine alone,
// and where that is nginx it passes it on, also over HTTP/2, which forbids it: clients then see a broken stream instead of the answer.
func behindProxy(r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || hasToken(r.Header, "Connection", "close") { // as nginx speaks unless told otherwise
		return true
	}
	if hasToken(r.Header, "Connection", "upgrade") && r.Header.Get("Upgrade") == "" { // as it speaks when told what devices need
		return true
	}
	for _, name := range [...]string{"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}
