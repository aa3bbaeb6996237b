package loop

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"mqtt-ws-bridge/bridge"
)

// Loops are some event loops, each with the sessions that it serves. It is safe for concurrent use.
type Loops struct {
	all  []*loop
	next atomic.Uint32 // counts places, to share them out
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

// Close ends the loops. No session may be parked any more.
func (ls *Loops) Close() error {
	var errs []error
	for _, l := range ls.all {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Place returns a place for a session with these ends, whose connections it replaces by its own around them. The error is
// ErrUnsupported unless both are sockets, plain or with TLS over them.
func (ls *Loops) Place(s bridge.Parked, device, broker bridge.Rewirable) (bridge.Place, error) {
	var sockets [2]socket
	var replace [2]func(net.Conn)
	for i, end := range [2]bridge.Rewirable{bridge.DeviceEnd: device, bridge.BrokerEnd: broker} {
		var ok bool
		if sockets[i], replace[i], ok = below(end); !ok {
			return nil, ErrUnsupported
		}
	}
	p := &Place{loop: ls.all[ls.next.Add(1)%uint32(len(ls.all))], session: s}
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
func below(end bridge.Rewirable) (s socket, replace func(net.Conn), ok bool) {
	nc, replace := end.NetConn(), end.SetNetConn
	if t, over := nc.(secure); over {
		nc, replace = t.Socket(), t.SetSocket
	}
	s, ok = nc.(socket)
	return s, replace, ok
}

// Place is where a session is served. Its methods must not be called concurrently.
type Place struct {
	loop    *loop
	session bridge.Parked
	number  int32
	turn    int32 // how often the number was given out: an event from before is not for this place
	ends    [2]conn
}

// Serves says that sessions are served here, by Ready.
func (p *Place) Serves() bool { return true }

// Park takes the connections from the Go runtime and has the loop serve the session.
func (p *Place) Park() error {
	for i := range p.ends {
		c := &p.ends[i]
		if err := c.take(); err != nil {
			p.release(i)
			return fmt.Errorf("park: %w", err)
		}
	}
	for i := range p.ends {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: p.number<<1 | int32(i), Pad: p.turn}
		if err := unix.EpollCtl(p.loop.set, unix.EPOLL_CTL_ADD, p.ends[i].fd, &event); err != nil {
			p.Unpark()
			return fmt.Errorf("park: add to the epoll set: %w", err)
		}
	}
	return nil
}

// Unpark gives the connections back to the Go runtime.
func (p *Place) Unpark() {
	for i := range p.ends { // an error says that it was not there yet
		_ = unix.EpollCtl(p.loop.set, unix.EPOLL_CTL_DEL, p.ends[i].fd, nil)
	}
	p.release(len(p.ends))
}

// release gives the first n connections back.
func (p *Place) release(n int) {
	for i := range n {
		p.ends[i].release()
	}
}

// Leave gives the place back.
func (p *Place) Leave() { p.loop.leave(p) }

// Block gives the session its goroutines back, and the loop another one. It is called before the session waits.
func (p *Place) Block() {
	if p.session.Blocked() {
		p.loop.handOver()
	}
}

// loop is one epoll set and the goroutine that waits for it.
type loop struct {
	set  int
	bell int          // an eventfd in the set: it ends the loop
	turn atomic.Int32 // which goroutine it is that may wait
	wg   sync.WaitGroup

	mu     sync.Mutex
	places []numbered // by their number
	free   []int32
}

// numbered is who has a number, nil for nobody, and how often it was given out.
type numbered struct {
	place *Place
	turn  int32
}

// bellNumber stands for the bell where events have the number of a place.
const bellNumber = -1

func newLoop() (*loop, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellNumber})
	}
	if err != nil {
		unix.Close(set)
		unix.Close(bell)
		return nil, fmt.Errorf("create epoll set: %w", err)
	}
	l := &loop{set: set, bell: bell}
	l.handOver()
	return l, nil
}

func (l *loop) close() error {
	_, err := unix.Write(l.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	l.wg.Wait()
	return errors.Join(err, unix.Close(l.bell), unix.Close(l.set))
}

// handOver has another goroutine wait from now on. The one that did goes on with what it is doing, and ends.
func (l *loop) handOver() {
	turn := l.turn.Add(1)
	l.wg.Go(func() { l.run(turn) })
}

// batch is how many events are taken from the set at once.
const batch = 64

// fewWaits is after how many waits the loop lets other goroutines run. Nothing else here would: a system call is no turn for Go's
// monitor, which preempts what has run for 10 ms without one, and looks again every 20 µs for a while. That costs more than a turn.
const fewWaits = 32

// run serves sessions until the loop ends or is handed over. Events that it took and did not serve are still there for the next
// goroutine, since the set is level-triggered.
func (l *loop) run(turn int32) {
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
			if l.turn.Load() != turn || events[i].Fd == bellNumber {
				return
			}
			if p := l.find(events[i].Fd>>1, events[i].Pad); p != nil {
				p.session.Ready(bridge.End(events[i].Fd & 1))
			}
		}
		if l.turn.Load() != turn {
			return
		}
	}
}

// find returns the place that an event is for, or nil if it was left.
func (l *loop) find(number, turn int32) *Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := &l.places[number]; at.turn == turn {
		return at.place
	}
	return nil
}

// register gives p a number.
func (l *loop) register(p *Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		p.number = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		p.number = int32(len(l.places))
		l.places = append(l.places, numbered{})
	}
	at := &l.places[p.number]
	at.turn++
	at.place, p.turn = p, at.turn
}

// leave takes p's number back.
func (l *loop) leave(p *Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places[p.number].place = nil
	l.free = append(l.free, p.number)
}
