package config

import "time"

// Config is everything an operator can set. [Load] fills and checks it; nobody changes it afterwards.
//
// Tags: koanf is the key's name, doc its documentation, range the allowed values of numbers, durations and sizes,
// zero:"ok" allows 0 beside the range, oneof lists the allowed words, flag names the short flag of a common key.
type Config struct {
	Listen      []string    `koanf:"listen" flag:"listen" doc:"Where devices connect: host:port or ws://host:port is plain, wss://host:port is TLS, unix:///path is a socket, with ?mode=0660&group=www-data if others are to reach it."`
	Paths       []string    `koanf:"paths" doc:"URL paths at which devices are accepted; any other path is 404. One that ends in /*, such as /mqtt/*, accepts everything below."`
	HealthPath  string      `koanf:"health-path" doc:"URL path at which load balancers see on the devices' port whether a device would be taken: GET or HEAD without Upgrade gets 200, or 503 with the reason; empty or off for none."`
	Origins     []string    `koanf:"origins" doc:"Web pages that may connect, each exactly scheme://host[:port], or null; with an empty list Origin is not checked."`
	Subprotocol Subprotocol `koanf:"subprotocol" doc:"What a device must offer in Sec-WebSocket-Protocol, beside mqtt and mqttv3.1."`
	Addresses   Addresses   `koanf:"addresses" doc:"How the address of a device behind a proxy is found; see security.md."`
	TLS         TLS         `koanf:"tls" doc:"TLS towards devices, for listen addresses that start with wss://."`
	Upstream    Upstream    `koanf:"upstream" doc:"The brokers behind the bridge and how to reach them."`
	Embedded    Embedded    `koanf:"embedded" doc:"The broker inside the bridge, used when upstream.urls is empty."`
	Access      Access      `koanf:"access" doc:"Who may connect and what devices may do."`
	Limits      Limits      `koanf:"limits" doc:"What devices may cost."`
	Quotas      Quotas      `koanf:"quotas" doc:"What a device may use, alone and together with others; 0 is no limit. See operations.md."`
	EventLoops  string      `koanf:"event-loops" oneof:"auto off" doc:"auto: event loops serve the sessions between sockets, where the system has them. off: each session has two goroutines, which costs more."`
	Downlink    Downlink    `koanf:"downlink" doc:"Frames from the bridge to devices."`
	Keepalive   Keepalive   `koanf:"keepalive" doc:"When a silent device is given up."`
	Drain       Drain       `koanf:"drain" doc:"How sessions end when the bridge stops."`
	Admin       Admin       `koanf:"admin" doc:"The operator's HTTP: health, readiness, metrics, profiles."`
	Log         Log         `koanf:"log" doc:"What the bridge writes to standard error."`
}

// Subprotocol relaxes the rule that a device offers mqtt or mqttv3.1.
type Subprotocol struct {
	Optional bool     `koanf:"optional" doc:"Accept devices that offer no subprotocol at all."`
	Extra    []string `koanf:"extra" doc:"Further names to accept and echo, such as arduino."`
}

// Addresses says whose word on a device's address is believed. [ParsePeers] reads the lists.
type Addresses struct {
	ProxyProtocol  []string `koanf:"proxy-protocol" doc:"Addresses, prefixes such as 10.0.0.0/8, or unix, whose connections must begin with a PROXY header, version 1 or 2; others may not."`
	Header         string   `koanf:"header" oneof:"none x-forwarded-for forwarded" doc:"The one header in which the trusted proxies name the device."`
	TrustedProxies []string `koanf:"trusted-proxies" doc:"Addresses, prefixes such as 10.0.0.0/8, or unix, whose addresses.header is believed."`
}

// TLS is the bridge's own certificates, shown to devices, and whose certificates devices may show.
type TLS struct {
	Cert         string        `koanf:"cert" doc:"PEM file with the certificate, followed by its chain."`
	Key          string        `koanf:"key" doc:"PEM file with the private key of tls.cert."`
	OCSP         string        `koanf:"ocsp" doc:"DER file with the OCSP answer to staple to tls.cert; it may be missing."`
	Certificates []Certificate `koanf:"certificates" doc:"Further certificates, each with cert, key and ocsp, picked by the name a device asks for (SNI); tls.cert, or else the first, is for all other names."`
	ClientAuth   string        `koanf:"client-auth" oneof:"off request require" doc:"Whether a device shows a certificate: request checks one if it comes, require refuses devices without."`
	ClientCA     string        `koanf:"client-ca" doc:"PEM file with the authorities of device certificates."`
	CRL          string        `koanf:"crl" doc:"PEM or DER file with the revocation lists of the authorities in tls.client-ca."`
	MinVersion   string        `koanf:"min-version" oneof:"1.2 1.3" doc:"Oldest TLS version a device may use."`
}

// Certificate names the files of one certificate.
type Certificate struct {
	Cert string `koanf:"cert" doc:"PEM file with the certificate, followed by its chain."`
	Key  string `koanf:"key" doc:"PEM file with the private key of cert."`
	OCSP string `koanf:"ocsp" doc:"DER file with the OCSP answer to staple to cert; it may be missing."`
}

// Upstream says which brokers there are. [ParseUpstream] reads one of its URLs.
type Upstream struct {
	URLs           []string          `koanf:"urls" flag:"upstream" doc:"Brokers, tried in order: tcp:// (or mqtt://), tls:// (or mqtts://), unix:///path, ws:// or wss://; with an empty list the embedded broker serves."`
	TLS            UpstreamTLS       `koanf:"tls" doc:"TLS towards brokers, for URLs that start with tls:// or wss://."`
	Headers        map[string]Secret `koanf:"headers" doc:"HTTP headers sent with the handshake to ws:// and wss:// brokers; values are secret."`
	Subprotocol    string            `koanf:"subprotocol" doc:"Subprotocol offered to ws:// and wss:// brokers; empty offers none."`
	DialTimeout    time.Duration     `koanf:"dial-timeout" range:"1ms 10m" doc:"Longest time for reaching a broker, with TLS and WebSocket handshake."`
	ProxyProtocol  string            `koanf:"proxy-protocol" oneof:"off v1 v2" doc:"PROXY header with the device's address at the beginning of every connection to a broker; v2 tells of TLS and of the client certificate too."`
	ConnackTimeout time.Duration     `koanf:"connack-timeout" range:"1ms 10m" doc:"Longest wait for a broker's CONNACK."`
	PingInterval   time.Duration     `koanf:"ping-interval" range:"1s 24h" zero:"ok" doc:"Interval of WebSocket pings to ws:// and wss:// brokers, for load balancers that close idle connections; 0 sends none."`
	Proxy          UpstreamProxy     `koanf:"proxy" doc:"HTTP proxy through which brokers are reached with CONNECT; unix:// brokers are reached without it."`
	HealthInterval time.Duration     `koanf:"health-interval" range:"10ms 1h" doc:"How often a broker is asked whether it answers."`
}

// UpstreamTLS is how the bridge trusts a broker and shows itself to it.
type UpstreamTLS struct {
	CA         string   `koanf:"ca" doc:"PEM file with the authorities to trust; empty trusts the system's."`
	Cert       string   `koanf:"cert" doc:"PEM file with the bridge's client certificate, followed by its chain."`
	Key        string   `koanf:"key" doc:"PEM file with the private key of upstream.tls.cert."`
	ServerName string   `koanf:"server-name" doc:"Name expected in the broker's certificate; empty takes the host of the URL."`
	MinVersion string   `koanf:"min-version" oneof:"1.2 1.3" doc:"Oldest TLS version a broker may use."`
	ALPN       []string `koanf:"alpn" doc:"ALPN protocol names offered to tls:// brokers, such as x-amzn-mqtt-ca for AWS IoT on port 443."`
	Pins       []string `koanf:"pins" doc:"Public keys that a broker's certificate may have, each as sha256/ and the base64 of the SHA-256 of its SubjectPublicKeyInfo. They replace the check of authority, name and dates; with upstream.tls.ca both checks apply."`
	CommonName bool     `koanf:"common-name" doc:"Accepts a broker's certificate without subject alternative names if its common name is the expected name."`
}

// UpstreamProxy is the way to brokers through an HTTP proxy.
type UpstreamProxy struct {
	URL      string `koanf:"url" doc:"The proxy, as http://HOST:PORT; empty reaches brokers directly."`
	Username string `koanf:"username" doc:"User name for the proxy (Basic authentication)."`
	Password Secret `koanf:"password" doc:"Password for the proxy; secret."`
}

// Embedded is the broker in process.
type Embedded struct {
	Listen string `koanf:"listen" doc:"host:port at which other MQTT programs reach the embedded broker; empty or off keeps it in process."`
}

// Limits bound what devices may cost, one by one and together.
type Limits struct {
	Sessions         int           `koanf:"sessions" range:"1 10000000" doc:"Most sessions at once; a device beyond it gets 503."`
	Memory           Size          `koanf:"memory" range:"16MiB 900GiB" zero:"ok" doc:"Memory the bridge may use; above nine tenths of it new devices get 503, and sessions that hold packets wait, see operations.md. 0 takes GOMEMLIMIT, or else three quarters of what the control group or the machine has."`
	Dials            int           `koanf:"dials" range:"1 1000000" doc:"Most connections to brokers being opened at once."`
	Handshakes       int           `koanf:"handshakes" range:"1 10000000" doc:"Most handshakes (PROXY header, TLS, WebSocket) under way at once, over all listeners; beyond that the address that has most of them loses one."`
	HandshakeTimeout time.Duration `koanf:"handshake-timeout" range:"1ms 10m" doc:"Longest time from accept to the end of the WebSocket request, PROXY header and TLS handshake included."`
	HeaderSize       Size          `koanf:"header-size" range:"512B 1MiB" doc:"Largest handshake request: request line and headers; a larger one gets 431."`
	ConnectSize      Size          `koanf:"connect-size" range:"64B 64KiB" doc:"Largest CONNECT packet."`
	ConnectTimeout   time.Duration `koanf:"connect-timeout" range:"1ms 10m" doc:"Longest wait for a device's CONNECT after the handshake."`
	PacketSize       Size          `koanf:"packet-size" range:"128B 256MiB" doc:"Largest packet in either direction; 256MiB is all that MQTT allows."`
	SubscribeFilters int           `koanf:"subscribe-filters" range:"1 16384" zero:"ok" doc:"Most topic filters in one SUBSCRIBE; a larger one is refused whole: each filter gets 0x97, in MQTT 3.x 0x80. 0 any."`
	PacketTimeout    time.Duration `koanf:"packet-timeout" range:"1ms 24h" zero:"ok" doc:"Longest time for which a device or broker may send nothing in the middle of a packet, whatever the keep alive; 0 any."`
	ControlFrames    int           `koanf:"control-frames" range:"1 1000000" zero:"ok" doc:"Most WebSocket pings, pongs and empty frames of a device in a second, of which ten seconds' worth may come at once; 0 any."`
	WriteTimeout     time.Duration `koanf:"write-timeout" range:"1ms 1h" doc:"Longest time in which a peer takes no byte of what waits for it; then the session ends. A peer that is slow and goes on reading is not ended."`
}

// Downlink shapes the frames sent to devices.
type Downlink struct {
	FrameSize    Size          `koanf:"frame-size" range:"128B 64KiB" doc:"Largest frame sent to a device; a larger packet goes as several whole frames."`
	PingInterval time.Duration `koanf:"ping-interval" range:"10ms 24h" zero:"ok" doc:"How often the bridge sends a WebSocket ping; 0 never."`
}

// Keepalive bounds how long a device may be silent.
type Keepalive struct {
	Grace       time.Duration `koanf:"grace" range:"0s 1h" doc:"Time added to 1.5 times the keep alive a device asked for."`
	IdleTimeout time.Duration `koanf:"idle-timeout" range:"10ms 720h" zero:"ok" doc:"Longest silence of a device that asked for keep alive 0; 0 allows any."`
	TCP         time.Duration `koanf:"tcp" range:"1s 9h" zero:"ok" doc:"In sessions whose device asked for keep alive 0: silence after which TCP asks a device or broker whether it is still there. Three questions in a row without an answer, this time apart, end the session; 0 never asks. Every other session is ended by MQTT's keep alive alone, and TCP wakes nobody."`
}

// Drain is how sessions are ended on shutdown.
type Drain struct {
	Rate    int           `koanf:"rate" range:"1 10000000" doc:"Sessions ended per second."`
	Timeout time.Duration `koanf:"timeout" range:"0s 24h" doc:"After this time the sessions that are left are cut."`
}

// Admin is the operator's listener.
type Admin struct {
	Listen string   `koanf:"listen" flag:"admin" doc:"host:port or unix:///path (with ?mode=, &group= as in listen) for the operator; empty or off for none."`
	Hosts  []string `koanf:"hosts" doc:"Names under which the operator's HTTP may be reached, beside IP addresses and names without a dot; other names are refused, because a web page could have made them up."`
	Pprof  string   `koanf:"pprof" oneof:"off on" doc:"Whether /debug/pprof/ offers profiles, which cost time and show what the process works on."`
}

// Log is what is logged and how it looks.
type Log struct {
	Level    string `koanf:"level" oneof:"debug info warn error" doc:"Least important level that is written."`
	Format   string `koanf:"format" oneof:"auto text json" doc:"auto is text on a terminal and JSON elsewhere."`
	Connects bool   `koanf:"connects" doc:"Write a line when the broker accepts a device too, not only at the end of its session."`
	Rate     int    `koanf:"rate" range:"1 1000000" zero:"ok" doc:"Most lines a second of one kind: begins of sessions, or refusals or ends of sessions for one reason; twice as many may come at once. What comes more often is counted in one line; 0 logs each."`
}
