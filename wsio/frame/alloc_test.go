package frame_test

import (
	"bytes"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

var raceEnabled bool

// TestNoAllocations: in the steady state a frame costs none, in either direction, and neither does a ping.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	pings := wsframes.Masked(wsframes.FIN|wsframes.Ping, "beat")
	p := make([]byte, benchBuffer)
	buf, ends := layout("one", "two", random(5000), "", random(100<<10))
	for name, c := range map[string]struct {
		nc *endlessConn
		do func(*frame.Conn) error
	}{
		"read_one_per_read":  {benchWire(128, true), func(c *frame.Conn) error { return readOnce(c, p) }},
		"read_many_per_read": {benchWire(128, false), func(c *frame.Conn) error { return readOnce(c, p) }},
		"read_cut_headers":   {&endlessConn{wire: bytes.Repeat(wsframes.Masked(wsframes.FIN|wsframes.Binary, "abc"), 7), chunk: 5}, func(c *frame.Conn) error { return readOnce(c, p) }},
		"read_with_pings":    {&endlessConn{wire: wsframes.Join(pings, wsframes.Masked(wsframes.FIN|wsframes.Binary, "abc")), chunk: 100}, func(c *frame.Conn) error { return readOnce(c, p) }},
		"write_one":          {&endlessConn{}, func(c *frame.Conn) error { return c.WriteFrames(buf, ends[:1]) }},
		"write_burst":        {&endlessConn{}, func(c *frame.Conn) error { return c.WriteFrames(buf, ends) }},
		"ping":               {&endlessConn{}, (*frame.Conn).Ping},
	} {
		t.Run(name, func(t *testing.T) {
			conn := frame.NewConn(c.nc, nil, 1<<16)
			var err error
			if n := testing.AllocsPerRun(1000, func() { err = c.do(conn) }); n != 0 || err != nil {
				t.Errorf("%v allocations, %v", n, err)
			}
		})
	}
}

func readOnce(c *frame.Conn, p []byte) error {
	_, err := c.Read(p)
	return err
}
