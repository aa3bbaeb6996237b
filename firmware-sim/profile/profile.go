package profile

import (
	"math/rand/v2"
	"time"

	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/packet"
)

// Engine names what runs a profile.
type Engine string

// The engines: the raw frame writer, and autopaho over coder/websocket.
const (
	Raw      Engine = "raw"
	Autopaho Engine = "autopaho"
)

// Profile describes one client library. Profiles are values: modifiers change copies.
type Profile struct {
	Name    string   `json:"name"`
	Summary string   `json:"summary"`    // what it does on the wire, one line
	Known   []string `json:"known_from"` // where that is known from
	Engine  Engine   `json:"engine"`

	Request  Request       `json:"request"`
	Response ResponseRules `json:"response"`
	Uplink   Uplink        `json:"uplink"`
	Receiver Receiver      `json:"receiver"`
	Closing  Closing       `json:"closing"`

	MQTT            packet.Version `json:"mqtt_level"`
	KeepAlive       time.Duration  `json:"keep_alive_ns"`
	PingAt          float64        `json:"ping_after_share"` // share of the keepalive after which PINGREQ is sent
	Reconnect       Backoff        `json:"reconnect"`
	UnsolicitedPong time.Duration  `json:"unsolicited_pong_ns"` // 0 for never
	Hostile         bool           `json:"hostile"`             // must be refused, not served

	Power Power       `json:"power"`
	Radio impair.Spec `json:"radio"`
	OTA   bool        `json:"ota"`
}

// Power is when a device is awake.
type Power struct {
	Doze  time.Duration `json:"doze_ns"`  // pings and messages wait for a wake-up this far apart
	Sleep time.Duration `json:"sleep_ns"` // leaves after each batch of messages and comes back after this long
}

// HostForm is how the Host header is written.
type HostForm int

// The host forms seen in the field.
const (
	HostPort          HostForm = iota // host:port, always
	HostNoDefaultPort                 // port only when it is not the scheme's default
	HostOnly                          // never a port
	HostLocalhost                     // the word localhost, whatever the address
	Host443                           // host:443 even elsewhere
)

// OriginForm is what is sent as Origin.
type OriginForm int

// The origins seen in the field.
const (
	NoOrigin OriginForm = iota
	FileOrigin
	URLOrigin
)

// Request is how a library asks for the upgrade.
type Request struct {
	Subprotocols []string   `json:"subprotocols"` // offered in one header line, as a list
	Protocol     string     `json:"protocol"`     // spelling of the header name, when odd
	Host         HostForm   `json:"host"`
	Origin       OriginForm `json:"origin"`
	UserAgent    string     `json:"user_agent"`
	Extensions   string     `json:"extensions"`
	Path         string     `json:"path"`        // used when the URL has none
	QueryBytes   int        `json:"query_bytes"` // length of a presigned query appended to the path
}

// Cut is how packets become frames.
type Cut int

// The cuts.
const (
	PerPacket Cut = iota // one packet, one FIN binary frame
	Chunks               // packets above Chunk bytes become several complete messages
	ByField              // every field of the encoder is a message of its own, the first one being a single byte
	Fragments            // PUBLISH is FIN=0 BINARY (header and topic) and CONTINUATION FIN=1 (payload)
	Blocks               // packets written together share frames of up to Chunk bytes, cut wherever that falls
)

// MaskForm is how good the masking key is.
type MaskForm int

// The masks.
const (
	RandomMask    MaskForm = iota
	NoFFMask               // a byte of 0xFF never occurs
	ZeroLargeMask          // all zero for payloads of 1400 bytes and more
	NoMask                 // unmasked: an offence
)

// Uplink is how bytes go up.
type Uplink struct {
	Cut         Cut      `json:"cut"`
	Chunk       int      `json:"chunk_bytes"`
	Mask        MaskForm `json:"mask"`
	HeaderApart bool     `json:"header_apart"` // frame header and payload are two writes
	WideAt64K   bool     `json:"wide_at_64k"`  // a payload of 65,535 bytes gets a 64-bit length
	AsText      bool     `json:"as_text"`      // text frames: an offence
}

// Action is what a receiver does with something it was not made for.
type Action int

// The actions.
const (
	Accept Action = iota
	Drop          // the data is lost, the connection stays
	Fail          // the connection is lost
	AsData        // taken for MQTT bytes, which ruins the stream
)

// PingAnswer is what becomes of a server's ping.
type PingAnswer int

// The answers to a ping.
const (
	AnswerPong PingAnswer = iota
	AnswerUnmasked
	NoAnswer   // dropped; an empty one closes the connection
	PingKills  // the connection is lost
	PingIsData // its payload is parsed as MQTT
	PingStalls // answered, but data received together with it waits for more bytes
)

// Receiver is what a library can take.
type Receiver struct {
	MaxFrame          int           `json:"max_frame_bytes"` // bytes; 0 for no limit of its own
	MaxFrameClose     uint16        `json:"max_frame_close_code"`
	Accumulator       int           `json:"accumulator_bytes"` // bytes of one TCP read that fit; 0 for no limit
	MQTTBuffer        int           `json:"mqtt_buffer_bytes"` // largest packet; larger ones are lost
	Continuation      Action        `json:"continuation"`
	Text              Action        `json:"text"`
	Empty             Action        `json:"empty"`
	Ping              PingAnswer    `json:"ping"`
	OnePacketPerFrame bool          `json:"one_packet_per_frame"`
	MidFrame          time.Duration `json:"mid_frame_ns"` // longest pause inside a frame
}

// Closing is how a library leaves.
type Closing struct {
	Plain    bool   `json:"plain"`    // TCP close, no CLOSE frame
	Payload  []byte `json:"payload"`  // of the CLOSE frame
	Unmasked bool   `json:"unmasked"` // its CLOSE (and answer to one) is not masked
	NoReply  bool   `json:"no_reply"` // does not answer a server's CLOSE
}

// Backoff is how a library comes back.
type Backoff struct {
	First  time.Duration `json:"first_ns"` // before the first attempt
	Factor float64       `json:"factor"`   // 1 for constant
	Max    time.Duration `json:"max_ns"`
	Jitter float64       `json:"jitter"`  // share of the delay, to both sides
	Full   bool          `json:"full"`    // anywhere between zero and the delay
	AtOnce bool          `json:"at_once"` // the first attempt does not wait
}

// Delay returns the wait before attempt n, counted from 0.
func (b Backoff) Delay(n int, rng *rand.Rand) time.Duration {
	if b.AtOnce {
		if n == 0 {
			return 0
		}
		n--
	}
	d := float64(b.First)
	for range n {
		if d *= max(1, b.Factor); d >= float64(b.Max) {
			break
		}
	}
	if b.Max > 0 {
		d = min(d, float64(b.Max))
	}
	switch {
	case b.Full:
		d *= rng.Float64()
	case b.Jitter > 0:
		d *= 1 + b.Jitter*(2*rng.Float64()-1)
	}
	return time.Duration(d)
}
