//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mqtt-ws-bridge/config"
)

// TestSocketMode: the file of a socket has the mode and the group that are configured, whatever the umask.
func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0o077) // as in the shipped unit
	defer syscall.Umask(old)
	group := strconv.Itoa(os.Getgid())
	for query, want := range map[string]os.FileMode{
		"": 0o700, "?mode=0666": 0o666, "?mode=0600": 0o600, "?group=" + group: 0o660, "?mode=0640&group=" + group: 0o640,
	} {
		path := filepath.Join(t.TempDir(), "s")
		for range 2 { // the second time over the file of one that ended without removing it
			a, err := config.ParseListen("unix://" + path + query)
			if err != nil {
				t.Fatal(err)
			}
			l, err := listen(a, net.ListenConfig{})
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want || strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid)) != group {
				t.Errorf("%s: the file is %v, %v", query, info.Mode(), err)
			}
			l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
			l.Close()
		}
	}
	_, err := listen(config.Address{Network: "unix", Address: filepath.Join(t.TempDir(), "s"), Group: "no-such-group"}, net.ListenConfig{})
	if err == nil || !strings.Contains(err.Error(), "no-such-group") {
		t.Errorf("a group that does not exist: %v", err)
	}
}
