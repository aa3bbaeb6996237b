package wsio_test

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/listener"
)

// TestAttack33_accept_without_descriptors has the system itself say that there is no descriptor, and takes the connection when there is one again.
func TestAttack33_accept_without_descriptors(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	failures := make(chan error, 1000) // more than there can be
	l := listener.NewGate(listener.GateOptions{Handshakes: 1}).Listener(plain, listener.Options{AcceptFailed: func(err error, _ bool) { failures <- err }})
	defer l.Close()
	device, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0) // while it can be had
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(device)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	restore := func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) }
	t.Cleanup(restore)
	if err := syscall.Connect(device, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: plain.Addr().(*net.TCPAddr).Port}); err != nil {
		t.Fatal(err)
	}
	taken := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			nc.Close()
		}
		taken <- err
	}()
	for range 3 {
		select {
		case err := <-failures:
			if !errors.Is(err, syscall.EMFILE) {
				t.Errorf("Accept failed with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Accept does not fail")
		}
	}
	restore()
	select {
	case err := <-taken:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the connection is not taken")
	}
}
