package upstream_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
)

// exhaust leaves no file descriptor to this process until the test ends.
func exhaust(t *testing.T) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 0, Max: was.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) })
}

// TestOutOfDescriptors: a dial that fails for want of descriptors here says nothing about the broker.
func TestOutOfDescriptors(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) { _, _ = nc.Read(make([]byte, 1)) })
	p := newPool(t, new(lines), nil, parse(t, "tcp://"+l.Addr().String()))
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	exhaust(t)
	if _, err := p.Dial(context.Background(), bridge.DeviceInfo{}); !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("error is %v", err)
	}
	if !p.Ready() {
		t.Error("the broker is blamed for it")
	}
}

// TestOutOfDescriptorsForAName: the resolver wants descriptors too, and what it says then is no word on the broker either.
func TestOutOfDescriptorsForAName(t *testing.T) {
	was := net.DefaultResolver.PreferGo
	net.DefaultResolver.PreferGo = true // as in the program that is shipped
	t.Cleanup(func() { net.DefaultResolver.PreferGo = was })
	p := newPool(t, new(lines), nil, parse(t, "tcp://broker.invalid:1883"))
	exhaust(t)
	_, err := p.Dial(context.Background(), bridge.DeviceInfo{})
	if bridge.Shortage(err) != reason.DescriptorsFull {
		t.Errorf("error is %v", err)
	}
}
