package passwords_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/bridge/access/passwords"
	"mqtt-ws-bridge/bridge/fairqueue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func argonOf(kind, password string) string {
	salt, key := []byte("salty salt"), []byte(nil)
	if kind == "argon2id" {
		key = argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	} else {
		key = argon2.Key([]byte(password), salt, 1, 64, 1, 32)
	}
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$%s$v=19$m=64,t=1,p=1$%s$%s", kind, enc(salt), enc(key))
}

func parse(t testing.TB, text string) *passwords.Users {
	t.Helper()
	u, err := passwords.Parse([]byte(text), passwords.NewQueue())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCheck(t *testing.T) {
	y := strings.Replace(bcryptOf(t, "pw-y"), "$2a$", "$2y$", 1) // as htpasswd -B writes it
	u := parse(t, "# devices\n\nb:"+bcryptOf(t, "pw-b")+"\r\ny:"+y+"\ni:"+argonOf("argon2i", "pw-i")+"\nid:"+argonOf("argon2id", "pw-id"))
	for range 2 { // the second time from memory
		for _, tt := range []struct {
			user, password string
			want           bool
		}{
			{"b", "pw-b", true}, {"y", "pw-y", true}, {"i", "pw-i", true}, {"id", "pw-id", true},
			{"b", "pw-y", false}, {"b", "", false}, {"", "", false}, {"", "pw-b", false}, {"nobody", "pw-b", false}, {"i", "pw-id", false},
			{"B", "pw-b", false}, {"b", "pw-b ", false}, {"bp", "w-b", false},
			{"b", strings.Repeat("x", 2000), false}, {strings.Repeat("x", 300), "x", false},
		} {
			if got, err := u.Check(t.Context(), "a", tt.user, tt.password); got != tt.want || err != nil {
				t.Errorf("%q %.20q: %v, %v", tt.user, tt.password, got, err)
			}
		}
	}
}

// TestBadFileIsNone is attack 53: a file that cannot be read to its end protects nobody, and says so without its content.
func TestBadFileIsNone(t *testing.T) {
	good := "u:" + bcryptOf(t, "pw") + "\n"
	for text, want := range map[string]string{
		"":                                      "no user",
		"# nothing\n\n":                         "no user",
		good + "CANARY":                         "line 2 is not user:hash",
		good + ":" + bcryptOf(t, "x"):           "line 2 is not user:hash",
		good + good:                             "line 2: this user stands in the file twice",
		good + "v:CANARY":                       "line 2: not a bcrypt",
		"v:$apr1$CANARY$4Jq1":                   "line 1: not a bcrypt",
		"v:{SHA}CANARY":                         "line 1: not a bcrypt",
		"v:$2y$10$CANARY":                       "line 1: not a bcrypt",
		"v:":                                    "line 1: not a bcrypt",
		"v:$2y$15$" + bcryptOf(t, "x")[7:]:      "bcrypt cost 15, at most 14",
		"v:$argon2d$v=19$m=64,t=1,p=1$CANARY$x": "line 1: not a bcrypt",
		"v:" + strings.Replace(argonOf("argon2id", "x"), "v=19", "v=16", 1):      "line 1: not a bcrypt",
		"v:" + strings.Replace(argonOf("argon2id", "x"), "m=64", "m=9999999", 1): "argon2 with m=9999999",
		"v:" + strings.Replace(argonOf("argon2id", "x"), "t=1", "t=17", 1):       "argon2 with t=17",
		"v:" + strings.Replace(argonOf("argon2id", "x"), "p=1", "p=0", 1):        "line 1: not a bcrypt",
		"v:" + argonOf("argon2id", "x")[:40]:                                     "line 1: not a bcrypt",
	} {
		_, err := passwords.Parse([]byte(text), passwords.NewQueue())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%.50q: %v, want %q", text, err, want)
		}
	}
	if _, err := passwords.Load(filepath.Join(t.TempDir(), "absent"), passwords.NewQueue()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := passwords.Load(path, passwords.NewQueue()); err != nil {
		t.Error(err)
	}
	if _, err := passwords.Load(t.TempDir(), passwords.NewQueue()); err == nil {
		t.Error("a directory is a file of users")
	}
}

// A check that does not get its turn in time is no answer either way.
func TestChecksAreBounded(t *testing.T) {
	u := parse(t, "u:"+bcryptOf(t, "pw"))
	late, cancel := context.WithCancel(t.Context())
	cancel()
	var busy, done sync.WaitGroup
	stop := make(chan struct{})
	for range 64 {
		busy.Add(1)
		done.Go(func() {
			for first := true; ; first = false {
				_, _ = u.Check(context.Background(), "a", "u", "wrong")
				if first {
					busy.Done()
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	busy.Wait()
	seen := false
	for range 1000 {
		if _, err := u.Check(late, "a", "u", "also wrong"); errors.Is(err, passwords.ErrBusy) {
			seen = true
			break
		}
	}
	close(stop)
	done.Wait()
	if !seen {
		t.Error("nobody was told that there are too many")
	}
}

// TestAFileLoadedAgain has the same queue: it gets no checks more at a time.
func TestAFileLoadedAgain(t *testing.T) {
	text, queue := []byte("u:"+bcryptOf(t, "pw")), fairqueue.New(1, 0)
	for range 2 {
		u, err := passwords.Parse(text, queue)
		if err != nil {
			t.Fatal(err)
		}
		if err := queue.Acquire(t.Context(), "before"); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Check(t.Context(), "a", "u", "pw"); !errors.Is(err, passwords.ErrBusy) {
			t.Errorf("a check beside the one there may be: %v", err)
		}
		queue.Release("before")
	}
}

// TestTheSamePasswordAtOnce: devices that share a password and come at once cost one check for each processor, not one each.
func TestTheSamePasswordAtOnce(t *testing.T) {
	u, err := passwords.Parse([]byte("u:"+bcryptOf(t, "pw")), fairqueue.New(1, 100))
	if err != nil {
		t.Fatal(err)
	}
	var hashes int
	u.CountHashes(&hashes)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if ok, err := u.Check(t.Context(), "a", "u", "pw"); !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	all.Wait()
	if hashes != 1 {
		t.Errorf("%d checks", hashes)
	}
}

// Who was let in is remembered for some minutes, who was refused is not.
func TestRemembersForAWhile(t *testing.T) {
	h, err := bcrypt.GenerateFromPassword([]byte("pw"), 8)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		u := parse(t, "u:"+string(h))
		if ok, err := u.Check(t.Context(), "a", "u", "pw"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := u.Check(t.Context(), "a", "u", "wrong"); err != nil || u.Remembers("u", "wrong") {
			t.Errorf("who was refused is remembered, %v", err)
		}
		time.Sleep(6 * time.Minute)
		if !u.Remembers("u", "pw") {
			t.Error("forgotten after 6 minutes")
		}
		time.Sleep(20 * time.Minute)
		if u.Remembers("u", "pw") {
			t.Error("remembered after 26 minutes")
		}
	})
}

func BenchmarkCheckRemembered(b *testing.B) {
	u := parse(b, "u:"+bcryptOf(b, "pw"))
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := u.Check(b.Context(), "a", "u", "pw"); !ok {
			b.Fatal("refused")
		}
	}
}

// TestAttack45_strangers_cost_a_hash: a user who is not there is answered after as much work as one who is.
func TestAttack45_strangers_cost_a_hash(t *testing.T) {
	u := parse(t, "u:"+bcryptOf(t, "pw"))
	var hashes int
	u.CountHashes(&hashes)
	for _, user := range []string{"u", "stranger", "u2"} {
		before := hashes
		if ok, err := u.Check(t.Context(), "a", user, "wrong"); ok || err != nil {
			t.Errorf("%s: %t, %v", user, ok, err)
		}
		if hashes != before+1 {
			t.Errorf("%s costs %d hashes", user, hashes-before)
		}
	}
}
