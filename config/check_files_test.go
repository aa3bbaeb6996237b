package config

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/internal/certs"
)

// TestDeviceTLS: the simple pair comes first, the list follows, and files that do not fit are named with their line.
func TestDeviceTLS(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	first, second := ca.Server(t, "a.test"), ca.Server(t, "b.test")
	const file = "listen: [wss://:0]\ntls:\n  cert: %s\n  key: %s\n  certificates: [{cert: %s, key: %s, ocsp: /absent}]\n" +
		"  client-auth: request\n  client-ca: %s\n  crl: %s\n"
	list := ca.CRL(t, time.Now().Add(time.Hour))
	cfg, _ := mustLoad(t, fmt.Sprintf(file, first.CertFile, first.KeyFile, second.CertFile, second.KeyFile, ca.File, list), nil)
	want := tlsfiles.Server{
		Certificates: []tlsfiles.Certificate{
			{Cert: first.CertFile, Key: first.KeyFile}, {Cert: second.CertFile, Key: second.KeyFile, OCSP: "/absent"},
		},
		ClientCA: ca.File, CRL: list, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12,
	}
	if got := cfg.DeviceTLS(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_, _, err := load(t, fmt.Sprintf(file, first.CertFile, first.KeyFile, second.CertFile, first.KeyFile, other.File, list), nil)
	for _, part := range []string{":5: tls.certificates: ", "private key does not match", ":8: tls.crl: ", "is not signed by any of the authorities"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in\n%v", part, err)
		}
	}
}

// TestRecordSize: a limit on TLS records needs a listener with TLS, and a chain above it is noted.
func TestRecordSize(t *testing.T) {
	pair := certs.New(t).Server(t, "a.test")
	const file = "listen: [%s]\ntls: {cert: %s, key: %s, record-size: 512B}\n"
	cfg, _ := mustLoad(t, fmt.Sprintf(file, "wss://:0", pair.CertFile, pair.KeyFile), nil)
	cfg.TLS.RecordSize = 100
	if notes := cfg.DeviceTLS().Expiring(); len(notes) != 1 || !strings.Contains(notes[0], "more than tls.record-size") {
		t.Errorf("a chain above 100 bytes: %q", notes)
	}
	cfg.TLS.RecordSize = 16 * KiB
	if notes := cfg.DeviceTLS().Expiring(); len(notes) != 0 {
		t.Errorf("a chain below 16 KiB: %q", notes)
	}
	_, _, err := load(t, "listen: [ws://:0]\ntls: {record-size: 512B}\n", nil)
	if err == nil || !strings.Contains(err.Error(), "tls.record-size: no listen address uses TLS") {
		t.Errorf("without a listener with TLS: %v", err)
	}
}
