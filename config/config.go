package config

import "time"

// Config is everything an operator can set. [Load] fills and checks it; nobody changes it afterwards.
//
// Tags: koanf is the key's name, doc its documentation, range the allowed values of numbers, durations and sizes,
// zero:"ok" allows 0 beside the range, oneof lists the allowed words, flag names the short flag of a common key.
type Config struct {
	Listen         []string    `koanf:"listen" flag:"listen" doc:"Addresses at which devices connect: host:port or ws://host:port is plain, wss://host:port is TLS, unix:///path is a Unix socket, with ?mode=0660&group=www-data to give other users access."`
	Paths          []string    `koanf:"paths" doc:"URL paths at which the bridge accepts devices; any other path gets 404. A path that ends in /*, such as /mqtt/*, accepts every path below it."`
	HealthPath     string      `koanf:"health-path" doc:"URL path of the health check for load balancers, on the devices' port: GET or HEAD without Upgrade gets 200 if the bridge would accept a device, otherwise 503 with the reason. Empty or off: no health check."`
	Origins        []string    `koanf:"origins" doc:"Origins of the web pages that may connect, each exactly scheme://host[:port], or null; with an empty list the bridge does not check Origin."`
	Subprotocol    Subprotocol `koanf:"subprotocol" doc:"WebSocket subprotocols that the bridge accepts in addition to mqtt and mqttv3.1."`
	Addresses      Addresses   `koanf:"addresses" doc:"How the bridge finds the address of a device behind a proxy; see security.md."`
	TLS            TLS         `koanf:"tls" doc:"TLS towards devices, for listen addresses that start with wss://."`
	Upstream       Upstream    `koanf:"upstream" doc:"The brokers behind the bridge, and how it connects to them."`
	Embedded       Embedded    `koanf:"embedded" doc:"The broker inside the bridge, used when upstream.urls is empty."`
	Access         Access      `koanf:"access" doc:"Who may connect and what devices may do."`
	Limits         Limits      `koanf:"limits" doc:"Limits on sessions, memory, sizes and times."`
	Quotas         Quotas      `koanf:"quotas" doc:"Limits on how much a device may use, alone and together with others; 0: no limit. See operations.md."`
	BrowserReasons string      `koanf:"browser-reasons" oneof:"on off" doc:"on: a page (a request with Origin) whose good handshake is refused gets its WebSocket first, and then the reason in CONNACK and in the close frame; without it a page sees nothing but code 1006. off: pages get the HTTP status, as devices do."`
	EventLoops     string      `koanf:"event-loops" oneof:"auto off" doc:"auto: event loops serve sessions whose two connections are sockets, where the system supports it. off: each session has two goroutines, which use more memory and processor time."`
	Downlink       Downlink    `koanf:"downlink" doc:"Frames from the bridge to devices."`
	Keepalive      Keepalive   `koanf:"keepalive" doc:"When the bridge ends the session of a silent device."`
	Drain          Drain       `koanf:"drain" doc:"How sessions end when the bridge stops."`
	Admin          Admin       `koanf:"admin" doc:"The operator's HTTP listener: health, readiness, metrics, profiles."`
	Log            Log         `koanf:"log" doc:"What the bridge writes to standard error."`
}

// Subprotocol relaxes the rule that a device offers mqtt or mqttv3.1.
type Subprotocol struct {
	Optional bool     `koanf:"optional" doc:"Whether to accept devices that offer no subprotocol."`
	Extra    []string `koanf:"extra" doc:"Further subprotocol names to accept and echo, such as arduino."`
}

// Addresses says whose word on a device's address is believed. [ParsePeers] reads the lists.
type Addresses struct {
	ProxyProtocol  []string `koanf:"proxy-protocol" doc:"Peers whose connections must begin with a PROXY header, version 1 or 2: addresses, prefixes such as 10.0.0.0/8, or unix. Connections of other peers must not have one."`
	Header         string   `koanf:"header" oneof:"none x-forwarded-for forwarded" doc:"HTTP header in which the trusted proxies send the device's address."`
	TrustedProxies []string `koanf:"trusted-proxies" doc:"Proxies whose addresses.header the bridge trusts: addresses, prefixes such as 10.0.0.0/8, or unix."`
}

// TLS is the bridge's own certificates, shown to devices, and whose certificates devices may show.
type TLS struct {
	Cert         string        `koanf:"cert" doc:"PEM file with the certificate, followed by its chain."`
	Key          string        `koanf:"key" doc:"PEM file with the private key of tls.cert."`
	OCSP         string        `koanf:"ocsp" doc:"DER file with the OCSP response to staple to tls.cert; the file may be missing."`
	Certificates []Certificate `koanf:"certificates" doc:"Further certificates, each with cert, key and ocsp, selected by the server name that the device sends (SNI). All other names get tls.cert or, if that is empty, the first of these."`
	ClientAuth   string        `koanf:"client-auth" oneof:"off request require" doc:"Client certificates. request: the bridge asks for one and verifies it if the device sends it. require: the bridge refuses devices without one."`
	ClientCA     string        `koanf:"client-ca" doc:"PEM file with the certificate authorities (CAs) that issue device certificates."`
	CRL          string        `koanf:"crl" doc:"PEM or DER file with the certificate revocation lists of the CAs in tls.client-ca."`
	MinVersion   string        `koanf:"min-version" oneof:"1.2 1.3" doc:"Oldest TLS version a device may use."`
	Ciphers      []string      `koanf:"ciphers" doc:"Cipher suites of TLS 1.2 that devices may use; the order has no effect. Names are those of IANA (TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) or OpenSSL (ECDHE-RSA-AES128-GCM-SHA256). Empty: all that Go regards as secure. Insecure ones, such as those with RSA key exchange, are used only if named. TLS 1.3 always has all of its suites."`
	RecordSize   Size          `koanf:"record-size" range:"512B 16KiB" zero:"ok" doc:"Maximum size of the application data in one TLS record to a device, for devices with small TLS buffers that do not ask for small records themselves. A device that asks (max_fragment_length, record_size_limit) gets what it asks for without this key. 0: 16KiB, the maximum of TLS."`
}

// Certificate names the files of one certificate.
type Certificate struct {
	Cert string `koanf:"cert" doc:"PEM file with the certificate, followed by its chain."`
	Key  string `koanf:"key" doc:"PEM file with the private key of cert."`
	OCSP string `koanf:"ocsp" doc:"DER file with the OCSP response to staple to cert; the file may be missing."`
}

// Upstream says which brokers there are. [ParseUpstream] reads one of its URLs.
type Upstream struct {
	URLs           []string          `koanf:"urls" flag:"upstream" doc:"Brokers, tried in order: tcp:// (or mqtt://), tls:// (or mqtts://), unix:///path, ws:// or wss://; with an empty list the embedded broker serves."`
	TLS            UpstreamTLS       `koanf:"tls" doc:"TLS towards brokers, for URLs that start with tls:// or wss://."`
	Headers        map[string]Secret `koanf:"headers" doc:"HTTP headers sent with the handshake to ws:// and wss:// brokers; values are secret."`
	Subprotocol    string            `koanf:"subprotocol" doc:"Subprotocol offered to ws:// and wss:// brokers; empty offers none."`
	DialTimeout    time.Duration     `koanf:"dial-timeout" range:"1ms 10m" doc:"Longest time to connect to a broker, including the TLS and WebSocket handshakes."`
	ProxyProtocol  string            `koanf:"proxy-protocol" oneof:"off v1 v2" doc:"Version of the PROXY header that starts every connection to a broker and carries the device's address. v2 also says whether the device uses TLS and which client certificate it has."`
	ConnackTimeout time.Duration     `koanf:"connack-timeout" range:"1ms 10m" doc:"Longest wait for the broker's CONNACK, and for the end of an exchange of AUTH packets."`
	PingInterval   time.Duration     `koanf:"ping-interval" range:"1s 24h" zero:"ok" doc:"Interval of WebSocket pings to ws:// and wss:// brokers, for load balancers that close idle connections; 0 sends none."`
	Proxy          UpstreamProxy     `koanf:"proxy" doc:"HTTP proxy (method CONNECT) through which the bridge connects to brokers; it connects to unix:// brokers directly."`
	HealthInterval time.Duration     `koanf:"health-interval" range:"10ms 1h" doc:"Interval between health checks of a broker; the bridge skips a check if a session has reached the broker within the interval."`
}

// UpstreamTLS is how the bridge trusts a broker and shows itself to it.
type UpstreamTLS struct {
	CA         string   `koanf:"ca" doc:"PEM file with the CAs to trust; empty trusts those of the system."`
	Cert       string   `koanf:"cert" doc:"PEM file with the bridge's client certificate, followed by its chain."`
	Key        string   `koanf:"key" doc:"PEM file with the private key of upstream.tls.cert."`
	ServerName string   `koanf:"server-name" doc:"Name that the broker's certificate must have; empty: the host of the URL."`
	MinVersion string   `koanf:"min-version" oneof:"1.2 1.3" doc:"Oldest TLS version a broker may use."`
	Ciphers    []string `koanf:"ciphers" doc:"Cipher suites of TLS 1.2 that the bridge offers to brokers; names as in tls.ciphers. Empty: all that Go regards as secure."`
	ALPN       []string `koanf:"alpn" doc:"ALPN protocol names offered to tls:// brokers, such as x-amzn-mqtt-ca for AWS IoT on port 443."`
	Pins       []string `koanf:"pins" doc:"Public keys that a broker's certificate may have, each as sha256/ followed by the base64 of the SHA-256 of its SubjectPublicKeyInfo. Pins replace the check of CA, name and validity dates; with upstream.tls.ca both checks apply."`
	CommonName bool     `koanf:"common-name" doc:"Whether to accept a broker's certificate that has no subject alternative names if its common name is the expected name."`
}

// UpstreamProxy is the way to brokers through an HTTP proxy.
type UpstreamProxy struct {
	URL      string `koanf:"url" doc:"URL of the proxy, http://HOST:PORT; empty connects to brokers directly."`
	Username string `koanf:"username" doc:"User name for the proxy (Basic authentication)."`
	Password Secret `koanf:"password" doc:"Password for the proxy; secret."`
}

// Embedded is the broker in process.
type Embedded struct {
	Listen string `koanf:"listen" doc:"host:port at which the embedded broker accepts other MQTT clients; empty or off: no listener, only devices of the bridge reach it."`
}

// Limits bound what devices may cost, one by one and together.
type Limits struct {
	Sessions         int           `koanf:"sessions" range:"1 10000000" doc:"Maximum number of concurrent sessions; further devices get 503."`
	Memory           Size          `koanf:"memory" range:"16MiB 900GiB" zero:"ok" doc:"Memory that the process may use. Above 90 % of it new devices get 503, and sessions with large packets wait for buffers: see operations.md. 0: GOMEMLIMIT, or three quarters of the memory of the control group or the machine."`
	Dials            int           `koanf:"dials" range:"1 1000000" doc:"Maximum number of connections to brokers that are being opened at once."`
	Handshakes       int           `koanf:"handshakes" range:"1 10000000" doc:"Maximum number of handshakes (PROXY header, TLS, WebSocket) in progress at once, over all listeners. For each further one the bridge ends a handshake of the address that has most of them."`
	HandshakeTimeout time.Duration `koanf:"handshake-timeout" range:"1ms 10m" doc:"Longest time from accept to the end of the WebSocket request, including PROXY header and TLS handshake."`
	HeaderSize       Size          `koanf:"header-size" range:"512B 1MiB" doc:"Maximum size of the handshake request (request line and headers); a larger one gets 431."`
	ConnectSize      Size          `koanf:"connect-size" range:"64B 64KiB" doc:"Maximum size of the CONNECT packet."`
	ConnectTimeout   time.Duration `koanf:"connect-timeout" range:"1ms 10m" doc:"Longest wait for the device's complete CONNECT after the handshake."`
	PacketSize       Size          `koanf:"packet-size" range:"128B 256MiB" doc:"Maximum size of an MQTT packet in either direction; 256MiB is the maximum of MQTT."`
	SubscribeFilters int           `koanf:"subscribe-filters" range:"1 16384" zero:"ok" doc:"Maximum number of topic filters in one SUBSCRIBE. A larger SUBSCRIBE is refused as a whole: each filter gets 0x97, in MQTT 3.x 0x80. 0: no limit."`
	PacketTimeout    time.Duration `koanf:"packet-timeout" range:"1ms 24h" zero:"ok" doc:"Longest pause of a device or broker in the middle of a packet, whatever the keep alive; 0: no limit."`
	ControlFrames    int           `koanf:"control-frames" range:"1 1000000" zero:"ok" doc:"Maximum rate of WebSocket pings, pongs and empty frames from a device, per second; the burst size is ten seconds' worth. 0: no limit."`
	WriteTimeout     time.Duration `koanf:"write-timeout" range:"1ms 1h" doc:"Longest time in which a peer takes no byte of the data that waits for it; then the session ends. A slow peer that keeps reading stays connected."`
}

// Downlink shapes the frames sent to devices.
type Downlink struct {
	FrameSize    Size          `koanf:"frame-size" range:"128B 64KiB" doc:"Maximum size of a frame to a device; the bridge sends a larger packet as several complete frames."`
	PingInterval time.Duration `koanf:"ping-interval" range:"10ms 24h" zero:"ok" doc:"Interval of WebSocket pings to devices; 0 sends none."`
}

// Keepalive bounds how long a device may be silent.
type Keepalive struct {
	Grace       time.Duration `koanf:"grace" range:"0s 1h" doc:"Time that the bridge adds to 1.5 times the device's keep alive before it ends a silent session."`
	IdleTimeout time.Duration `koanf:"idle-timeout" range:"10ms 720h" zero:"ok" doc:"Longest silence of a device whose keep alive is 0; 0: no limit."`
	TCP         time.Duration `koanf:"tcp" range:"1s 9h" zero:"ok" doc:"TCP keepalive in sessions whose device has keep alive 0: silence before the first probe of the device or the broker, and the interval of probes. The session ends after three unanswered probes. 0: no probes. In all other sessions MQTT's keep alive alone decides, and the bridge sends no TCP probes."`
}

// Drain is how sessions are ended on shutdown.
type Drain struct {
	Rate    int           `koanf:"rate" range:"1 10000000" doc:"Sessions that the bridge ends per second."`
	Timeout time.Duration `koanf:"timeout" range:"0s 24h" doc:"Time after which the bridge cuts the sessions that are left."`
}

// Admin is the operator's listener.
type Admin struct {
	Listen string   `koanf:"listen" flag:"admin" doc:"host:port or unix:///path (with ?mode= and &group= as in listen) of the operator's HTTP listener; empty or off: no listener."`
	Hosts  []string `koanf:"hosts" doc:"Host names that the operator's HTTP listener accepts in the Host header, in addition to IP addresses and names without a dot. It refuses other names, to prevent DNS rebinding by web pages."`
	Pprof  string   `koanf:"pprof" oneof:"off on" doc:"Whether the operator's HTTP listener serves Go profiles at /debug/pprof/. Profiles use processor time and reveal what the process is working on."`
}

// Log is what is logged and how it looks.
type Log struct {
	Level    string `koanf:"level" oneof:"debug info warn error" doc:"Lowest level that is logged."`
	Format   string `koanf:"format" oneof:"auto text json" doc:"Format of log lines. auto: text on a terminal, JSON elsewhere."`
	Connects bool   `koanf:"connects" doc:"Whether to log a line when the broker accepts a device, in addition to the line at the end of its session."`
	Rate     int    `koanf:"rate" range:"1 1000000" zero:"ok" doc:"Maximum rate of log lines of one kind, per second; the burst size is twice as many. Kinds are starts of sessions, and refusals and ends of sessions by reason. One line counts the events above the rate. 0: every event has its line."`
}
