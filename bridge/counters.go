package bridge

import (
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/mqttio"
)

// counted is the metrics as the inspector of a session knows them.
type counted struct{ *Metrics }

var _ police.Counters = counted{}

func (c counted) Denied(t mqttio.Type)  { c.denied[t].Inc() }
func (c counted) Withheld()             { c.withheld.Inc() }
func (c counted) Exceeded(quota string) { c.exceeded(quota) }
