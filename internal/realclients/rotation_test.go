package realclients

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
)

// fetchPause is the least time between two looks at a key set, as docs/access.md states it, and a little more.
const fetchPause = 16 * time.Second

// rotation is a bridge whose tokens have their keys at a URL.
type rotation struct{ *identities }

func (r rotation) proof(key *ecdsa.PrivateKey, kid string) http.Header {
	return bearer(signed(r.t, jwt.SigningMethodES256, key, kid, claims("bearer")))
}

// refused is the answer to a handshake with a token that is to be refused.
func (r rotation) refused(t *testing.T, key *ecdsa.PrivateKey, kid string) *http.Response {
	t.Helper()
	return r.handshake(t, r.bridge.WS+"/mqtt", nil, [][2]string{{"Authorization", r.proof(key, kid).Get("Authorization")}})
}

// TestKeySetRotation: an issuer replaces its key while devices are connected. They stay; a token of the new key is good at once,
// though the set would not be looked at for an hour; one of the old key is good no more; made-up keys cause no further looks; and
// an issuer that is down costs nobody anything who has a good token.
func TestKeySetRotation(t *testing.T) {
	t.Parallel()
	one, two := newECKey(t), newECKey(t)
	r := rotation{startIdentities(t, rotatingKeys, keySet(t, one, "1"))}
	var staying []*websocket.Conn
	for _, version := range []int{mqtt311, mqtt5} {
		ws, connack := r.raw(t, r.proof(one, "1"), version)
		if connack[0] != 0x20 || connack[3] != 0 {
			t.Fatalf("MQTT %d: CONNACK % x", version, connack)
		}
		staying = append(staying, ws)
	}

	r.keys.Store(keySet(t, two, "2"))
	time.Sleep(fetchPause) // of the bridge's own clock: nothing tells when it may ask again
	asked := r.asked.Load()
	if _, connack := r.raw(t, r.proof(two, "2"), mqtt311); !bytes.Equal(connack, []byte{0x20, 2, 0, 0}) {
		t.Errorf("the new key: CONNACK % x", connack)
	}
	if resp := r.refused(t, one, "1"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old key: %s", resp.Status)
	}
	for i := range 20 {
		if resp := r.refused(t, one, fmt.Sprintf("made up %d", i)); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a made-up key: %s", resp.Status)
		}
	}
	if n := r.asked.Load() - asked; n != 1 {
		t.Errorf("the issuer was asked %d times, want once", n)
	}
	r.keys.Store(nil)
	if _, connack := r.raw(t, r.proof(two, "2"), mqtt5); connack[0] != 0x20 || connack[3] != 0 {
		t.Errorf("the key that is known, with the issuer down: CONNACK % x", connack)
	}
	for _, ws := range staying {
		r.answersPing(t, ws)
	}
}

// TestKeySetDown: without any keys nobody can be checked, and nobody gets in.
func TestKeySetDown(t *testing.T) {
	t.Parallel()
	r := rotation{startIdentities(t, rotatingKeys, nil)}
	if resp := r.refused(t, newECKey(t), "1"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
