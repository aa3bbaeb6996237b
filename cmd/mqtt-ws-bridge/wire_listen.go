package main

import (
	"crypto/tls"
	"fmt"
	"net"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/wsio"
)

// refusedConn hears of a connection that ended before there was a whole request.
func (p *process) refusedConn(peer net.Addr, cause wsio.Cause, fact error) {
	p.bridge.RefusedFor(reason.ByLabel(string(cause)), peer.String(), "", fact)
}

// answerMQTT answers a peer that sends MQTT without a WebSocket around it.
func answerMQTT(head []byte, cause wsio.Cause) (answer []byte, fact error, whole bool) {
	return bridge.AnswerUnwrapped(reason.ByLabel(string(cause)), head)
}

func (p *process) handshakeLimits() wsio.Limits {
	return wsio.Limits{HandshakeTimeout: p.cfg.Limits.HandshakeTimeout, HeaderSize: int(p.cfg.Limits.HeaderSize)}
}

// newGate bounds the handshakes that are under way, together and by address.
func (p *process) newGate() *wsio.Gate {
	return wsio.NewGate(wsio.GateOptions{
		Handshakes: handshakes(p.cfg),
		PerAddress: p.cfg.Quotas.Address.Connections, AddressBits: p.cfg.Quotas.IPv6Prefix,
		Grace: p.cfg.Limits.HandshakeTimeout / 2,
	})
}

// listenerOptions are those of all listeners for devices.
func (p *process) listenerOptions() (wsio.ListenerOptions, error) {
	opts := wsio.ListenerOptions{
		Computing: newHandshakeSlots(), RecordSize: int(p.cfg.TLS.RecordSize),
		Limits: p.handshakeLimits(), AcceptFailed: p.acceptFailed, Refused: p.refusedConn, Answer: answer, MQTT: answerMQTT,
	}
	opts.Shared = func() wsio.Peers { return *p.shared.Load() }
	shared, err := sharedPeers(p.cfg)
	if err != nil {
		return opts, err
	}
	p.shared.Store(&shared)
	opts.ProxyProtocol, err = peers(p.cfg.Addresses.ProxyProtocol)
	return opts, err
}

// sharedPeers are the proxies that name devices in a header, for the gate.
func sharedPeers(cfg *config.Config) (wsio.Peers, error) {
	if addressHeaders[cfg.Addresses.Header] == wsio.NoHeader {
		return wsio.Peers{}, nil
	}
	return peers(cfg.Addresses.TrustedProxies)
}

// openDevices opens the listeners for devices, behind one gate for all.
func (p *process) openDevices() error {
	gate := p.newGate()
	opts, err := p.listenerOptions()
	if err != nil {
		return err
	}
	var tlsConfig *tls.Config
	for _, text := range p.cfg.Listen {
		a, err := config.ParseListen(text)
		if err != nil {
			return err
		}
		if a.TLS && tlsConfig == nil {
			files := p.tlsOptions("devices")
			files.Changed = p.bridge.Recheck
			p.deviceTLS, err = p.keepTLS(tlsfiles.NewServer(p.cfg.DeviceTLS(), files))
			if err != nil {
				return fmt.Errorf("tls: %w", err)
			}
			tlsConfig = p.deviceTLS.ServerConfig()
		}
		l, err := listen(a, net.ListenConfig{KeepAlive: -1}) // how long a device may be silent is for MQTT to say
		if err != nil {
			return fmt.Errorf("listen for devices: %w", err)
		}
		if opts.TLS = nil; a.TLS {
			opts.TLS = tlsConfig
		}
		l = gate.Listener(l, opts)
		p.deviceListeners, p.addresses = append(p.deviceListeners, l), append(p.addresses, a)
	}
	return nil
}
