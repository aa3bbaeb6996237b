// Package loopback gives tests addresses that they can hand to another process.
//
// A port that was free a moment ago may be taken by an outgoing connection of any other test before the process listens on
// it. On Linux all of 127.0.0.0/8 is this machine and outgoing connections start from 127.0.0.1, so an address elsewhere in
// that range stays free. Other systems have 127.0.0.1 only, and there the small risk remains.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
)

// Host is a loopback address of this machine that hardly anything else uses.
func Host() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// Address is host:port where nothing listens at the moment.
func Address(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
