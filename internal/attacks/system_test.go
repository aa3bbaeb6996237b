//go:build linux

package attacks

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestAttack33_limit_taken_away: the system gives no descriptor at all (EMFILE), though the bridge's own budget has some left: somebody
// has lowered the limit of the running process. Sessions stay; a new device waits, and hears then to come again later; the broker is not
// taken to be down; and a moment after there are descriptors again all is as before.
func TestAttack33_limit_taken_away(t *testing.T) {
	k := openPlain(t).begin(t)
	var all unix.Rlimit
	if err := unix.Prlimit(k.bridge.PID(), unix.RLIMIT_NOFILE, nil, &all); err != nil {
		t.Fatal(err)
	}
	allow := func(most uint64) {
		if err := unix.Prlimit(k.bridge.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: all.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}

	allow(lowestFree(t, k.bridge))
	var waiting []*device
	for range 10 {
		waiting = append(waiting, reach(t, k.bridge.WS).say(goodHello))
		k.innocent.goesOn(t)
	}
	allow(all.Cur)
	for _, d := range waiting {
		if status, header := d.refusal(); status != 503 || header.Get("Retry-After") == "" {
			t.Errorf("who has waited is answered with %d %v", status, header)
		}
	}
	wantIn(t, k)
	const failed = "mqtt_ws_bridge_accept_errors_total" // once in 5 ms at first, later once in a second
	if n := metrics(t, k.bridge)[failed] - k.counted[failed]; n < 1 || n > 1000 {
		t.Errorf("%v connections could not be taken", n)
	}
	if !strings.Contains(k.said(), "accept4: too many open files") {
		t.Error("the system had a descriptor for everybody")
	}
	if strings.Contains(k.said(), "broker does not answer") {
		t.Error("the broker is taken to be down")
	}
}

// lowestFree is the descriptor that the process would get next.
func lowestFree(t *testing.T, b *bridgeproc.Bridge) (fd uint64) {
	t.Helper()
	for {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", b.PID(), fd)); err != nil {
			return fd
		}
		fd++
	}
}

// wantIn waits until a device gets a WebSocket.
func wantIn(t *testing.T, k *attack) {
	t.Helper()
	if !eventually(func() bool {
		d := reach(t, k.bridge.WS).say(goodHello)
		defer d.Close()
		line, err := d.r.ReadString('\n')
		return err == nil && strings.HasPrefix(line, "HTTP/1.1 101 ")
	}) {
		t.Fatal("no device gets in any more")
	}
}

// ownHosts runs a command with a file of the test in place of /etc/hosts.
const ownHosts = `mount --make-rprivate / && mount --bind "$1" /etc/hosts && shift && exec "$@"`

// TestAttack54_name_moves: the broker's name leads somewhere else from one moment to the next. New devices go there; who is connected stays.
func TestAttack54_name_moves(t *testing.T) {
	if out, err := exec.Command("unshare", "--mount", "mount", "--make-rprivate", "/").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace, which this machine does not give: %v: %s", err, out)
	}
	old := mosquitto.Start(t, mosquitto.Options{})
	before, port, _ := net.SplitHostPort(old.TCP)
	after := loopback.Host()
	next := mosquitto.Start(t, mosquitto.Options{Config: []string{"listener " + port + " " + after}})

	hosts := filepath.Join(t.TempDir(), "hosts")
	name := func(address string) { // in place: another file would not be the one that is mounted
		if err := os.WriteFile(hosts, []byte(address+" broker.test\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name(before)
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://broker.test:" + port, Args: shortLimits,
		Wrapper: []string{"unshare", "--mount", "sh", "-c", ownHosts, "sh", hosts},
	})
	k := &attack{arena: &arena{bridge: bridge, broker: old}, t: t}
	stays := online(t, k, hello{version: 4, id: "stays"})
	old.Log.WaitFor(t, patience, 1, "as stays ")

	name(after)
	tries := 0
	if !eventually(func() bool { // Go remembers the file for some seconds
		tries++
		id := fmt.Sprint("moves-", tries)
		_ = online(t, k, hello{version: 4, id: id}).Close()
		return next.Log.Count("as "+id+" ") > 0
	}) {
		t.Errorf("%d devices went to where the broker was", tries)
	}
	stays.alive()
	if next.Log.Count("as stays ") > 0 {
		t.Error("a connected device was moved")
	}
}
