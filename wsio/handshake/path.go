package handshake

import (
	"net/http"
	"strings"

	"mqtt-ws-bridge/wsio/refusal"
)

// knownPath compares the path as it came: one written with needless escapes is another path.
func (h *Handler) knownPath(r *http.Request) bool {
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.RawPath
	}
	for _, known := range h.opts.Paths {
		if base, ok := strings.CutSuffix(known, "*"); ok && strings.HasSuffix(base, "/") {
			if strings.HasPrefix(path, base) && isPlain(r.URL.Path) {
				return true
			}
		} else if path == known {
			return true
		}
	}
	return false
}

// isPlain reports whether a path means what it says: no part is empty but the last, and none leads elsewhere.
func isPlain(path string) bool {
	rest := strings.TrimPrefix(path, "/")
	for rest != "" {
		var part string
		if part, rest, _ = strings.Cut(rest, "/"); part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// isHealthCheck tells a load balancer that looks whether devices would be taken from a device.
func (h *Handler) isHealthCheck(r *http.Request) bool {
	return h.opts.HealthPath != "" && r.URL.Path == h.opts.HealthPath && r.URL.RawPath == "" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Upgrade") == ""
}

func (h *Handler) answerHealth(w http.ResponseWriter) {
	a := h.opts.Health()
	w.Header().Set("Cache-Control", "no-store")
	refusal.SetRetryAfter(w.Header(), a.RetryAfter)
	refusal.Write(w, a.Status, refusal.PlainText, a.Text+"\n")
}
