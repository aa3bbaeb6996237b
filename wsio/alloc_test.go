package wsio_test

import (
	"bytes"
	"testing"

	"mqtt-ws-bridge/wsio"
)

var raceEnabled bool

// TestNoAllocations: in the steady state a frame costs none, in either direction, and neither does a ping.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	pings := masked(fin|ping, "beat")
	p := make([]byte, benchBuffer)
	buf, ends := layout("one", "two", random(5000), "", random(100<<10))
	for name, c := range map[string]struct {
		nc *endlessConn
		do func(*wsio.Conn) error
	}{
		"read_one_per_read":  {benchWire(128, true), func(c *wsio.Conn) error { return readOnce(c, p) }},
		"read_many_per_read": {benchWire(128, false), func(c *wsio.Conn) error { return readOnce(c, p) }},
		"read_cut_headers":   {&endlessConn{wire: bytes.Repeat(masked(fin|binaryData, "abc"), 7), chunk: 5}, func(c *wsio.Conn) error { return readOnce(c, p) }},
		"read_with_pings":    {&endlessConn{wire: join(pings, masked(fin|binaryData, "abc")), chunk: 100}, func(c *wsio.Conn) error { return readOnce(c, p) }},
		"write_one":          {&endlessConn{}, func(c *wsio.Conn) error { return c.WriteFrames(buf, ends[:1]) }},
		"write_burst":        {&endlessConn{}, func(c *wsio.Conn) error { return c.WriteFrames(buf, ends) }},
		"ping":               {&endlessConn{}, (*wsio.Conn).Ping},
	} {
		t.Run(name, func(t *testing.T) {
			conn := wsio.NewConn(c.nc, nil, 1<<16)
			var err error
			if n := testing.AllocsPerRun(1000, func() { err = c.do(conn) }); n != 0 || err != nil {
				t.Errorf("%v allocations, %v", n, err)
			}
		})
	}
}

func readOnce(c *wsio.Conn, p []byte) error {
	_, err := c.Read(p)
	return err
}
