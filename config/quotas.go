package config

import "time"

// Quotas are what devices may use.
type Quotas struct {
	Burst      time.Duration `koanf:"burst" range:"100ms 1h" doc:"Burst size: seconds of unused allowance that may accumulate. It applies to messages and bytes."`
	IPv6Prefix int           `koanf:"ipv6-prefix" range:"1 128" doc:"Prefix length of IPv6 addresses: all addresses with the same prefix count as one."`
	Device     DeviceQuota   `koanf:"device" doc:"Quotas of each session."`
	Identity   IdentityQuota `koanf:"identity" doc:"Quotas of all sessions of one identity together. The identity is what access.sources proves, otherwise the user name that the broker accepts."`
	Address    AddressQuota  `koanf:"address" doc:"Quotas of all sessions from one address together."`
	Total      TotalQuota    `koanf:"total" doc:"Quotas of all sessions together; limits.sessions limits their number."`
}

// DeviceQuota is that of a session.
type DeviceQuota struct {
	MessagesUp    int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages from the device, per second; above it the bridge pauses reading from the device."`
	MessagesDown  int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages to the device, per second; above it the bridge pauses reading from the broker."`
	BytesUp       Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets from the device, per second; above it the bridge pauses reading from the device."`
	BytesDown     Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets to the device, per second; above it the bridge pauses reading from the broker."`
	Subscriptions int  `koanf:"subscriptions" range:"1 1000000" zero:"ok" doc:"Maximum number of subscriptions of a session; each further topic filter in SUBSCRIBE gets 0x97, in MQTT 3.x 0x80."`
	TopicLevels   int  `koanf:"topic-levels" range:"1 65535" zero:"ok" doc:"Maximum number of levels of a topic or topic filter; one with more levels is forbidden, see access.denied-publish."`
}

// IdentityQuota is that of an identity.
type IdentityQuota struct {
	Connections  int  `koanf:"connections" range:"1 10000000" zero:"ok" doc:"Maximum number of concurrent connections of the identity; further devices get 429."`
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Maximum rate of connections of the identity, per minute; the burst size is one minute's worth. Further devices get 429."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages from the identity, per second; above it the bridge pauses reading from its devices."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages to the identity, per second; above it the bridge pauses reading from the broker."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets from the identity, per second; above it the bridge pauses reading from its devices."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets to the identity, per second; above it the bridge pauses reading from the broker."`
}

// AddressQuota is that of an address.
type AddressQuota struct {
	Connections  int  `koanf:"connections" range:"1 10000000" zero:"ok" doc:"Maximum number of concurrent connections of the address, and of its handshakes in progress; further devices get 429."`
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Maximum rate of connections of the address, per minute; the burst size is one minute's worth. Further devices get 429."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages from the address, per second; above it the bridge pauses reading from its devices."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages to the address, per second; above it the bridge pauses reading from the broker."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets from the address, per second; above it the bridge pauses reading from its devices."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets to the address, per second; above it the bridge pauses reading from the broker."`
}

// TotalQuota is that of all devices.
type TotalQuota struct {
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Maximum rate of connections, per minute; the burst size is one minute's worth. Further devices get 503. Checked last: only connections that passed every other limit count."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages from all devices together, per second; above it the bridge pauses reading from them."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Maximum rate of messages to all devices together, per second; above it the bridge pauses reading from the broker."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets from all devices together, per second; above it the bridge pauses reading from them."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Maximum rate of bytes of MQTT packets to all devices together, per second; above it the bridge pauses reading from the broker."`
}
