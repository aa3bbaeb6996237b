package tlsfiles_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/certs"
)

// TestAttack33_no_descriptors: a reload while no file can be opened keeps everything as it was, and the next one works.
func TestAttack33_no_descriptors(t *testing.T) {
	ca := certs.New(t)
	bridge, good, bad := ca.Server(t, "bridge.test"), ca.Client(t, "good"), ca.Client(t, "bad")
	f := mutual(bridge, ca)
	f.CRL = ca.CRL(t, time.Now().Add(time.Hour))
	trusting, revoked, without := device(t, ca, good), device(t, ca, bad), device(t, ca)
	r := newRig(t, f)
	ca.CRL(t, time.Now().Add(time.Hour), bad)
	release := exhaust(t)
	err := r.Reload()
	_, errGood := r.shake(trusting)
	_, errNone := r.shake(without)
	release()
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("reload: %v", err)
	}
	if errGood != nil || errNone == nil {
		t.Errorf("with a certificate: %v, without: %v", errGood, errNone)
	}
	if err := r.Reload(); err != nil {
		t.Error(err)
	}
	if _, err := r.shake(revoked); err == nil {
		t.Error("what was revoked meanwhile is not in force")
	}
}

// exhaust opens files until no more can be.
func exhaust(t *testing.T) (release func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := old
	few.Cur = 100
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var open []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		open = append(open, f)
	}
	return func() {
		for _, f := range open {
			f.Close()
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}
}
