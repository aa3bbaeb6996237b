package bridge

import (
	"errors"
	"sync/atomic"

	"mqtt-ws-bridge/mqttio"
)

// brokerConn is the connection of a session's broker as its leg knows it: a stream without frames. The registration of an event loop may put
// another connection in the broker's place.
type brokerConn struct {
	broker *Broker
	piece  int           // bytes that are written at a time, where nothing else shows that the broker takes some; 0: any
	writes atomic.Uint32 // odd while one is under way
}

func (c *brokerConn) Read(b []byte) (int, error) { return c.broker.Conn.Read(b) }

// WriteFrames writes the packets as they are.
func (c *brokerConn) WriteFrames(buf []byte, _ []int) error {
	for packets := buf[mqttio.Headroom:]; len(packets) > 0; {
		n := len(packets)
		if c.piece > 0 {
			n = min(n, c.piece)
		}
		c.writes.Add(1)
		_, err := c.broker.Conn.Write(packets[:n])
		c.writes.Add(1)
		if err != nil {
			return err
		}
		packets = packets[n:]
	}
	return nil
}

func (c *brokerConn) WriteProgress() uint32 { return c.writes.Load() }

func (c *brokerConn) CloseWrite() error {
	if h, ok := c.broker.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}
