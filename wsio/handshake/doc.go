// Package handshake answers the HTTP requests of devices: one 101 response, or a small plain error.
//
// [Handler.ServeHTTP] has the order: the device's address, the health path, the page for browsers, the rules of RFC 6455 section 4.2.1, the
// subprotocol, then Admit, which asks the bridge. The handshake itself is github.com/coder/websocket's; upgrade.go writes its response in
// one write and takes the connection out of net/http without buffers.
package handshake
