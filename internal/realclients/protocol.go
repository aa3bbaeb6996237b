package realclients

// A driver is a program that knows one client library. It reads one command per line from its standard input and writes
// one event per line to its standard output, both JSON. Payloads are hexadecimal. Its first event is "hello". Commands are
// carried out one after the other, each answered by an event with its id, and with an error if it went wrong.

// Command tells a driver what to do: connect, subscribe, unsubscribe, publish or disconnect (with an MQTT DISCONNECT).
type Command struct {
	ID int    `json:"id"`
	Do string `json:"do"`

	// connect
	URL       string `json:"url,omitempty"`
	Client    string `json:"client,omitempty"`
	Version   int    `json:"version,omitempty"`   // 4 is MQTT 3.1.1, 5 is MQTT 5
	Clean     bool   `json:"clean"`               // clean session, clean start
	Keepalive int    `json:"keepalive,omitempty"` // seconds
	Expiry    int    `json:"expiry,omitempty"`    // seconds, MQTT 5 only
	CA        string `json:"ca,omitempty"`        // file with the authority to trust
	Will      *Will  `json:"will,omitempty"`
	// What proves who the device is, where the library can show it: headers of the handshake, subprotocols offered beside MQTT's
	// own, and the files of a certificate and its key.
	Headers      map[string]string `json:"headers,omitempty"`
	Subprotocols []string          `json:"subprotocols,omitempty"`
	Cert         string            `json:"cert,omitempty"`
	Key          string            `json:"key,omitempty"`

	// subscribe, unsubscribe, publish
	Topic   string `json:"topic,omitempty"`
	Payload string `json:"payload"`
	QoS     int    `json:"qos"`
	Retain  bool   `json:"retain"`
}

// Will is the message the broker publishes when the device is gone without a DISCONNECT.
type Will struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     int    `json:"qos"`
	Retain  bool   `json:"retain"`
}

// Event is what a driver has to say: "hello", "done" (the answer to the command with that id) or "message".
type Event struct {
	Event string `json:"event"`

	// hello
	Library string `json:"library,omitempty"`

	// done
	ID      int    `json:"id,omitempty"`
	Error   string `json:"error,omitempty"`
	Present bool   `json:"present,omitempty"` // session present, after connect

	// message
	Topic   string `json:"topic,omitempty"`
	Payload string `json:"payload,omitempty"`
	QoS     int    `json:"qos,omitempty"`
	Retain  bool   `json:"retain,omitempty"`
}
