package passwords

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"mqtt-ws-bridge/bridge/fairqueue"
)

const (
	maxFile     = 16 << 20 // bytes of a file
	maxName     = 255      // bytes of a user name
	maxPassword = 1024     // bytes of a password

	remembered = 64 << 10 // checks that are remembered, in each of two generations
	rememberOK = 10 * time.Minute
)

// maxWaiting is how many checks may wait for others.
const maxWaiting = 1024

// ErrBusy says that a password could not be checked in the time there was, since too many others are.
var ErrBusy = errors.New("too many passwords are being checked")

// NewQueue returns a queue for the checks of all files: one at a time for each processor.
func NewQueue() *fairqueue.Queue { return fairqueue.New(runtime.GOMAXPROCS(0), maxWaiting) }

// Users are the users of a file. Safe for concurrent use.
type Users struct {
	// Set once.
	hashes map[string]hash
	decoy  hash             // what the password of a user who is not there is held against
	queue  *fairqueue.Queue // for checks
	key    [32]byte         // of what is remembered: a dump of the memory shows no hash that could be tried fast

	mu       sync.Mutex
	now, old map[[sha256.Size]byte]struct{} // who was let in; guarded by mu
	ages     time.Time                      // when now becomes old; guarded by mu
}

// Load reads a file, whose passwords are checked through queue. It must have a user, and every line must be good: half a file is none.
func Load(path string, queue *fairqueue.Queue) (*Users, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read passwords: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read passwords: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	u, err := Parse(text, queue)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return u, nil
}

// Parse reads the text of a file. Empty lines and those that begin with # are not looked at. The error names the line, and
// nothing of what stands in it.
func Parse(text []byte, queue *fairqueue.Queue) (*Users, error) {
	u := &Users{
		hashes: make(map[string]hash), queue: queue, now: make(map[[sha256.Size]byte]struct{}),
	}
	if _, err := rand.Read(u.key[:]); err != nil {
		return nil, err
	}
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		entry := strings.TrimRight(string(raw), "\r\n \t")
		if entry == "" || entry[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(entry, ":")
		if !ok || name == "" || len(name) > maxName {
			return nil, fmt.Errorf("line %d is not user:hash", line)
		}
		if _, again := u.hashes[name]; again {
			return nil, fmt.Errorf("line %d: this user stands in the file twice", line)
		}
		h, err := parseHash(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		u.hashes[name] = h
		if u.decoy == nil {
			u.decoy = h
		}
	}
	if len(u.hashes) == 0 {
		return nil, errors.New("no user in it")
	}
	return u, nil
}

// Check reports whether the password is the user's. A user who is not there costs as much as one who is. Checks wait in the queue, in
// which group is whose they are. The only error is [ErrBusy]: the queue was full, or ctx ended before the check began.
func (u *Users) Check(ctx context.Context, group, user, password string) (bool, error) {
	if user == "" || len(user) > maxName || len(password) > maxPassword {
		return false, nil
	}
	h, known := u.hashes[user]
	sum := u.sum(user, password)
	if known && u.remembers(sum) {
		return true, nil
	}
	if !known {
		h = u.decoy
	}
	if u.queue.Acquire(ctx, group) != nil {
		return false, ErrBusy
	}
	defer u.queue.Release(group)
	if known && u.remembers(sum) { // by now: many devices may have the same password
		return true, nil
	}
	good := h.matches(password) && known
	if good {
		u.remember(sum)
	}
	return good, nil
}

func (u *Users) sum(user, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, u.key[:])
	mac.Write([]byte{byte(len(user))}) // a user name has at most 255 bytes
	mac.Write([]byte(user))
	mac.Write([]byte(password))
	mac.Sum(sum[:0])
	return sum
}

func (u *Users) remembers(sum [sha256.Size]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.age()
	_, now := u.now[sum]
	_, old := u.old[sum]
	return now || old
}

func (u *Users) remember(sum [sha256.Size]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.age()
	u.now[sum] = struct{}{}
}

// age makes what is remembered old, and forgets what was old, when it is time or there is too much. The caller holds mu.
func (u *Users) age() {
	t := time.Now()
	switch {
	case t.Sub(u.ages) > rememberOK: // nothing happened for two generations
		u.old = nil
		clear(u.now)
	case t.After(u.ages) || len(u.now) >= remembered:
		u.old, u.now = u.now, make(map[[sha256.Size]byte]struct{})
	default:
		return
	}
	u.ages = t.Add(rememberOK / 2)
}
