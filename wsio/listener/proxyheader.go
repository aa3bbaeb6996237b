package listener

import (
	"bufio"
	"errors"
	"fmt"
	"net"

	"github.com/pires/go-proxyproto"
)

// proxyHeaderBuffer is what is read of a connection while its PROXY header is looked for. A header of version 1 has at most
// 107 bytes; one of version 2 may be larger and is read in several steps, up to the 4 KiB that the library takes.
const proxyHeaderBuffer = 256

// errProxyHeader is what a connection without a good PROXY header gives instead of its bytes.
var errProxyHeader = errors.New("no good PROXY header")

// errSilent is the end of a connection without a byte: a proxy that looks whether the port is open.
var errSilent = errors.New("the peer left without a byte")

// readProxyHeader reads the PROXY header of a connection, which must be there: whether a connection has one is never guessed. early is
// what came with it.
func readProxyHeader(nc net.Conn) (device net.Addr, early []byte, err error) {
	r := bufio.NewReaderSize(nc, proxyHeaderBuffer)
	if _, err := r.Peek(1); err != nil && !timedOut(err) {
		return nil, nil, errSilent
	}
	if device, err = parseProxyHeader(r); err != nil {
		return nil, nil, err
	}
	if n := r.Buffered(); n > 0 {
		early, _ = r.Peek(n)
	}
	return device, early, nil
}

// parseProxyHeader reads a header and returns the device's address, or nil where the proxy speaks for itself (LOCAL, UNKNOWN)
// or names something that is no IP address. TLVs have to be well-formed and are not looked into.
func parseProxyHeader(r *bufio.Reader) (net.Addr, error) {
	h, err := proxyproto.Read(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if _, err := h.TLVs(); err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if h.Command.IsLocal() {
		return nil, nil
	}
	if h.TransportProtocol.IsDatagram() {
		return nil, fmt.Errorf("%w: it speaks of datagrams", errProxyHeader)
	}
	source, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok {
		return nil, nil
	}
	ip := source.AddrPort().Addr()
	return TCPAddr(ip, uint16(source.Port)), nil
}
