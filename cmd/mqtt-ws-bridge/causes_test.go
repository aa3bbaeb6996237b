package main

import (
	"slices"
	"testing"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/wsio/refusal"
)

// TestEveryCauseHasAReason: what package wsio refuses is in the bridge's table, with a status that says whose fault it is, or
// with a close code that RFC 6455 has for it.
func TestEveryCauseHasAReason(t *testing.T) {
	status := map[refusal.Cause]int{
		refusal.CausePath: 404, refusal.CauseMethod: 405, refusal.CauseHTTPVersion: 426, refusal.CauseNotWebSocket: 426, refusal.CauseWebSocketVersion: 426,
		refusal.CauseWebSocketKey: 400, refusal.CauseRequestBody: 400, refusal.CauseOrigin: 403, refusal.CauseSubprotocol: 400,
	}
	for _, cause := range refusal.HandshakeCauses() {
		r := reason.ByLabel(string(cause))
		if r.Label != string(cause) || status[cause] == 0 || r.Status != status[cause] || r.Close != 0 {
			t.Errorf("cause %s has reason %s with status %d and close code %d", cause, r.Label, r.Status, r.Close)
		}
		if a := new(process).answer(cause); a.Status != r.Status || a.Text != r.String() || a.RetryAfter != 0 {
			t.Errorf("cause %s is answered with %+v", cause, a)
		}
	}
	code := map[refusal.Cause]int{refusal.CauseTextFrame: 1003, refusal.CauseFrameProtocol: 1002, refusal.CauseFrameTooLong: 1009,
		refusal.CauseControlFlood: 1008}
	for _, cause := range refusal.StreamCauses() {
		r := reason.ByLabel(string(cause))
		if r.Label != string(cause) || code[cause] == 0 || r.Close != code[cause] || r.Status != 0 || r.Disconnect == 0 {
			t.Errorf("cause %s has reason %s with close code %d, DISCONNECT 0x%02X and status %d", cause, r.Label, r.Close, r.Disconnect, r.Status)
		}
	}
}

// TestEveryListenerCauseHasAReason: the same for what ends a connection before there is a whole request.
func TestEveryListenerCauseHasAReason(t *testing.T) {
	for _, cause := range refusal.ConnectionCauses() {
		if r := reason.ByLabel(string(cause)); r.Label != string(cause) {
			t.Errorf("cause %s has reason %s", cause, r.Label)
		}
	}
}

// TestEveryStatusHasACause: a row with an HTTP status is a cause of wsio, or what the bridge itself or access control says before the upgrade.
func TestEveryStatusHasACause(t *testing.T) {
	byAccess := map[*reason.Reason]int{
		reason.Unauthorized: 401, reason.Forbidden: 403, reason.AuthThrottled: 429, reason.AuthBusy: 503, reason.AuthUnavailable: 503,
	}
	quotas := map[*reason.Reason]int{
		reason.AddressConnections: 429, reason.AddressRate: 429, reason.IdentityConnections: 429,
		reason.IdentityRate: 429, reason.ConnectRate: 503,
	}
	admit := []*reason.Reason{reason.Draining, reason.Full, reason.MemoryFull, reason.DescriptorsFull, reason.PortsFull,
		reason.DialsFull, reason.BrokerDown}
	for _, r := range reason.All() {
		cause := refusal.Cause(r.Label)
		if r.Status == 0 || slices.Contains(refusal.HandshakeCauses(), cause) {
			continue
		}
		if slices.Contains(refusal.ConnectionCauses(), cause) && cause != refusal.CauseAddressConnections {
			if r.Status < 400 || (r.RetryAfter > 0) != (r.Status == 503) || r.Close != 0 {
				t.Errorf("%s has status %d, Retry-After %v, close code %d", r.Label, r.Status, r.RetryAfter, r.Close)
			}
			continue
		}
		if status, ok := byAccess[r]; ok {
			if r.Status != status || r.Close == 0 || r.Connack3 == 0 || r.Connack5 == 0 || (r.RetryAfter > 0) != (status == 429 || status == 503) {
				t.Errorf("%s has status %d, Retry-After %v, close code %d", r.Label, r.Status, r.RetryAfter, r.Close)
			}
			continue
		}
		if status, ok := quotas[r]; ok {
			if r.Status != status || r.RetryAfter == 0 || r.Close == 0 || r.Connack3 == 0 || r.Connack5 == 0 {
				t.Errorf("%s has status %d, Retry-After %v, close code %d", r.Label, r.Status, r.RetryAfter, r.Close)
			}
			continue
		}
		if !slices.Contains(admit, r) || r.Status != 503 || r.RetryAfter == 0 || r.Close == 0 {
			t.Errorf("%s has status %d, Retry-After %v, close code %d", r.Label, r.Status, r.RetryAfter, r.Close)
		}
	}
}
