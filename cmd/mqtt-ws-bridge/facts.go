package main

import (
	"log/slog"
	"net/http"
	"strings"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/wsio/refusal"
)

// facts are what the log tells of a request that was refused, beside the cause: what it asked for instead. None is a header or a
// query that may hold a secret.
func facts(r *http.Request, cause refusal.Cause, paths []string) []slog.Attr {
	header := func(key, name string) slog.Attr { return slog.String(key, strings.Join(r.Header.Values(name), ", ")) }
	switch cause {
	case refusal.CausePath:
		return []slog.Attr{slog.String(bridge.KeyPath, loggedPath(r.URL.EscapedPath(), paths))}
	case refusal.CauseMethod:
		return []slog.Attr{slog.String(bridge.KeyMethod, r.Method)}
	case refusal.CauseHTTPVersion:
		return []slog.Attr{slog.String(bridge.KeyVersion, r.Proto)}
	case refusal.CauseNotWebSocket:
		return []slog.Attr{header(bridge.KeyUpgrade, "Upgrade"), header(bridge.KeyConnection, "Connection")}
	case refusal.CauseWebSocketVersion:
		return []slog.Attr{header(bridge.KeyVersion, "Sec-Websocket-Version")}
	case refusal.CauseRequestBody:
		return []slog.Attr{slog.Int64(bridge.KeyLength, r.ContentLength)}
	case refusal.CauseOrigin:
		return []slog.Attr{header(bridge.KeyOrigin, "Origin")}
	case refusal.CauseSubprotocol:
		return []slog.Attr{slog.String(bridge.KeySubprotocol, offered(r))}
	}
	return nil
}

// loggedPath is the path that a device asked for. What it has below a known path, and any long part, may be a token.
func loggedPath(path string, known []string) string {
	for _, k := range known {
		k = strings.TrimSuffix(k, "/*")
		if below, ok := strings.CutPrefix(path, k+"/"); ok && k != "/" && below != "" {
			return k + "/***"
		}
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		if len(parts[i]) > longestName {
			parts[i] = "***"
		}
	}
	return strings.Join(parts, "/")
}

// offered is the list of subprotocols that a device offers, without those that hold a token (access.sources, in: subprotocol): a
// name is a word, and a token is long or has dots.
func offered(r *http.Request) string {
	var names []string
	for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if len(name) > longestName {
				name = "***"
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// longestName is how long a subprotocol or a part of a path may be to be logged. Those of MQTT have 8 bytes; the shortest token that is
// safe against guessing has 22.
const longestName = 20
