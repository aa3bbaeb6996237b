// Package wire is a WebSocket client that hides nothing: it writes handshakes and frames byte by byte, also the ones a
// well-behaved library would never write, and shows what came back as it came, reads and header lines included.
//
// It exists because the peculiar clients of the field cannot be imitated through a library, and because what is checked
// (one write, header spelling, frame boundaries) is exactly what libraries hide. It decides nothing: profiles do.
package wire
