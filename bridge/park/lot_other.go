//go:build !linux

package park

import "net"

// Lot does not exist on this system.
type Lot struct{}

// Place does not exist on this system.
type Place struct{}

// New returns ErrUnsupported.
func New() (*Lot, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Lot) Close() error { return nil }

// Place returns ErrUnsupported.
func (*Lot) Place(Waker, ...net.Conn) (*Place, error) { return nil, ErrUnsupported }

// Park returns ErrUnsupported.
func (*Place) Park() error { return ErrUnsupported }

// Serves reports false.
func (*Place) Serves() bool { return false }

// Block does nothing.
func (*Place) Block() {}

// Unpark does nothing.
func (*Place) Unpark() {}

// Leave does nothing.
func (*Place) Leave() {}
