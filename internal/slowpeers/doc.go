// Package slowpeers has the tests that a peer is given up when it takes nothing any more, and never because it is slow or silent, on the
// kernel's own sockets and lines: see package netlab.
package slowpeers
