// Package wsframes has WebSocket frames as a device sends and reads them, for the tests of all packages.
//
// It is written from RFC 6455 once more and shares nothing with wsio: the tests are a second opinion.
package wsframes
