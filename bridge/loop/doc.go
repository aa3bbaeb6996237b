// Package loop serves sessions from event loops instead of goroutines.
//
// A session whose two ends are plain sockets is taken out of the Go runtime's poller and put into the epoll set of a [Loops]. One
// goroutine waits there and serves whichever session has something to read: it reads once, and the session's own code passes on
// what came. What a goroutine per direction costs is saved: a read that finds nothing, two switches, and a stack.
//
// Nothing here waits for a peer. A write that finds no room gives the session its goroutines back before it waits, and the loop a
// new goroutine. On systems without epoll [New] returns an error and the sessions keep their goroutines.
// docs/decisions/0010-event-loops.md says what it buys.
package loop

import "errors"

// ErrUnsupported says that this system has no epoll, or a connection is not a plain socket.
var ErrUnsupported = errors.New("event loops are not supported")
