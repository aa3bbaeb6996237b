package bridge

import (
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mqtt-ws-bridge/bridge/loglimit"
	"mqtt-ws-bridge/bridge/reason"
)

// Keys of log attributes. All of the bridge's log lines use these, those below and no others.
const (
	keySession   = "session"
	keyDevice    = "device"
	keyClientID  = "client_id"
	keyMQTT      = "mqtt"
	keyBroker    = "broker"
	keyReason    = "reason"
	keyError     = "error"
	keyDuration  = "duration"
	keyUp        = "up"
	keyDown      = "down"
	keyPackets   = "packets"
	keyBytes     = "bytes"
	keyThrottled = "throttled"
	keyPanic     = "panic"
	keyStack     = "stack"

	keyUserAgent = "user_agent"
	keyUsername  = "username"
)

// Keys of the facts that [Bridge.RefusedFor] is told, for those who find them.
const (
	KeyPath        = "path"
	KeyMethod      = "method"
	KeyOrigin      = "origin"
	KeySubprotocol = "subprotocol"
	KeyUpgrade     = "upgrade"
	KeyConnection  = "connection"
	KeyVersion     = "version"
	KeyLength      = "length"
)

// Messages of the lines about devices.
const (
	messageEnded   = "session ended"
	messageRefused = "device refused"
	messageLeft    = "device left before it was accepted"
)

// departures are the reasons for which the device itself has gone; before CONNACK nobody refused it.
var departures = map[*reason.Reason]bool{reason.Disconnect: true, reason.DeviceClosed: true, reason.DeviceLost: true,
	reason.NoRequest: true, reason.RequestIncomplete: true}

// report counts the session's end and logs it.
func (s *session) report() {
	c := s.cause.Load()
	message := messageRefused
	switch online := stage(s.stage.Load()) == stageOnline; {
	case online:
		message = messageEnded
		s.b.metrics.ended(c.reason)
	case departures[c.reason]:
		message = messageLeft
		s.b.metrics.left(c.reason)
	default:
		s.b.metrics.refused(c.reason)
	}
	if s.broker.Conn != nil {
		s.b.metrics.brokers.ended(s.broker.metrics, c.reason)
	}
	s.b.events.Log(c.reason.Level, loglimit.Kind{Message: message, Reason: c.reason.Label}, func() []slog.Attr {
		return s.summary(c)
	})
}

// summary tells what a session was.
func (s *session) summary(c *cause) []slog.Attr {
	attrs := []slog.Attr{
		slog.Uint64(keySession, s.id),
		slog.String(keyDevice, s.dev.RemoteAddr().String()),
	}
	if s.connect.version != 0 {
		attrs = append(attrs, s.connect.attrs()...)
	}
	if s.connect.username != "" {
		attrs = append(attrs, slog.String(keyUsername, s.connect.username))
	}
	if s.broker.Conn != nil {
		attrs = append(attrs, slog.String(keyBroker, s.broker.Name))
	}
	attrs = append(attrs,
		slog.Duration(keyDuration, (s.b.now()-s.began).Round(time.Millisecond)),
		direction(keyUp, &s.up, s.toDevice.Bytes()), direction(keyDown, &s.down, s.toBroker.Bytes()))
	if c.err != nil {
		attrs = append(attrs, slog.String(keyError, forLogUpTo(loggedError, c.err.Error())))
	}
	return attrs
}

// direction tells what a pump has moved, and for how long a quota throttled it if one did.
func direction(key string, p *pump, bytes uint64) slog.Attr {
	attrs := []any{slog.Uint64(keyPackets, p.tally.total), slog.Uint64(keyBytes, bytes)}
	if p.usage.time > 0 {
		attrs = append(attrs, slog.Duration(keyThrottled, p.usage.time.Round(time.Millisecond)))
	}
	return slog.Group(key, attrs...)
}

// Refused counts and logs a refusal before the upgrade, or that the device has left before it. device is an address, userAgent what the device says it is.
func (b *Bridge) Refused(r *reason.Reason, device, userAgent string) {
	b.RefusedFor(r, device, userAgent, nil)
}

// RefusedFor is Refused with what is known beside the reason: an error, which may be nil, and facts, such as what the device asked for.
// They must hold no secret; texts are cut and what a terminal obeys is taken out of them here.
func (b *Bridge) RefusedFor(r *reason.Reason, device, userAgent string, err error, facts ...slog.Attr) {
	message := messageRefused
	if departures[r] {
		message = messageLeft
		b.metrics.left(r)
	} else {
		b.metrics.refused(r)
	}
	b.events.Log(r.Level, loglimit.Kind{Message: message, Reason: r.Label}, func() []slog.Attr {
		attrs := []slog.Attr{slog.String(keyDevice, device)}
		for _, fact := range facts {
			if fact.Value.Kind() == slog.KindString {
				fact.Value = slog.StringValue(forLogUpTo(loggedFact, fact.Value.String()))
			}
			attrs = append(attrs, fact)
		}
		if userAgent != "" {
			attrs = append(attrs, slog.String(keyUserAgent, forLogUpTo(loggedFact, userAgent)))
		}
		if err != nil {
			attrs = append(attrs, slog.String(keyError, forLogUpTo(loggedError, err.Error())))
		}
		return attrs
	})
}

// How much of a stranger's string is logged, in bytes. Browsers put their names behind a hundred bytes of others' names.
const (
	loggedID    = 64 // of a client identifier; sessions keep it
	loggedFact  = 256
	loggedError = 512
)

// forLog copies what may be logged of a stranger's string: not too much, valid UTF-8, and nothing above ASCII that a terminal obeys
// or that turns the line around. The log handlers escape control characters of ASCII.
func forLog(b []byte) string { return forLogUpTo(loggedID, b) }

func forLogUpTo[T string | []byte](limit int, b T) string {
	if len(b) <= limit {
		return strings.Map(harmless, strings.ToValidUTF8(string(b), "\uFFFD"))
	}
	for n := limit; ; n-- {
		if utf8.RuneStart(b[n]) || n == limit-utf8.UTFMax {
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
