package install

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a testing.TB that notes how the test under it was ended instead of ending this one.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Logf(string, ...any)   {}
func (r *recorder) Fatalf(string, ...any) { r.ended = "fatal"; runtime.Goexit() }
func (r *recorder) Skipf(string, ...any)  { r.ended = "skip"; runtime.Goexit() }

func endOf(t *testing.T, f func(testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.ended
}

func TestWhatCannotBeInstalledSkipsButFailsInCI(t *testing.T) {
	ask := func(tb testing.TB) { missing(tb, "needs %s", "something") }
	t.Setenv("CI", "")
	if got := endOf(t, ask); got != "skip" {
		t.Errorf("outside CI the test was ended by %q, want skip", got)
	}
	t.Setenv("CI", "true")
	if got := endOf(t, ask); got != "fatal" {
		t.Errorf("in CI the test was ended by %q, want fatal", got)
	}
}

func TestInstalledPackageCostsNothing(t *testing.T) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		t.Skip("needs dpkg: not a Debian system")
	}
	// No apt-get can be found: asking for what is there must not need it.
	path, _ := exec.LookPath("dpkg-query")
	dir := t.TempDir()
	if err := os.Symlink(path, dir+"/dpkg-query"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("CI", "")
	if got := endOf(t, func(tb testing.TB) { Debian(tb, "dpkg", "base-files") }); got != "" {
		t.Errorf("asking for installed packages ended the test: %s", got)
	}
	if got := endOf(t, func(tb testing.TB) { Debian(tb, "no-such-package-anywhere") }); got != "skip" {
		t.Errorf("asking for a missing package without apt-get ended the test by %q, want skip", got)
	}
	if Version("no-such-package-anywhere") != "" {
		t.Error("a package that does not exist has a version")
	}
}
