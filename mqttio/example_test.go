package mqttio_test

import (
	"errors"
	"fmt"

	"mqtt-ws-bridge/mqttio"
)

// A stream that holds a PINGREQ, a PUBLISH and the beginning of another packet.
func Example() {
	stream := []byte("\xC0\x00\x30\x08\x00\x04temp21\x32\x0a\x00\x04te")
	for {
		h, err := mqttio.ParseHeader(stream)
		if err == nil {
			err = mqttio.Check(h, stream, mqttio.V311, mqttio.Up)
		}
		if errors.Is(err, mqttio.ErrShort) {
			fmt.Println(len(stream), "bytes wait for more")
			return
		}
		if err != nil {
			fmt.Println("close:", err)
			return
		}
		fmt.Print(h.Type())
		if h.Type() == mqttio.TypePublish {
			p, _ := mqttio.ParsePublish(h, stream, mqttio.V311)
			fmt.Printf(" %s = %s", p.Topic, p.Payload)
		}
		fmt.Println()
		stream = stream[h.Size():]
	}
	// Output:
	// PINGREQ
	// PUBLISH temp = 21
	// 6 bytes wait for more
}
