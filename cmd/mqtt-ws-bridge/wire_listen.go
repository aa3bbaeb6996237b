package main

import (
	"net"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/wsio"
)

// refusedConn hears of a connection that ended before there was a whole request.
func (p *process) refusedConn(peer net.Addr, cause wsio.Cause, fact error) {
	p.bridge.RefusedFor(reasonOf(cause), peer.String(), "", fact)
}

// answerMQTT answers a peer that sends MQTT without a WebSocket around it.
func answerMQTT(head []byte, cause wsio.Cause) (answer []byte, fact error, whole bool) {
	return bridge.AnswerUnwrapped(reasonOf(cause), head)
}

func handshakeLimits(cfg *config.Config) wsio.Limits {
	return wsio.Limits{HandshakeTimeout: cfg.Limits.HandshakeTimeout, HeaderSize: int(cfg.Limits.HeaderSize)}
}

// newGate bounds the handshakes that are under way, together and by address.
func (p *process) newGate() *wsio.Gate {
	return wsio.NewGate(wsio.GateOptions{
		Handshakes: handshakes(p.cfg),
		PerAddress: p.cfg.Quotas.Address.Connections, AddressBits: p.cfg.Quotas.IPv6Prefix,
		Grace: p.cfg.Limits.HandshakeTimeout / 2,
	})
}

// listenerOptions are those of all listeners for devices, but for TLS.
func (p *process) listenerOptions(cfg *config.Config) (opts wsio.ListenerOptions, err error) {
	opts = wsio.ListenerOptions{
		Computing: p.computing, RecordSize: int(cfg.TLS.RecordSize),
		Limits: handshakeLimits(cfg), AcceptFailed: p.acceptFailed, Refused: p.refusedConn, Answer: answer, MQTT: answerMQTT,
		Shared: func() wsio.Peers { return *p.shared.Load() },
	}
	opts.ProxyProtocol, err = peers(cfg.Addresses.ProxyProtocol)
	return opts, err
}

// sharedPeers are the proxies that name devices in a header, for the gate.
func sharedPeers(cfg *config.Config) (wsio.Peers, error) {
	if addressHeaders[cfg.Addresses.Header] == wsio.NoHeader {
		return wsio.Peers{}, nil
	}
	return peers(cfg.Addresses.TrustedProxies)
}
