package handshake

import (
	"net/http"
	"strings"

	"mqtt-ws-bridge/wsio/refusal"
)

// page is for people who open the bridge's address in a browser.
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>MQTT over WebSocket</title>
<body style="font:16px/1.5 system-ui;max-width:40em;margin:3em auto;padding:0 1em">
<h1>MQTT over WebSocket</h1>
<p>This is mqtt-ws-bridge. Devices open a WebSocket here with the subprotocol <code>mqtt</code>
and reach an MQTT broker through it. There is nothing to see in a browser.</p>
<p>Try it with an MQTT client, such as MQTT.js or MQTTX, and this address with
<code>ws://</code> or <code>wss://</code> in front.</p>
`

// isBrowserNavigation tells a person at a browser from a device whose proxy dropped the Upgrade header: only the person
// asks for HTML.
func isBrowserNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Upgrade") == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func writePage(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	refusal.Write(w, http.StatusOK, "text/html; charset=utf-8", page)
}
