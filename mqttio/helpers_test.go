package mqttio_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

var (
	versions   = []mqttio.Version{mqttio.V31, mqttio.V311, mqttio.V5}
	directions = []mqttio.Direction{mqttio.Up, mqttio.Down}
)

// b makes bytes of a readable notation: hex digits, and strings in single quotes; spaces are for the eye.
func b(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("bad bytes %q: %v", s, err)
		}
		out = append(out, raw...)
	}
	return out
}

// check does what a reader of a stream does with a whole packet.
func check(pkt []byte, v mqttio.Version, d mqttio.Direction) error {
	h, err := mqttio.ParseHeader(pkt)
	if err != nil {
		return err
	}
	return mqttio.Check(h, pkt, v, d)
}

// statement returns where the specification of version v has the rule that err names, "" for no error.
func statement(err error, v mqttio.Version) string {
	if err == nil {
		return ""
	}
	var e *mqttio.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if v != mqttio.V5 && e.Statement311 != "" {
		return e.Statement311
	}
	return e.Statement
}
