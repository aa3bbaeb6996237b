// Package listener takes connections and brings them to a whole HTTP request.
//
// A [Gate] shares the slots for connections that are not a WebSocket yet between addresses. A [Pending] is such a connection: it reads the
// PROXY header, performs the TLS handshake, recognizes peers that speak something else, and holds the limits on time and size. Each end
// before a whole request has a cause. [NewServer] makes the net/http server that reads from it.
package listener
