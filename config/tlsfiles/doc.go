// Package tlsfiles turns the files of TLS, certificates with their keys, authorities, revocation lists and OCSP answers, into
// configurations of crypto/tls, and keeps them fresh: when the files change, the next handshake uses the new ones, and connections
// that are open stay as they are. Files that are broken change nothing: the old ones stay in use, and the log says why.
//
// A [Store] holds one configuration. [NewServer] makes one for the side that devices reach, [NewClient] one for dialling brokers.
// [Store.Run] watches the files; [Store.Reload] looks at them at once.
package tlsfiles
