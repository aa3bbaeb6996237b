package bridge_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

// flood is what the log says of devices with a reason: lines of one device, and the events of the lines that count.
func (r *rig) flood(reason string) (lines, counted int) {
	r.t.Helper()
	for text := range strings.Lines(r.log.String()) {
		var line struct {
			Reason string
			Count  *int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			r.t.Fatal(err)
		}
		if line.Reason != reason {
			continue
		}
		lines++
		if line.Count != nil {
			counted += *line.Count
		}
	}
	return lines, counted
}

// TestFloodsInTheLog: whatever happens to many devices at once costs a bounded number of lines, and log and metrics agree on how many
// there were.
func TestFloodsInTheLog(t *testing.T) {
	const n, most = 200, 12 // twice the rate, the begin and the end
	for reason, act := range map[string]func(*rig){
		"broker-down": func(r *rig) { // attack 29: the smallest requests there are, before a broker that is down
			r.up.ready.Store(false)
			for range n {
				_ = r.dial().request(goodHandshake).Body.Close()
			}
		},
		"broker-lost": func(r *rig) {
			var scenes []*scene
			for range n {
				s := &scene{rig: r, v: mqttio.V311}
				s.online()
				scenes = append(scenes, s)
			}
			for _, s := range scenes {
				s.br.nc.Reset()
			}
			r.settled()
		},
		"device-closed": func(r *rig) {
			for range n {
				s := &scene{rig: r}
				s.upgrade()
				s.dev.halfClose()
			}
			r.settled()
		},
		"shutdown": func(r *rig) {
			for range n {
				s := &scene{rig: r, v: mqttio.V5}
				s.online()
			}
			r.bridge.Drain(context.Background(), 1e6)
		},
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := plenty()
				r := newRigWith(t, bridge.Options{Limits: limits, LogRate: 5})
				act(r)
				time.Sleep(30 * time.Second)
				lines, counted := r.flood(reason)
				if lines > most || lines-2+counted != n && reason != "shutdown" {
					t.Errorf("%d lines count %d of %d devices", lines, counted, n)
				}
				total := 0.0
				for metric, count := range r.counted() {
					if strings.Contains(metric, "{"+reason+"}") {
						total += count
					}
				}
				if total != n {
					t.Errorf("%v are in the metrics", total)
				}
			})
		})
	}
}
