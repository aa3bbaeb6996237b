package police

import "mqtt-ws-bridge/mqttio"

// Policy says what one device may do. Connect is called first, once; the others may be called at the same time by two goroutines
// after that. None must wait. Topics and filters are those of the device: a mount is not seen in them.
type Policy interface {
	// Connect is asked about the CONNECT pkt, of which c is the view. It looks at the will too. An error refuses the device, and
	// stands in the log: it must hold no secret.
	Connect(pkt []byte, c *mqttio.Connect) (Terms, error)
	// MayPublish reports whether the device may publish to the topic.
	MayPublish(topic []byte) bool
	// MaySubscribe reports whether the device may subscribe to the filter.
	MaySubscribe(filter []byte) bool
	// MayReceive reports whether the device may have messages of the topic.
	MayReceive(topic []byte) bool
}

// Terms are on what a device is let in.
type Terms struct {
	// Connect is the CONNECT that the broker gets in place of the device's, with its will below the mount; nil: as it came.
	Connect []byte
	// Mount is what the device's topics lie below. At most MaxMount bytes; empty: none.
	Mount mqttio.Mount
	// ReceivesAll says that MayReceive is true of every topic: it is not asked then.
	ReceivesAll bool
}

// MaxMount is how long a mount may be: what a packet grows by has to be found room for.
const MaxMount = 256
