package tlsfiles_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/internal/certs"
)

// TestNamesPickCertificates: by SNI, and the first for other names and for none.
func TestNamesPickCertificates(t *testing.T) {
	ca := certs.New(t)
	first, second := ca.Server(t, "bridge.test"), ca.Server(t, "other.test", "*.wild.test")
	f := files(first)
	f.Certificates = append(f.Certificates, tlsfiles.Certificate{Cert: second.CertFile, Key: second.KeyFile})
	r := newRig(t, f)
	for name, want := range map[string]certs.Pair{
		"bridge.test": first, "other.test": second, "a.wild.test": second, "stranger.test": first, "": first,
	} {
		got := r.shows(&tls.Config{ServerName: name, InsecureSkipVerify: true})
		if got != want.Leaf.SerialNumber.String() {
			t.Errorf("%q gets another certificate", name)
		}
	}
}

// TestAttack46_versions: nothing older than TLS 1.2, or 1.3 where that is configured.
func TestAttack46_versions(t *testing.T) {
	ca := certs.New(t)
	pair := ca.Server(t, "bridge.test")
	for _, c := range []struct {
		least, device uint16
		ok            bool
	}{
		{tls.VersionTLS12, tls.VersionTLS10, false}, {tls.VersionTLS12, tls.VersionTLS11, false}, {tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS13, tls.VersionTLS12, false}, {tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		f := files(pair)
		f.MinVersion = c.least
		client := device(t, ca)
		client.MinVersion, client.MaxVersion = tls.VersionTLS10, c.device
		if _, err := newRig(t, f).shake(client); (err == nil) != c.ok {
			t.Errorf("%s from %s on: %v", tls.VersionName(c.device), tls.VersionName(c.least), err)
		}
	}
}

// TestAttack46_client_certificates: who gets in with which certificate.
func TestAttack46_client_certificates(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	bridge, pump, forged := ca.Server(t, "bridge.test"), ca.Client(t, "pump-7"), other.Client(t, "pump-7")
	for _, c := range []struct {
		name         string
		own          []certs.Pair
		request, req bool
	}{
		{"none", nil, true, false},
		{"good", []certs.Pair{pump}, true, true},
		{"of another authority", []certs.Pair{forged}, false, false},
		{"meant for servers", []certs.Pair{bridge}, false, false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client := device(t, ca, c.own...)
			client.MaxVersion = version
			f := mutual(bridge, ca)
			if _, err := newRig(t, f).shake(client); (err == nil) != c.req {
				t.Errorf("%s, required: %v", c.name, err)
			}
			f.ClientAuth = tls.VerifyClientCertIfGiven
			if _, err := newRig(t, f).shake(client); (err == nil) != c.request {
				t.Errorf("%s, requested: %v", c.name, err)
			}
		}
	}
}

// TestAttack46_revoked: a revoked certificate does not get in, whether shown or remembered in a session.
func TestAttack46_revoked(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	bridge, good, bad := ca.Server(t, "bridge.test"), ca.Client(t, "good"), ca.Client(t, "bad")
	f := mutual(bridge, ca)
	f.CRL = ca.CRL(t, time.Now().Add(time.Hour))
	r := newRig(t, f)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ca.CRL(t, time.Now().Add(time.Hour))
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		remembered := device(t, ca, bad)
		remembered.MaxVersion, remembered.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		for _, resumed := range []bool{false, true} {
			state, err := r.shake(remembered)
			if err != nil || state.DidResume != resumed {
				t.Fatalf("resumed %t: %v, %t", resumed, err, state.DidResume)
			}
		}
		ca.CRL(t, time.Now().Add(time.Hour), bad)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.shake(remembered); err == nil {
			t.Error("a revoked certificate is taken from a session")
		}
		if _, err := r.shake(device(t, ca, bad)); err == nil {
			t.Error("a revoked certificate is taken")
		}
		if _, err := r.shake(device(t, ca, good)); err != nil {
			t.Error(err)
		}
	}
	ca.CRL(t, time.Now().Add(-time.Hour), bad)
	if err := r.Reload(); err != nil || !strings.Contains(r.log.String(), "ca.crl expired on") {
		t.Errorf("%v; a list out of date is not noted in\n%s", err, r.log)
	}
	if _, err := r.shake(device(t, ca, bad)); err == nil {
		t.Error("a list out of date is not in force")
	}
	both := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(both, append(content(t, ca.File), content(t, other.File)...), 0o600); err != nil {
		t.Fatal(err)
	}
	f.ClientCA = both
	if _, err := newRig(t, f).shake(device(t, ca, other.Client(t, "unlisted"))); err == nil {
		t.Error("a certificate is taken whose issuer has no list")
	}
	f.ClientCA, f.CRL = ca.File, other.CRL(t, time.Now().Add(time.Hour))
	if _, err := tlsfiles.NewServer(f, tlsfiles.Options{}); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("a stranger's list: %v", err)
	}
}

// TestRevoked: what a device once showed is held against the lists of now, and a list that is not there accuses nobody.
func TestRevoked(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	bridge, good, bad, theirs := ca.Server(t, "bridge.test"), ca.Client(t, "good"), ca.Client(t, "bad"), other.Client(t, "theirs")
	f := mutual(bridge, ca)
	f.CRL = ca.CRL(t, time.Now().Add(time.Hour))
	changes := 0
	store, err := tlsfiles.NewServer(f, tlsfiles.Options{Log: slog.New(slog.DiscardHandler), Changed: func() { changes++ }})
	if err != nil {
		t.Fatal(err)
	}
	chain := func(of *certs.Authority, pair certs.Pair) []*x509.Certificate {
		chains, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: of.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil {
			t.Fatal(err)
		}
		return chains[0]
	}
	cases := map[string]struct {
		chains [][]*x509.Certificate
		want   bool
	}{
		"no certificate": {nil, false}, "good": {[][]*x509.Certificate{chain(ca, good)}, false}, "bad": {[][]*x509.Certificate{chain(ca, bad)}, true},
		"no list":           {[][]*x509.Certificate{chain(other, theirs)}, false},
		"another way":       {[][]*x509.Certificate{chain(ca, bad), chain(other, theirs)}, false},
		"another way first": {[][]*x509.Certificate{chain(other, theirs), chain(ca, bad)}, false},
	}
	for _, revoked := range []bool{false, true} {
		for name, c := range cases {
			if err := store.Revoked(&tls.ConnectionState{VerifiedChains: c.chains}); (err != nil) != (c.want && revoked) {
				t.Errorf("%s, with lists that name the bad one: %t: %v", name, revoked, err)
			}
		}
		ca.CRL(t, time.Now().Add(time.Hour), bad)
		for range 2 {
			if err := store.Reload(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if changes != 2 {
		t.Errorf("%d changes, want 2", changes)
	}
	replace(t, f.CRL, nil)
	if store.Reload() == nil || changes != 2 || store.Revoked(&tls.ConnectionState{VerifiedChains: cases["bad"].chains}) == nil {
		t.Error("a broken list counts")
	}
}

// TestAttack46_tickets: a session outlives a new certificate, but not a change of the authorities.
func TestAttack46_tickets(t *testing.T) {
	ca, next := certs.New(t), certs.New(t)
	bridge, pump := ca.Server(t, "bridge.test"), ca.Client(t, "pump-7")
	both := append(content(t, ca.File), content(t, next.File)...)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		authorities := filepath.Join(t.TempDir(), "ca.pem")
		replace(t, authorities, content(t, ca.File))
		f := mutual(bridge, ca)
		f.ClientCA = authorities
		r := newRig(t, f)
		client := device(t, ca, pump)
		client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
		resumes := func(want bool) {
			t.Helper()
			if state, err := r.shake(client); err != nil || state.DidResume != want {
				t.Errorf("resumed is %t, %v, want %t", state.DidResume, err, want)
			}
		}
		resumes(false)
		resumes(true)
		renew(t, bridge, ca.Server(t, "bridge.test"))
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		resumes(true)
		replace(t, authorities, both)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		resumes(false)
		resumes(true)
		replace(t, authorities, content(t, next.File))
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, err := r.shake(client); err == nil {
			t.Error("a session of an authority that is gone is taken up again")
		}
	}
}

// TestStaples: an OCSP answer is stapled while it is good and there, and nothing else is.
func TestStaples(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	pair, client := ca.Server(t, "bridge.test"), device(t, ca)
	ca.Chain(t, pair)
	f := files(pair)
	f.Certificates[0].OCSP = filepath.Join(t.TempDir(), "bridge.ocsp")
	r := newRig(t, f)
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		answer []byte
		ok     bool
	}{
		{"missing", nil, false},
		{"good", ca.OCSP(t, pair, later, true), true},
		{"out of date", ca.OCSP(t, pair, time.Now().Add(-time.Hour), true), false},
		{"for another", ca.OCSP(t, ca.Server(t, "bridge.test"), later, true), false},
		{"of another authority", other.OCSP(t, pair, later, true), false},
		{"revoked", ca.OCSP(t, pair, later, false), false},
		{"garbage", []byte("garbage"), false},
		{"good again", ca.OCSP(t, pair, later, true), true},
	} {
		if c.answer != nil {
			replace(t, f.Certificates[0].OCSP, c.answer)
		}
		if err := r.Reload(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		state, err := r.shake(client)
		if err != nil || (len(state.OCSPResponse) > 0) != c.ok {
			t.Errorf("%s: %d bytes are stapled, %v", c.name, len(state.OCSPResponse), err)
		}
	}
}
