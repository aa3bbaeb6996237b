package bridge

import (
	"context"
	"log/slog"
	"time"

	"mqtt-ws-bridge/bridge/loglimit"
	"mqtt-ws-bridge/mqttio"
)

// Messages of the lines about a device that does what it should. All but the one about its session's begin are for debugging; all pass
// the limit of log lines, since a device can cause as many of them as it likes.
const (
	messageConnected = "device connected"
	messageConnect   = "CONNECT"
	messageSubscribe = "SUBSCRIBE"
	messageBegan     = "session began"
)

const (
	keyKeepAlive  = "keep_alive"
	keyCleanStart = "clean_start"
	keyFilters    = "filters"
	keyFilterSum  = "filter_count"
)

// loggedFilters is how many topic filters of a SUBSCRIBE are logged.
const loggedFilters = 16

// trace writes a line about what a device does, with the attributes that make returns.
func (s *session) trace(level slog.Level, message string, make func() []slog.Attr) {
	s.b.events.Log(level, loglimit.Kind{Message: message}, func() []slog.Attr {
		return append([]slog.Attr{slog.Uint64(keySession, s.id), slog.String(keyDevice, s.dev.RemoteAddr().String())}, make()...)
	})
}

func (s *session) traceConnected() {
	s.trace(slog.LevelDebug, messageConnected, func() []slog.Attr { return nil })
}

// traceConnect tells what the device sent. Called before a policy changes it.
func (s *session) traceConnect(c *mqttio.Connect) {
	s.trace(slog.LevelDebug, messageConnect, func() []slog.Attr {
		attrs := append(s.connect.attrs(), slog.Duration(keyKeepAlive, time.Duration(c.KeepAlive)*time.Second), slog.Bool(keyCleanStart, c.CleanStart))
		if s.connect.username != "" {
			attrs = append(attrs, slog.String(keyUsername, s.connect.username))
		}
		return attrs
	})
}

// traceBegan tells that the broker has accepted the device.
func (s *session) traceBegan() {
	level := slog.LevelDebug
	if s.b.logConnects.Load() {
		level = slog.LevelInfo
	}
	s.trace(level, messageBegan, func() []slog.Attr {
		return append(s.connect.attrs(), slog.String(keyBroker, s.broker.Name),
			slog.Duration(keyDuration, (s.b.now()-s.began).Round(time.Millisecond)))
	})
}

// traceSubscribe tells the topic filters as the device writes them.
func (s *session) traceSubscribe(p *mqttio.Packet) {
	if !s.b.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	s.trace(slog.LevelDebug, messageSubscribe, func() []slog.Attr {
		sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, s.connect.version)
		if err != nil { // it was checked
			return []slog.Attr{slog.String(keyError, err.Error())}
		}
		filters, n := make([]string, 0, loggedFilters), 0
		for filter := range sub.All() {
			if n++; n <= loggedFilters {
				filters = append(filters, forLog(filter))
			}
		}
		return []slog.Attr{slog.String(keyClientID, s.connect.clientID), slog.Any(keyFilters, filters), slog.Int(keyFilterSum, n)}
	})
}

// attrs says who connects.
func (c *connectInfo) attrs() []slog.Attr {
	return []slog.Attr{slog.String(keyClientID, c.clientID), slog.String(keyMQTT, c.version.String())}
}
