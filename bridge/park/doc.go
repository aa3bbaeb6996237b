// Package park lets idle sessions wait without goroutines.
//
// A session that has been quiet for some seconds gives up both of its goroutines and with them their stacks: its two sockets
// wait in one epoll set, a [Lot], with those of all other quiet sessions. The first byte on either wakes it. On systems without
// epoll [New] returns an error and the sessions keep their goroutines.
//
// The Go runtime has these sockets in an epoll set of its own, and goes on to serve them there: the lot only looks, and never
// reads. docs/decisions/0005-parking.md says what it buys.
package park

import "errors"

// ErrUnsupported says that this system has no epoll, or a connection no socket.
var ErrUnsupported = errors.New("parking is not supported")

// Waker is a session that is parked.
type Waker interface {
	// Wake is called once for each [Place.Park], or seldom more often, when one of the place's sockets can be read from or has
	// ended. It must not block.
	Wake()
}
