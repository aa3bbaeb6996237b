package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection that is a socket and nothing more: *net.TCPConn and *net.UnixConn.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// conn is one end of a session. While std is there it passes everything on to it. While the session is attached it owns the
// descriptor itself: a read that finds nothing gives os.ErrDeadlineExceeded, and a write that finds no room has the registration give the
// session its goroutines back, and goes on with std.
//
// std changes only while nothing else uses the connection, which the session sees to.
type conn struct {
	registration  *Registration
	std           socket
	fd            int // while std is nil
	local, remote net.Addr
}

func newConn(p *Registration, s socket) conn {
	return conn{registration: p, std: s, fd: -1, local: s.LocalAddr(), remote: s.RemoteAddr()}
}

// take takes the descriptor out of the Go runtime's poller, for which there is no other way than to close a copy of it.
func (c *conn) take() error {
	raw, err := c.std.SyscallConn()
	if err != nil {
		return err
	}
	fd := -1
	if controlErr := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); controlErr != nil {
		return controlErr
	}
	if err != nil {
		return fmt.Errorf("copy a descriptor: %w", err)
	}
	c.std.Close()
	c.std, c.fd = nil, fd
	return nil
}

// release gives the descriptor to the Go runtime.
func (c *conn) release() {
	c.std = &file{File: os.NewFile(uintptr(c.fd), "socket"), conn: c}
	c.fd = -1
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(b []byte) (int, error) {
	if c.std != nil {
		return c.std.Read(b)
	}
	for {
		n, err := rawRead(c.fd, b)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EAGAIN):
			return 0, os.ErrDeadlineExceeded
		case !errors.Is(err, unix.EINTR):
			return 0, c.failed("read", err)
		}
	}
}

func (c *conn) Write(b []byte) (n int, err error) {
	for c.std == nil && n < len(b) {
		wrote, err := rawWrite(c.fd, b[n:])
		switch {
		case err == nil:
			n += wrote
		case errors.Is(err, unix.EAGAIN):
			c.registration.Block()
			if c.std == nil {
				return n, c.failed("write", err) // nobody serves the session: that cannot be
			}
		case !errors.Is(err, unix.EINTR):
			return n, c.failed("write", err)
		}
	}
	if n < len(b) {
		rest, err := c.std.Write(b[n:])
		return n + rest, err
	}
	return n, nil
}

// failed is err in the form that package net gives it.
func (c *conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: c.remote.Network(), Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, err)}
}

func (c *conn) CloseWrite() error {
	if c.std != nil {
		return c.std.CloseWrite()
	}
	return unix.Shutdown(c.fd, unix.SHUT_WR)
}

func (c *conn) Close() error {
	if c.std != nil {
		return c.std.Close()
	}
	return unix.Close(c.fd)
}

// SyscallConn is that of the descriptor while the Go runtime has it. Nobody writes for long while the loop does.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.std.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, ErrUnsupported
}

func (c *conn) SetDeadline(t time.Time) error {
	if c.std != nil {
		return c.std.SetDeadline(t)
	}
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.std != nil {
		return c.std.SetReadDeadline(t)
	}
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.std != nil {
		return c.std.SetWriteDeadline(t)
	}
	return nil
}

// file is a descriptor in the Go runtime's poller again. Package net would make a connection of it with seven system calls and set
// options anew; package os needs two.
type file struct {
	*os.File
	conn *conn
}

func (f *file) LocalAddr() net.Addr  { return f.conn.local }
func (f *file) RemoteAddr() net.Addr { return f.conn.remote }

func (f *file) Read(b []byte) (int, error) {
	n, err := f.File.Read(b)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, f.translate("read", err)
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err == nil {
		return n, nil
	}
	return n, f.translate("write", err)
}

// translate puts an error of package os into the form of package net's.
func (f *file) translate(op string, err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return f.conn.failed(op, number)
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	return &net.OpError{Op: op, Net: f.conn.remote.Network(), Source: f.conn.local, Addr: f.conn.remote, Err: err}
}

func (f *file) CloseWrite() error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); controlErr != nil {
		return controlErr
	}
	return err
}
