// Package null is the upstream behind every peer of the benchmark: a broker that costs next to nothing, so that the proxy before
// it is what is measured.
//
// It answers CONNECT, SUBSCRIBE and PINGREQ, acknowledges QoS 1, counts what is published, sends a message back to a connection
// that subscribed to its topic, and floods those that subscribed. For the bridge it speaks MQTT over TCP; for proxies that pass
// WebSockets through unread it speaks WebSocket. It keeps no session, forwards nothing between connections and checks
// hardly anything: what it counts is compared with what the load generator counted.
package null
