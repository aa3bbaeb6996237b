package bridge

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Keys of log attributes. All of the bridge's log lines use these and no others.
const (
	keySession  = "session"
	keyDevice   = "device"
	keyClientID = "client_id"
	keyMQTT     = "mqtt"
	keyBroker   = "broker"
	keyReason   = "reason"
	keyError    = "error"
	keyDuration = "duration"
	keyUp       = "up"
	keyDown     = "down"
	keyPackets  = "packets"
	keyBytes    = "bytes"
	keyHeld     = "held"
	keyPanic    = "panic"
	keyStack    = "stack"

	keyUserAgent = "user_agent"
)

const (
	messageEnded   = "session ended"
	messageRefused = "device refused"
)

// report counts the session's end and writes its one log line.
func (s *session) report() {
	c := s.cause.Load()
	online := stage(s.stage.Load()) == stageOnline
	message := messageEnded
	if online {
		s.b.metrics.ended(c.reason)
	} else {
		message = messageRefused
		s.b.metrics.refused(c.reason)
	}
	if !s.b.log.Enabled(context.Background(), c.reason.Level) {
		return
	}
	attrs := []slog.Attr{
		slog.String(keyReason, c.reason.Label),
		slog.Uint64(keySession, s.id),
		slog.String(keyDevice, s.dev.RemoteAddr().String()),
	}
	if s.connect.version != 0 {
		attrs = append(attrs, slog.String(keyClientID, s.connect.clientID), slog.String(keyMQTT, s.connect.version.String()))
	}
	if s.broker.Conn != nil {
		attrs = append(attrs, slog.String(keyBroker, s.broker.Name))
	}
	attrs = append(attrs,
		slog.Duration(keyDuration, (s.b.now()-s.began).Round(time.Millisecond)),
		direction(keyUp, &s.up, s.upBytes.Load()), direction(keyDown, &s.down, s.downBytes.Load()))
	if c.err != nil {
		attrs = append(attrs, slog.String(keyError, c.err.Error()))
	}
	s.b.log.LogAttrs(context.Background(), c.reason.Level, message, attrs...)
}

// direction tells what a pump has moved, and for how long a quota held it back if one did.
func direction(key string, p *pump, bytes uint64) slog.Attr {
	attrs := []any{slog.Uint64(keyPackets, p.tally.total), slog.Uint64(keyBytes, bytes)}
	if p.usage.time > 0 {
		attrs = append(attrs, slog.Duration(keyHeld, p.usage.time.Round(time.Millisecond)))
	}
	return slog.Group(key, attrs...)
}

// Refused counts and logs a refusal before the upgrade. device is an address, userAgent what the device says it is.
func (b *Bridge) Refused(r *Reason, device, userAgent string) {
	b.RefusedFor(r, device, userAgent, nil)
}

// RefusedFor is Refused with an error for the log, which must hold no secret; nil: there is no more to say than the reason.
func (b *Bridge) RefusedFor(r *Reason, device, userAgent string, err error) {
	b.metrics.refused(r)
	attrs := []slog.Attr{slog.String(keyReason, r.Label), slog.String(keyDevice, device)}
	if userAgent != "" {
		attrs = append(attrs, slog.String(keyUserAgent, forLog([]byte(userAgent))))
	}
	if err != nil {
		attrs = append(attrs, slog.String(keyError, err.Error()))
	}
	b.log.LogAttrs(context.Background(), r.Level, messageRefused, attrs...)
}

// loggedID is how much of a client identifier is kept, in bytes.
const loggedID = 64

// forLog copies what may be logged of a stranger's string: not too much, valid UTF-8, and nothing above ASCII that a terminal obeys
// or that turns the line around. The log handlers escape control characters of ASCII.
func forLog(b []byte) string {
	if len(b) <= loggedID {
		return strings.Map(harmless, strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	for n := loggedID; ; n-- {
		if utf8.RuneStart(b[n]) || n == loggedID-utf8.UTFMax {
			return strings.Map(harmless, strings.ToValidUTF8(string(b[:n]), "\uFFFD")) + "…"
		}
	}
}

func harmless(r rune) rune {
	if r >= unicode.MaxASCII && !unicode.IsPrint(r) {
		return utf8.RuneError
	}
	return r
}
