package config

import "time"

// Default returns the configuration of a bridge that was told nothing. The caller owns it.
func Default() *Config {
	return &Config{
		Listen:      []string{":8083"},
		Paths:       []string{"/mqtt", "/"},
		HealthPath:  "/healthz",
		Origins:     []string{},
		Subprotocol: Subprotocol{Extra: []string{}},
		Addresses:   Addresses{ProxyProtocol: []string{}, Header: "none", TrustedProxies: []string{}},
		TLS:         TLS{Certificates: []Certificate{}, ClientAuth: "off", MinVersion: "1.2", Ciphers: []string{}},
		Upstream: Upstream{
			URLs:           []string{},
			TLS:            UpstreamTLS{MinVersion: "1.2", Ciphers: []string{}, ALPN: []string{}, Pins: []string{}},
			Headers:        map[string]Secret{},
			Subprotocol:    "mqtt",
			ProxyProtocol:  "off",
			DialTimeout:    5 * time.Second,
			ConnackTimeout: 10 * time.Second,
			HealthInterval: 5 * time.Second,
		},
		Embedded: Embedded{Listen: "127.0.0.1:1883"},
		Access: Access{
			Sources: []AccessSource{}, Connect: AccessConnect{UserProperties: map[string]string{}}, Rules: []AccessRule{},
			Retain: true, DeniedPublish: "answer", ExpiryWill: true,
		},
		Limits: Limits{
			Sessions:         10000,
			Dials:            256,
			Handshakes:       1024,
			HandshakeTimeout: 10 * time.Second,
			HeaderSize:       16 * KiB,
			ConnectSize:      64 * KiB,
			ConnectTimeout:   10 * time.Second,
			PacketSize:       256 * MiB,
			SubscribeFilters: 1024,
			PacketTimeout:    2 * time.Minute,
			ControlFrames:    100,
			WriteTimeout:     20 * time.Second,
		},
		Quotas:         Quotas{Burst: 2 * time.Second, IPv6Prefix: 64},
		BrowserReasons: "on",
		EventLoops:     "auto",
		Keepalive:      Keepalive{TCP: 5 * time.Minute},
		Downlink:       Downlink{FrameSize: 64 * KiB},
		Drain:          Drain{Rate: 500, Timeout: 30 * time.Second},
		Admin:          Admin{Listen: "127.0.0.1:9090", Hosts: []string{}, Pprof: "off"},
		Log:            Log{Level: "info", Format: "auto", Rate: 5},
	}
}
