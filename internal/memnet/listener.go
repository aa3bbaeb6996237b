package memnet

import (
	"net"
	"sync"
)

// Listener hands out the far ends of what [Listener.Dial] opens.
type Listener struct {
	size  int
	conns chan net.Conn // of 0: Dial returns when Accept has taken the connection
	once  sync.Once
	done  chan struct{}
}

// Listen returns a listener whose connections hold up to size bytes each way.
func Listen(size int) *Listener {
	return &Listener{size: size, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Dial opens a connection. The caller closes it.
func (l *Listener) Dial() (*Conn, error) {
	ours, theirs := Pipe(l.size)
	if err := l.Offer(theirs); err != nil {
		return nil, err
	}
	return ours, nil
}

// Offer waits until Accept has taken a connection that was made elsewhere.
func (l *Listener) Offer(c net.Conn) error {
	select {
	case l.conns <- c:
		return nil
	case <-l.done:
		return net.ErrClosed
	}
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close stops Accept and Dial.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns a name.
func (l *Listener) Addr() net.Addr { return addr("listener") }
