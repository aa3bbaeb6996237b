package loop

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"mqtt-ws-bridge/bridge/drive"
)

// Loops are some event loops, each with the sessions that it serves. It is safe for concurrent use.
type Loops struct {
	all  []*loop
	next atomic.Uint32 // counts registrations, to share them out
}

// New starts n loops. Close ends them.
func New(n int) (*Loops, error) {
	ls := &Loops{}
	for range n {
		l, err := newLoop()
		if err != nil {
			return nil, errors.Join(err, ls.Close())
		}
		ls.all = append(ls.all, l)
	}
	return ls, nil
}

// Close ends the loops. No session may be attached any more.
func (ls *Loops) Close() error {
	var errs []error
	for _, l := range ls.all {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Register returns a registration for a session with these ends, whose connections it replaces by its own around them. The error is
// ErrUnsupported unless both are sockets, plain or with TLS over them.
func (ls *Loops) Register(s drive.Served, device, broker drive.Rewirable) (drive.Registration, error) {
	var sockets [2]socket
	var replace [2]func(net.Conn)
	for i, end := range [2]drive.Rewirable{drive.DeviceEnd: device, drive.BrokerEnd: broker} {
		var ok bool
		if sockets[i], replace[i], ok = below(end); !ok {
			return nil, ErrUnsupported
		}
	}
	p := &Registration{loop: ls.all[ls.next.Add(1)%uint32(len(ls.all))], session: s}
	for i := range p.ends {
		p.ends[i] = newConn(p, sockets[i])
		replace[i](&p.ends[i])
	}
	p.loop.register(p)
	return p, nil
}

// secure is a connection whose bytes go through TLS, over a socket.
type secure interface {
	Socket() net.Conn
	SetSocket(nc net.Conn)
}

// below finds the socket of an end, and what puts another connection in its place: below TLS if there is TLS.
func below(end drive.Rewirable) (s socket, replace func(net.Conn), ok bool) {
	nc, replace := end.NetConn(), end.SetNetConn
	if t, over := nc.(secure); over {
		nc, replace = t.Socket(), t.SetSocket
	}
	s, ok = nc.(socket)
	return s, replace, ok
}

// Registration is where a session is served. Its methods must not be called concurrently.
type Registration struct {
	loop       *loop
	session    drive.Served
	number     int32
	generation int32 // how often the number was given out: an event from before is not for this registration
	ends       [2]conn
}

// Attach takes the connections from the Go runtime and has the loop serve the session.
func (p *Registration) Attach() error {
	for i := range p.ends {
		c := &p.ends[i]
		if err := c.take(); err != nil {
			p.release(i)
			return fmt.Errorf("attach: %w", err)
		}
	}
	for i := range p.ends {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: p.number<<1 | int32(i), Pad: p.generation}
		if err := unix.EpollCtl(p.loop.set, unix.EPOLL_CTL_ADD, p.ends[i].fd, &event); err != nil {
			p.Detach()
			return fmt.Errorf("attach: add to the epoll set: %w", err)
		}
	}
	return nil
}

// Detach gives the connections back to the Go runtime.
func (p *Registration) Detach() {
	for i := range p.ends { // an error says that it was not there yet
		_ = unix.EpollCtl(p.loop.set, unix.EPOLL_CTL_DEL, p.ends[i].fd, nil)
	}
	p.release(len(p.ends))
}

// release gives the first n connections back.
func (p *Registration) release(n int) {
	for i := range n {
		p.ends[i].release()
	}
}

// Leave gives the registration back.
func (p *Registration) Leave() { p.loop.leave(p) }

// Block gives the session its goroutines back, and the loop another one. It is called before the session waits.
func (p *Registration) Block() {
	if p.session.Blocked() {
		p.loop.handOver()
	}
}

// loop is one epoll set and the goroutine that waits for it.
type loop struct {
	set        int
	stop       int          // an eventfd in the set: it ends the loop
	generation atomic.Int32 // which goroutine it is that may wait
	wg         sync.WaitGroup

	mu            sync.Mutex
	registrations []numbered // by their number
	free          []int32
}

// numbered is who has a number, nil for nobody, and how often it was given out.
type numbered struct {
	registration *Registration
	generation   int32
}

// stopNumber stands for the eventfd where events have the number of a registration.
const stopNumber = -1

func newLoop() (*loop, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, stop, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: stopNumber})
	}
	if err != nil {
		unix.Close(set)
		unix.Close(stop)
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	l := &loop{set: set, stop: stop}
	l.handOver()
	return l, nil
}

func (l *loop) close() error {
	_, err := unix.Write(l.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	l.wg.Wait()
	return errors.Join(err, unix.Close(l.stop), unix.Close(l.set))
}

// handOver has another goroutine wait from now on. The one that did goes on with what it is doing, and ends.
func (l *loop) handOver() {
	generation := l.generation.Add(1)
	l.wg.Go(func() { l.run(generation) })
}

// batch is how many events are taken from the set at once.
const batch = 64

// fewWaits is after how many waits the loop lets other goroutines run. Nothing else here would: to Go's
// monitor a system call is no scheduling point: it preempts what has run for 10 ms without one, and looks again every 20 µs for a while.
const fewWaits = 32

// run serves sessions until the loop ends or is handed over. Events that it took and did not serve are still there for the next
// goroutine, since the set is level-triggered.
func (l *loop) run(generation int32) {
	events := make([]unix.EpollEvent, batch)
	for waits := 1; ; waits++ {
		if waits%fewWaits == 0 {
			runtime.Gosched()
		}
		n, err := unix.EpollWait(l.set, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(fmt.Sprintf("epoll_wait: %v", err)) // the set is ours and open: this cannot be
		}
		for i := range max(n, 0) {
			if l.generation.Load() != generation || events[i].Fd == stopNumber {
				return
			}
			if p := l.find(events[i].Fd>>1, events[i].Pad); p != nil {
				p.session.Ready(drive.End(events[i].Fd & 1))
			}
		}
		if l.generation.Load() != generation {
			return
		}
	}
}

// find returns the registration that an event is for, or nil if it was left.
func (l *loop) find(number, generation int32) *Registration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := &l.registrations[number]; at.generation == generation {
		return at.registration
	}
	return nil
}

// register gives p a number.
func (l *loop) register(p *Registration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		p.number = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		p.number = int32(len(l.registrations))
		l.registrations = append(l.registrations, numbered{})
	}
	at := &l.registrations[p.number]
	at.generation++
	at.registration, p.generation = p, at.generation
}

// leave takes p's number back.
func (l *loop) leave(p *Registration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.registrations[p.number].registration = nil
	l.free = append(l.free, p.number)
}
