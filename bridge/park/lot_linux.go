package park

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lot is the set of parked sessions. It is safe for concurrent use.
type Lot struct {
	file *os.File // the epoll set, itself waited for by the runtime's poller: no thread sits in epoll_wait
	raw  syscall.RawConn
	done chan struct{}

	mu     sync.Mutex
	places []*Place // by their number; nil where free
	free   []int32
}

// Place is what a session parks at again and again. Its methods must not be called concurrently.
type Place struct {
	lot    *Lot
	waker  Waker
	number int32
	turn   int32 // how often the number was given out: an event from before is not for this place
	conns  []syscall.RawConn
	added  bool
}

// New returns an empty lot. Close ends it.
func New() (*Lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	l := &Lot{file: file, raw: raw, done: make(chan struct{})}
	go l.watch()
	return l, nil
}

// Close ends the lot: nobody is woken any more.
func (l *Lot) Close() error {
	err := l.file.Close()
	<-l.done
	return err
}

// Place returns a place for a session with these connections, which may be TLS over sockets. Leave gives it back.
func (l *Lot) Place(w Waker, conns ...net.Conn) (*Place, error) {
	p := &Place{lot: l, waker: w, conns: make([]syscall.RawConn, 0, len(conns))}
	for _, nc := range conns {
		raw, err := socket(nc)
		if err != nil {
			return nil, err
		}
		p.conns = append(p.conns, raw)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		p.number = l.free[n-1]
		l.free = l.free[:n-1]
		p.turn = l.places[p.number].turn + 1
		l.places[p.number] = p
		return p, nil
	}
	p.number = int32(len(l.places))
	l.places = append(l.places, p)
	return p, nil
}

// socket finds the socket below nc.
func socket(nc net.Conn) (syscall.RawConn, error) {
	type wrapper interface{ NetConn() net.Conn }
	for {
		if s, ok := nc.(syscall.Conn); ok {
			return s.SyscallConn()
		}
		w, ok := nc.(wrapper)
		if !ok {
			return nil, ErrUnsupported
		}
		nc = w.NetConn()
	}
}

// Park has the waker woken when one of the connections can be read from or has ended: at once if that is so already.
func (p *Place) Park() error {
	op := unix.EPOLL_CTL_MOD
	if !p.added {
		op = unix.EPOLL_CTL_ADD
	}
	for _, raw := range p.conns {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: p.number, Pad: p.turn}
		if err := p.lot.control(op, raw, &event); err != nil {
			return fmt.Errorf("park: %w", err)
		}
	}
	p.added = true
	return nil
}

// control is epoll_ctl on two descriptors that stay open meanwhile.
func (l *Lot) control(op int, socket syscall.RawConn, event *unix.EpollEvent) (err error) {
	var socketErr error
	setErr := l.raw.Control(func(set uintptr) {
		socketErr = socket.Control(func(fd uintptr) { err = unix.EpollCtl(int(set), op, int(fd), event) })
	})
	return errors.Join(err, socketErr, setErr)
}

// Serves says that sessions are woken here and not served.
func (p *Place) Serves() bool { return false }

// Block has nothing to do: nobody serves here.
func (p *Place) Block() {}

// Unpark has nothing to do: the sockets were looked at only.
func (p *Place) Unpark() {}

// Leave gives the place back. The sockets leave the set when they are closed.
func (p *Place) Leave() {
	p.lot.mu.Lock()
	defer p.lot.mu.Unlock()
	p.waker, p.conns = nil, nil
	p.lot.free = append(p.lot.free, p.number)
}

// watch wakes sessions until the lot is closed.
func (l *Lot) watch() {
	defer close(l.done)
	events := make([]unix.EpollEvent, 128)
	for {
		var n int
		err := l.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(fd), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // closed
		}
		for i := range max(n, 0) {
			l.wake(events[i].Fd, events[i].Pad)
		}
	}
}

func (l *Lot) wake(number, turn int32) {
	l.mu.Lock()
	var w Waker
	if p := l.places[number]; p.turn == turn {
		w = p.waker
	}
	l.mu.Unlock()
	if w != nil {
		w.Wake()
	}
}
