// Package upstream knows the brokers: how to reach each, over TCP, TLS, a unix socket or a WebSocket, and whether it answers.
//
// A [Pool] dials its brokers in the order they were given, those that answer first. It learns that from real
// connections and, when there are none, from a probe that connects and hangs up. [Embedded] is a broker in this process for
// those who have none yet.
package upstream
