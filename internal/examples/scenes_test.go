package examples

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

func basic(password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("dev-1:"+password))}}
}

// known connects the device, and sees that the broker is told the name that the bridge found out.
func (s *site) known(t *testing.T, d device) {
	t.Helper()
	const name = "u'dev-1'"
	before := s.broker.Log.Count("New client connected", name)
	s.online(t, d)
	s.broker.Log.WaitFor(t, 20*time.Second, before+1, "New client connected", name)
}

// scenes are all the examples. provider is the identity provider, and the service that is called back; silent is a broker's address
// at which nobody answers.
func scenes(provider, silent string) map[string]scene {
	return map[string]scene{
		"edge-gateway.yaml": {try: func(t *testing.T, s *site) {
			s.online(t, device{})
			s.online(t, device{id: "old", optional: true})
		}},
		"failover.yaml": {secure: true, first: []string{silent}, try: func(t *testing.T, s *site) { s.online(t, device{}) }},
		"htpasswd.yaml": {listens: "wss", try: func(t *testing.T, s *site) {
			s.known(t, device{tls: s.files.tls(t), header: basic(password)})
			s.refused(t, device{tls: s.files.tls(t), header: basic("wrong")}, http.StatusUnauthorized)
		}},
		"http-callback.yaml": {replace: map[string]string{"http://127.0.0.1:9000": provider}, try: func(t *testing.T, s *site) {
			s.known(t, device{header: basic(password)})
			s.refused(t, device{header: basic("wrong")}, http.StatusUnauthorized)
		}},
		"http-proxy.yaml": {try: func(t *testing.T, s *site) {
			s.online(t, device{header: http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Origin": {"https://app.example.com"}}})
			s.refused(t, device{header: http.Header{"Origin": {"https://elsewhere.example.com"}}}, http.StatusForbidden)
		}},
		"jwt-jwks.yaml": {listens: "wss", replace: map[string]string{"https://id.example.com/keys": provider + "/keys"},
			try: func(t *testing.T, s *site) {
				token := s.files.token(t, "https://id.example.com")
				s.known(t, device{tls: s.files.tls(t), header: http.Header{"Authorization": {"Bearer " + token}}})
				s.known(t, device{tls: s.files.tls(t), offer: "bearer." + token})
				other := s.files.token(t, "https://other.example.com")
				s.refused(t, device{tls: s.files.tls(t), offer: "bearer." + other}, http.StatusUnauthorized)
			}},
		"load-balancer.yaml": {listens: "wss", secure: true, replace: map[string]string{"10.0.0.0/24": "127.0.0.0/8"},
			try: func(t *testing.T, s *site) {
				s.online(t, device{tls: s.files.tls(t), prelude: "PROXY TCP4 203.0.113.7 192.0.2.1 4711 8443\r\n"})
				s.refused(t, device{tls: s.files.tls(t)}, 0)
			}},
		"mtls.yaml": {listens: "wss", try: func(t *testing.T, s *site) {
			s.known(t, device{tls: s.files.tls(t, s.files.good)})
			s.refused(t, device{tls: s.files.tls(t, s.files.stolen)}, 0)
			s.refused(t, device{tls: s.files.tls(t)}, 0)
		}},
		"mount-points.yaml": {try: func(t *testing.T, s *site) {
			ws := s.online(t, device{header: basic(password)})
			send(t, ws, "\x82\x06\x00\x01\x00\x01a\x00")
			if got := receive(t, ws); got != "\x90\x03\x00\x01\x00" {
				t.Errorf("SUBACK is % x", got)
			}
			s.broker.Log.WaitFor(t, 20*time.Second, 1, "users/dev-1/a")
			send(t, ws, "\x30\x04\x00\x01a!")
			if got := receive(t, ws); got != "\x30\x04\x00\x01a!" {
				t.Errorf("PUBLISH is % x", got)
			}
		}},
		"quotas.yaml": {try: func(t *testing.T, s *site) {
			ws := s.online(t, device{})
			send(t, ws, "\x82\x21\x00\x01\x00\x14////////////////////\x00\x00\x05other\x01")
			if got := receive(t, ws); got != "\x90\x04\x00\x01\x80\x01" {
				t.Errorf("SUBACK is % x", got)
			}
		}},
		"topic-rules.yaml": {try: func(t *testing.T, s *site) {
			ws := s.online(t, device{header: basic(password)})
			send(t, ws, "\x82\x21\x00\x01\x00\x14devices/dev-1/down/#\x01\x00\x05other\x00")
			if got := receive(t, ws); got != "\x90\x04\x00\x01\x01\x80" {
				t.Errorf("SUBACK is % x", got)
			}
		}},
	}
}
