package bridge

import (
	"fmt"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/wsio/refusal"
)

// stageNames say in docs/operations.md when a stage is and what a device hears there.
var stageNames = map[admissionStage][2]string{
	onState:     {"before the upgrade, by the state of the bridge", "HTTP status, Retry-After"},
	onHandshake: {"before the upgrade, by who asks", "HTTP status, Retry-After"},
	onUpgrade:   {"after the upgrade, by what has changed meanwhile", "close code; CONNACK if CONNECT has come"},
	onConnect:   {"at CONNECT", "CONNACK, close code"},
}

// TestAdmissionInOperationsPage: the order in which devices are refused is the one that operators read.
func TestAdmissionInOperationsPage(t *testing.T) {
	inOperationsPage(t, "admission", "bridge/admission.go", admissionTable())
}

func admissionTable() string {
	var b strings.Builder
	b.WriteString("| | when | what is checked | the device hears |\n|---:|---|---|---|\n")
	n := 0
	row := func(when, what, hears string) {
		n++
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", n, when, what, hears)
	}
	row("at accept", "`limits.handshakes`, `quotas.address.connections`", "HTTP status where it speaks HTTP")
	row("before the request", "PROXY header, TLS handshake, `limits.header-size`, `limits.handshake-timeout`", "TLS alert, HTTP status, or CONNACK to MQTT without a WebSocket")
	var causes []string
	for _, cause := range refusal.HandshakeCauses() {
		causes = append(causes, "`"+string(cause)+"`")
	}
	row("before the upgrade, by the request", strings.Join(causes, ", "), "HTTP status")
	for _, c := range admissionOrder() {
		row(stageNames[c.stage][0], c.name, stageNames[c.stage][1])
	}
	return b.String()
}

// TestAdmissionOrder: of several checks that speak against a device, the first of the list decides, in each stage.
func TestAdmissionOrder(t *testing.T) {
	for stage := onState; stage <= onConnect; stage++ {
		for from := range admissionOrder() {
			b := &Bridge{}
			var want *reason.Reason
			for i, c := range admissionOrder() {
				why := &reason.Reason{Label: c.name}
				if i >= from && c.stage == stage && want == nil {
					want = why
				}
				c.ask = func(*Bridge, *Applicant) *reason.Reason {
					if i < from {
						return nil
					}
					return why
				}
				b.order = append(b.order, c)
			}
			if got := b.refuse(stage, new(Applicant)); got != want {
				t.Errorf("stage %d, checks from %d on refuse: %v, want %v", stage, from, got, want)
			}
		}
	}
	last := onState
	for _, c := range admissionOrder() {
		if c.stage < last {
			t.Errorf("%s comes after a later stage", c.name)
		}
		last = c.stage
	}
}
