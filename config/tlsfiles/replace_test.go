package tlsfiles_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/internal/certs"
)

// TestOtherFiles: files that were prepared change nothing, in metrics neither, until they are used; then the store has them and watches them.
func TestOtherFiles(t *testing.T) {
	old, fresh := certs.New(t), certs.New(t)
	before, after := old.Server(t, "bridge.test"), fresh.Server(t, "bridge.test")
	r := newRig(t, files(before))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })

	if _, err := r.PrepareServer(files(certs.Pair{CertFile: before.CertFile, KeyFile: after.KeyFile})); err == nil {
		t.Error("a certificate with another's key is good")
	}
	next, err := r.PrepareServer(files(after))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.shake(device(t, old)); err != nil || next.Config() == r.Config() {
		t.Errorf("prepared, and in use at once: %v", err)
	}
	if r.expires(after.CertFile) {
		t.Error("what is not in use has a series")
	}
	next.Use()
	if _, err := r.shake(device(t, fresh)); err != nil || next.Config() != r.Config() {
		t.Errorf("after Use: %v", err)
	}
	if r.expires(before.CertFile) {
		t.Error("what is not in use any more has a series")
	}
	third := certs.New(t)
	renewed := third.Server(t, "bridge.test")
	for from, to := range map[string]string{renewed.KeyFile: after.KeyFile, renewed.CertFile: after.CertFile} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.shake(device(t, third)); err != nil || next.Config() != r.Config() {
		t.Errorf("after the new files have changed: %v", err)
	}
}

// TestOtherFilesForBrokers: the same for dialling, with authorities.
func TestOtherFilesForBrokers(t *testing.T) {
	one, two := certs.New(t), certs.New(t)
	store, err := tlsfiles.NewClient(tlsfiles.Client{CA: one.File}, tlsfiles.Options{Use: "upstream"})
	if err != nil {
		t.Fatal(err)
	}
	next, err := store.PrepareClient(tlsfiles.Client{CA: two.File, ServerName: "bridge.test"})
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Config().ServerName; got != "bridge.test" || store.Config().ServerName != "" {
		t.Errorf("prepared %q, in use %q", got, store.Config().ServerName)
	}
	next.Use()
	if got := store.Config(); got.ServerName != "bridge.test" || !got.RootCAs.Equal(two.Pool()) {
		t.Errorf("in use are the authorities for %q", got.ServerName)
	}
}

// expires reports whether the metrics say when a file does.
func (r *rig) expires(file string) bool {
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return strings.Contains(f.String(), file) })
}
