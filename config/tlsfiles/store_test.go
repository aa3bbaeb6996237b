package tlsfiles_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/internal/certs"
)

// breaks are what can be wrong with files, beginning with good ones.
var breaks = map[string]func(t *testing.T, f tlsfiles.Server){
	"certificate is gone": func(_ *testing.T, f tlsfiles.Server) { _ = os.Remove(f.Certificates[0].Cert) },
	"key is empty":        func(t *testing.T, f tlsfiles.Server) { replace(t, f.Certificates[0].Key, nil) },
	"key of another": func(t *testing.T, f tlsfiles.Server) {
		replace(t, f.Certificates[0].Key, content(t, certs.New(t).Client(t, "x").KeyFile))
	},
	"certificate is half":     func(t *testing.T, f tlsfiles.Server) { half(t, f.Certificates[0].Cert) },
	"certificate is a folder": func(t *testing.T, f tlsfiles.Server) { folder(t, f.Certificates[0].Cert) },
	"authorities are empty":   func(t *testing.T, f tlsfiles.Server) { replace(t, f.ClientCA, nil) },
	"authorities are gone":    func(_ *testing.T, f tlsfiles.Server) { _ = os.Remove(f.ClientCA) },
	"authorities are half":    func(t *testing.T, f tlsfiles.Server) { half(t, f.ClientCA) },
	"authority is no such": func(t *testing.T, f tlsfiles.Server) {
		replace(t, f.ClientCA, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	},
	"revocation list is empty": func(t *testing.T, f tlsfiles.Server) { replace(t, f.CRL, nil) },
	"revocation list is gone":  func(_ *testing.T, f tlsfiles.Server) { _ = os.Remove(f.CRL) },
	"list of another":          func(t *testing.T, f tlsfiles.Server) { replace(t, f.CRL, content(t, certs.New(t).CRL(t, time.Now()))) },
	"file without end":         func(t *testing.T, f tlsfiles.Server) { replace(t, f.CRL, make([]byte, 17<<20)) },
}

func half(t *testing.T, file string) {
	data := content(t, file)
	replace(t, file, data[:len(data)/2])
}

func folder(t *testing.T, file string) {
	_ = os.Remove(file)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
}

// TestAttack53_broken_files: a start with broken files is refused, and a reload changes nothing, least of all who gets in.
func TestAttack53_broken_files(t *testing.T) {
	for name, spoil := range breaks {
		t.Run(name, func(t *testing.T) {
			ca := certs.New(t)
			bridge, good, bad := ca.Server(t, "bridge.test"), ca.Client(t, "good"), ca.Client(t, "bad")
			f := mutual(bridge, ca)
			f.CRL = ca.CRL(t, time.Now().Add(time.Hour), bad)
			trusting, before := device(t, ca, good), bridge.Leaf.SerialNumber.String()
			refused, without := device(t, ca, bad), device(t, ca)
			r := newRig(t, f)
			spoil(t, f)
			if err := r.Reload(); err == nil {
				t.Fatal("nothing is wrong")
			}
			if got := r.shows(trusting); got != before {
				t.Error("another certificate is shown")
			}
			for _, client := range []*tls.Config{refused, without} {
				if _, err := r.shake(client); err == nil {
					t.Error("one gets in who must not")
				}
			}
			if n := r.counted("tls_reloads_total", "failed", "devices"); n != 1 || strings.Count(r.log.String(), "level=WARN") != 1 {
				t.Errorf("%v reloads are counted, logged is\n%s", n, r.log)
			}
			if _, err := tlsfiles.NewServer(f, tlsfiles.Options{}); err == nil {
				t.Error("a start with them is possible")
			}
		})
	}
}

// TestReload: good files are used from the next handshake on, also after broken ones, and the metrics say until when.
func TestReload(t *testing.T) {
	ca := certs.New(t)
	bridge, next := ca.Server(t, "bridge.test"), ca.Server(t, "bridge.test")
	r := newRig(t, files(bridge))
	if got, want := r.counted("certificate_expiry_timestamp_seconds", bridge.CertFile, "devices"), bridge.Leaf.NotAfter.Unix(); got != float64(want) {
		t.Errorf("expiry is %v, want %v", got, want)
	}
	if err := r.Reload(); err != nil || r.counted("tls_reloads_total", "ok", "devices") != 0 {
		t.Errorf("nothing changed: %v", err)
	}
	replace(t, bridge.CertFile, content(t, next.CertFile))
	if r.Reload() == nil {
		t.Error("a certificate without its key is used")
	}
	replace(t, bridge.KeyFile, content(t, next.KeyFile))
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := r.shows(device(t, ca)); got != next.Leaf.SerialNumber.String() {
		t.Error("the old certificate is shown")
	}
	if ok, failed := r.counted("tls_reloads_total", "ok", "devices"), r.counted("tls_reloads_total", "failed", "devices"); ok != 1 || failed != 1 {
		t.Errorf("counted are %v and %v", ok, failed)
	}
}

// TestRunSeesChanges, those of symbolic links included, as in a volume of Kubernetes.
func TestRunSeesChanges(t *testing.T) {
	ca := certs.New(t)
	for name, linked := range map[string]bool{"files": false, "links": true} {
		t.Run(name, func(t *testing.T) {
			bridge, next := ca.Server(t, "bridge.test"), ca.Server(t, "bridge.test")
			change := func() { renew(t, bridge, next) }
			f := files(bridge)
			if linked {
				f, change = volume(t, bridge, next)
			}
			r := newRig(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { r.Run(ctx) })
			defer running.Wait()
			defer cancel()
			client, want := device(t, ca), next.Leaf.SerialNumber.String()
			change()
			for deadline := time.Now().Add(patience); r.shows(client) != want; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the change is not seen")
				}
			}
		})
	}
}

// volume lays files out as Kubernetes does, where one rename changes all of them.
func volume(t *testing.T, old, next certs.Pair) (tlsfiles.Server, func()) {
	dir := t.TempDir()
	for name, pair := range map[string]certs.Pair{"..1": old, "..2": next} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(dir, name, "tls.crt"), content(t, pair.CertFile))
		replace(t, filepath.Join(dir, name, "tls.key"), content(t, pair.KeyFile))
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	link("..1", "..data")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	return files(certs.Pair{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}), func() {
		link("..2", "..new")
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
}
