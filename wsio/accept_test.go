package wsio_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/wsio/listener"
)

// failingListener is a pipeListener whose Accept first returns these errors, one at a time.
type failingListener struct {
	*pipeListener
	errs []error
	at   []time.Duration // when Accept was called
	from time.Time
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.at = append(l.at, time.Since(l.from))
	if len(l.errs) == 0 {
		return l.pipeListener.Accept()
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

// TestAttack33_accept: whatever the system says when it cannot hand out a connection, Accept pauses, longer each time, and takes the
// next one.
func TestAttack33_accept(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EPERM, syscall.ENETDOWN, syscall.EPROTO} {
		t.Run(errno.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &failingListener{pipeListener: newPipeListener(), from: time.Now()}
				for range 10 {
					l.errs = append(l.errs, errno)
				}
				var first []bool
				gate := listener.NewGate(listener.GateOptions{Handshakes: 1}).Listener(l, listener.Options{AcceptFailed: func(err error, f bool) {
					if !errors.Is(err, errno) {
						t.Error(err)
					}
					first = append(first, f)
				}})
				defer gate.Close()
				defer l.dial().Close()
				nc, err := gate.Accept()
				if err != nil {
					t.Fatal(err)
				}
				nc.Close()
				const ms = time.Millisecond
				want := []time.Duration{0, 5 * ms, 15 * ms, 35 * ms, 75 * ms, 155 * ms, 315 * ms, 635 * ms, 1275 * ms, 2275 * ms, 3275 * ms}
				if !slices.Equal(l.at, want) {
					t.Errorf("tried at %v, want %v", l.at, want)
				}
				if len(first) != 10 || !first[0] || slices.Contains(first[1:], true) {
					t.Errorf("of the failures %v are said to be the first in a row", first)
				}
			})
		})
	}
}

// TestPatientListenerEnds: Close ends the pause, and what cannot get better is no reason to wait.
func TestPatientListenerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &failingListener{pipeListener: newPipeListener()}
		for range 100 {
			l.errs = append(l.errs, syscall.EMFILE)
		}
		patient := listener.Patient(l, nil)
		ended := make(chan error)
		go func() {
			_, err := patient.Accept()
			ended <- err
		}()
		time.Sleep(10*time.Second + time.Millisecond)
		began := time.Now()
		patient.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("Accept returned %v after %v", err, time.Since(began))
		}
		if err := patient.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		for _, errno := range []syscall.Errno{syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
			l := &failingListener{pipeListener: newPipeListener(), errs: []error{errno}}
			if _, err := listener.Patient(l, nil).Accept(); !errors.Is(err, errno) {
				t.Errorf("%v: Accept returned %v", errno, err)
			}
		}
	})
}
