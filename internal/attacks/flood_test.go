//go:build linux

package attacks

import (
	"errors"
	"strings"
	"testing"
)

const flooded = 30_000 // frames of a flood

// TestAttack17_empty_floods: frames that carry nothing, as fast as they can be sent, cost a pong for each read at most, and end the
// session.
func TestAttack17_empty_floods(t *testing.T) {
	k := plain(t)
	floods := map[string]string{
		"pings": frame(ping, "x"), "pongs": frame(pong, "x"), "empty frames": frame(data, ""), "empty fragments": frame(0x00, ""),
	}
	for name, one := range floods {
		d := online(t, k, hello{version: 4, id: "flood"})
		end := frame(data, pingreq)
		if name == "empty fragments" {
			d.say(frame(0x02, ""))
			end = frame(0x80, pingreq)
		}
		flood := strings.Repeat(one, flooded)
		go d.say(flood + end)
		var c closed
		if got, err := d.message(); !errors.As(err, &c) || c.code != 1008 {
			t.Errorf("%s: the device hears %x, %v", name, got, err)
		}
		if d.pongs > len(flood)/1000 {
			t.Errorf("%s: %d pongs for %d bytes", name, d.pongs, len(flood))
		}
		_ = d.Close()
	}
	k.wantReason("control-flood", len(floods))
}

// TestAttack17_small_frames: frames of one byte are legal, cost what their bytes cost, and all are served.
func TestAttack17_small_frames(t *testing.T) {
	k := plain(t)
	d := online(t, k, hello{version: 4, id: "small-frames"})
	go d.say(strings.Repeat(frame(data, "\xc0")+frame(data, "\x00"), flooded))
	for i := range flooded {
		if got := d.packet(); got != pingresp {
			t.Fatalf("PINGREQ %d is answered with %x", i, got)
		}
	}
}
