package main

import (
	"slices"
	"testing"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/wsio"
)

// TestEveryCauseHasAReason: what package wsio refuses is in the bridge's table, with a status that says whose fault it is, or
// with a close code that RFC 6455 has for it.
func TestEveryCauseHasAReason(t *testing.T) {
	status := map[wsio.Cause]int{
		wsio.CausePath: 404, wsio.CauseMethod: 405, wsio.CauseHTTPVersion: 426, wsio.CauseNotWebSocket: 426, wsio.CauseWebSocketVersion: 426,
		wsio.CauseWebSocketKey: 400, wsio.CauseRequestBody: 400, wsio.CauseOrigin: 403, wsio.CauseSubprotocol: 400,
	}
	for _, cause := range wsio.HandshakeCauses() {
		r := reason.ByLabel(string(cause))
		if r.Label != string(cause) || status[cause] == 0 || r.Status != status[cause] || r.Close != 0 {
			t.Errorf("cause %s has reason %s with status %d and close code %d", cause, r.Label, r.Status, r.Close)
		}
		if a := new(process).answer(cause); a.Status != r.Status || a.Text != r.String() || a.RetryAfter != 0 {
			t.Errorf("cause %s is answered with %+v", cause, a)
		}
	}
	code := map[wsio.Cause]int{wsio.CauseTextFrame: 1003, wsio.CauseFrameProtocol: 1002, wsio.CauseFrameTooLong: 1009,
		wsio.CauseControlFlood: 1008}
	for _, cause := range wsio.StreamCauses() {
		r := reason.ByLabel(string(cause))
		if r.Label != string(cause) || code[cause] == 0 || r.Close != code[cause] || r.Status != 0 || r.Disconnect == 0 {
			t.Errorf("cause %s has reason %s with close code %d, DISCONNECT 0x%02X and status %d", cause, r.Label, r.Close, r.Disconnect, r.Status)
		}
	}
}

// TestEveryListenerCauseHasAReason: the same for what ends a connection before there is a whole request.
func TestEveryListenerCauseHasAReason(t *testing.T) {
	for _, cause := range wsio.ConnectionCauses() {
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
		cause := wsio.Cause(r.Label)
		if r.Status == 0 || slices.Contains(wsio.HandshakeCauses(), cause) {
			continue
		}
		if slices.Contains(wsio.ConnectionCauses(), cause) && cause != wsio.CauseAddressConnections {
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
