package config

import "time"

// Quotas are what devices may use.
type Quotas struct {
	Burst      time.Duration `koanf:"burst" range:"100ms 1h" doc:"For how long what is not used of the messages and bytes in a second can be saved up."`
	IPv6Prefix int           `koanf:"ipv6-prefix" range:"1 128" doc:"How many bits of an IPv6 address count: those that have them in common count as one address."`
	Device     DeviceQuota   `koanf:"device" doc:"What each session may use."`
	Identity   IdentityQuota `koanf:"identity" doc:"What all sessions of one identity may use: of what access.sources proves, otherwise of the user name that the broker accepts."`
	Address    AddressQuota  `koanf:"address" doc:"What all sessions from one address may use."`
	Total      TotalQuota    `koanf:"total" doc:"What all sessions may use; their number is limits.sessions."`
}

// DeviceQuota is that of a session.
type DeviceQuota struct {
	MessagesUp    int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Messages in a second from the device; above it the bridge stops reading for a while."`
	MessagesDown  int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Messages in a second to the device; above it the bridge stops reading from the broker for a while."`
	BytesUp       Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second from the device."`
	BytesDown     Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second to the device."`
	Subscriptions int  `koanf:"subscriptions" range:"1 1000000" zero:"ok" doc:"Most topic filters that a session subscribes to; an entry of SUBSCRIBE beyond it gets 0x97, in MQTT 3.x 0x80."`
	TopicLevels   int  `koanf:"topic-levels" range:"1 65535" zero:"ok" doc:"Most levels of a topic or filter; a deeper one is forbidden, as access.denied-publish says."`
}

// IdentityQuota is that of an identity.
type IdentityQuota struct {
	Connections  int  `koanf:"connections" range:"1 10000000" zero:"ok" doc:"Most connections of the identity at once; a device beyond it gets 429."`
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Most connections of the identity in a minute, which may come at once; a device beyond it gets 429."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Messages in a second from the identity; above it the bridge stops reading for a while."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Messages in a second to the identity; above it the bridge stops reading from the broker for a while."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second from the identity."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second to the identity."`
}

// AddressQuota is that of an address.
type AddressQuota struct {
	Connections  int  `koanf:"connections" range:"1 10000000" zero:"ok" doc:"Most connections of the address at once, and most handshakes under way; a device beyond it gets 429."`
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Most connections of the address in a minute, which may come at once; a device beyond it gets 429."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Messages in a second from the address; above it the bridge stops reading for a while."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Messages in a second to the address; above it the bridge stops reading from the broker for a while."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second from the address."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second to the address."`
}

// TotalQuota is that of all devices.
type TotalQuota struct {
	ConnectRate  int  `koanf:"connect-rate" range:"1 1000000000" zero:"ok" doc:"Most connections in a minute, which may come at once; a device beyond it gets 503."`
	MessagesUp   int  `koanf:"messages-up" range:"1 1000000000" zero:"ok" doc:"Messages in a second from all devices; above it the bridge stops reading for a while."`
	MessagesDown int  `koanf:"messages-down" range:"1 1000000000" zero:"ok" doc:"Messages in a second to all devices; above it the bridge stops reading from the broker for a while."`
	BytesUp      Size `koanf:"bytes-up" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second from all devices."`
	BytesDown    Size `koanf:"bytes-down" range:"1KiB 1GiB" zero:"ok" doc:"Bytes of packets in a second to all devices."`
}
