package main

import (
	"net"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// refusedConn hears of a connection that ended before there was a whole request.
func (p *process) refusedConn(peer net.Addr, cause refusal.Cause, fact error) {
	p.bridge.RefusedFor(reasonOf(cause), peer.String(), "", fact)
}

// answerMQTT answers a peer that sends MQTT without a WebSocket around it.
func answerMQTT(head []byte, cause refusal.Cause) (answer []byte, fact error, whole bool) {
	return bridge.AnswerUnwrapped(reasonOf(cause), head)
}

func handshakeLimits(cfg *config.Config) listener.Limits {
	return listener.Limits{HandshakeTimeout: cfg.Limits.HandshakeTimeout, HeaderSize: int(cfg.Limits.HeaderSize)}
}

// newGate bounds the handshakes that are under way, together and by address.
func (p *process) newGate() *listener.Gate {
	return listener.NewGate(listener.GateOptions{
		Handshakes: handshakes(p.cfg),
		PerAddress: p.cfg.Quotas.Address.Connections, AddressBits: p.cfg.Quotas.IPv6Prefix,
		Grace: p.cfg.Limits.HandshakeTimeout / 2,
	})
}

// listenerOptions are those of all listeners for devices, but for TLS.
func (p *process) listenerOptions(cfg *config.Config) (opts listener.Options, err error) {
	opts = listener.Options{
		Computing: p.computing, RecordSize: int(cfg.TLS.RecordSize),
		Limits: handshakeLimits(cfg), AcceptFailed: p.acceptFailed, Refused: p.refusedConn, Answer: answer, MQTT: answerMQTT,
		Shared: func() listener.Peers { return *p.shared.Load() },
	}
	opts.ProxyProtocol, err = peers(cfg.Addresses.ProxyProtocol)
	return opts, err
}

// sharedPeers are the proxies that name devices in a header, for the gate.
func sharedPeers(cfg *config.Config) (listener.Peers, error) {
	if addressHeaders[cfg.Addresses.Header] == handshake.NoHeader {
		return listener.Peers{}, nil
	}
	return peers(cfg.Addresses.TrustedProxies)
}
