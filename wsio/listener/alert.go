package listener

import (
	"crypto/tls"
	"fmt"
)

// alertTail is the end of what a peer has sent, as long as an alert in a record that is not encrypted. Owned by the goroutine that reads.
//
// OpenSSL's clients, and others, look at the server's certificate before they install the key that their alerts are encrypted with.
// A server of TLS 1.3 expects an encrypted record then, so crypto/tls says "bad record MAC" about the most common failure there is,
// a device that does not trust the certificate.
type alertTail [7]byte

// add takes what was read.
func (t *alertTail) add(p []byte) {
	n := min(len(p), len(t))
	copy(t[:], t[n:])
	copy(t[len(t)-n:], p[len(p)-n:])
}

// explain returns the alert if there is one, in the words in which crypto/tls reports those that it has read itself, otherwise err.
func (t *alertTail) explain(err error) error {
	const record, major, size, fatal, closeNotify = 21, 3, 2, 2, 0
	if t[0] != record || t[1] != major || t[3] != 0 || t[4] != size || t[5] != fatal || t[6] == closeNotify {
		return err
	}
	return fmt.Errorf("remote error: %w", tls.AlertError(t[6]))
}
