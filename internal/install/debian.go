package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// freshLists is how long apt's package lists are taken as good: long enough that one test run updates them once.
const freshLists = 12 * time.Hour

// Debian makes sure that the named Debian packages are installed, or ends the test.
func Debian(t testing.TB, packages ...string) {
	t.Helper()
	if len(absent(packages)) == 0 {
		return
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		missing(t, "needs the Debian packages %s: install them, or run the tests as root on Debian",
			strings.Join(absent(packages), " "))
	}
	defer lock(t, "apt")()
	// Another test process may have installed them while this one waited.
	wanted := absent(packages)
	if len(wanted) == 0 {
		return
	}
	if out, err := aptInstall(t, wanted); err != nil {
		missing(t, "install the Debian packages %s: %v\n%s", strings.Join(wanted, " "), err, tail(out))
	}
}

// Version is the installed version of a Debian package, "" if it is not installed.
func Version(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name).Output()
	if err != nil {
		return ""
	}
	status, version, _ := strings.Cut(string(out), " ")
	if status != "installed" {
		return ""
	}
	return version
}

func absent(packages []string) []string {
	var names []string
	for _, name := range packages {
		if Version(name) == "" {
			names = append(names, name)
		}
	}
	return names
}

func aptInstall(t testing.TB, packages []string) ([]byte, error) {
	t.Helper()
	start := time.Now()
	args := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	out, err := aptUpdate(t, freshLists)
	if err == nil {
		out, err = apt(args...)
	}
	if err != nil {
		// Lists that were good a few hours ago may name versions that the archive has replaced since.
		if out, err = aptUpdate(t, 0); err == nil {
			out, err = apt(args...)
		}
	}
	t.Logf("installed %s in %v", strings.Join(packages, " "), time.Since(start).Round(time.Second))
	return out, err
}

// aptUpdate fetches the package lists, unless the tests did so on this machine within the time given. The caller holds the lock.
func aptUpdate(t testing.TB, fresh time.Duration) ([]byte, error) {
	t.Helper()
	stamp := filepath.Join(cacheDir(t), "apt-updated")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < fresh {
		return nil, nil
	}
	out, err := apt("update")
	if err != nil {
		return out, err
	}
	return nil, os.WriteFile(stamp, nil, 0o644)
}

func apt(args ...string) ([]byte, error) {
	cmd := exec.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return cmd.CombinedOutput()
}

// tail is the end of a long output, where the cause stands.
func tail(out []byte) []byte {
	const most = 4 << 10
	return out[max(0, len(out)-most):]
}
