package listener

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	acceptFirst = 5 * time.Millisecond // pause after a failure
	acceptMost  = time.Second          // after many
)

// Patient returns l with an Accept that does not give up: what fails for want of descriptors, memory or a network comes back.
// After a failure it pauses, longer each time. failed hears of every one, and whether it is the first since a connection was
// taken; nil: nobody does. Only a listener that is closed or none at all has an Accept that fails.
func Patient(l net.Listener, failed func(err error, first bool)) net.Listener {
	return &patientListener{Listener: l, failed: failed, done: make(chan struct{})}
}

type patientListener struct {
	net.Listener
	failed func(err error, first bool)
	once   sync.Once
	done   chan struct{}
	close  error
}

// Accept waits for a connection.
func (l *patientListener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		if err == nil || hopeless(err) {
			return nc, err
		}
		if l.failed != nil {
			l.failed(err, pause == 0)
		}
		pause = min(max(2*pause, acceptFirst), acceptMost)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.done:
			timer.Stop()
			return nil, net.ErrClosed
		}
	}
}

// hopeless reports whether no later Accept can succeed.
func hopeless(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EINVAL) ||
		errors.Is(err, syscall.ENOTSOCK)
}

// Close stops Accept, also one that pauses.
func (l *patientListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.close = l.Listener.Close()
	})
	return l.close
}
