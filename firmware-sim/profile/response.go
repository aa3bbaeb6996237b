package profile

import (
	"fmt"
	"slices"
	"strings"

	"mqtt-ws-bridge/firmware-sim/wire"
)

// Fault names one thing a library could not live with. Reports, the check's table and JSON use these words.
type Fault string

// The faults of a handshake.
const (
	HeadTooLarge      Fault = "101-too-large"
	HeadInPieces      Fault = "101-in-pieces"
	BytesAfterHead    Fault = "bytes-after-101"
	NotSwitching      Fault = "status-not-101"
	UpgradeHeader     Fault = "upgrade-header"
	ConnectionHeader  Fault = "connection-header"
	AcceptHeader      Fault = "accept-header"
	HeaderForm        Fault = "header-form"
	SubprotocolAbsent Fault = "subprotocol-missing"
	SubprotocolOther  Fault = "subprotocol-not-as-offered"
	ExtensionsHeader  Fault = "extensions-header"
)

// ValueRule is how strictly a header's value is compared.
type ValueRule int

// The comparisons.
const (
	Unchecked    ValueRule = iota
	Exists                 // the header must be there
	ContainsFold           // contains the word, any case
	WholeFold              // is the word, any case
	WholeExact             // is the word, this case
	Offered                // is exactly one of the values offered
	PrefixMqtt             // begins like "mqtt"
)

// ExtensionRule is what a Sec-WebSocket-Extensions header in the answer does.
type ExtensionRule int

// The extension rules.
const (
	ExtensionsIgnored    ExtensionRule = iota
	ExtensionsUnasked                  // fatal when none was offered
	ExtensionsNeverThere               // fatal always
)

// ResponseRules is how a library reads the answer to its upgrade request.
type ResponseRules struct {
	Limit       int           `json:"limit_bytes"` // bytes of head that fit; 0 for 64 KiB
	OneRead     bool          `json:"one_read"`    // the whole head must come with the first read
	LosesAfter  bool          `json:"loses_after"` // bytes that came with the head are lost
	NoStatus    bool          `json:"no_status"`   // the status line is not looked at
	Upgrade     ValueRule     `json:"upgrade"`
	Connection  ValueRule     `json:"connection"`
	Accept      bool          `json:"accept"`
	AcceptSpace bool          `json:"accept_space"` // looks for ": "
	Subprotocol ValueRule     `json:"subprotocol"`
	Extensions  ExtensionRule `json:"extensions"`
	NeedsValues bool          `json:"needs_values"` // an empty value or a line without colon crashes it
	NeedsSpace  bool          `json:"needs_space"`  // "Connection:Upgrade" without a space is refused
}

// Problem is a fault with what was seen.
type Problem struct {
	Fault Fault
	Seen  string
}

func (p Problem) Error() string { return fmt.Sprintf("%s: %s", p.Fault, p.Seen) }

// HeadLimit is the size of the buffer that the library reads the head into.
func (r ResponseRules) HeadLimit() int {
	if r.Limit == 0 {
		return 64 << 10
	}
	return r.Limit
}

// Verify returns everything in resp that the library would choke on. req is what was asked.
func (r ResponseRules) Verify(req wire.Request, offered []string, extensions string, resp *wire.Response) []Problem {
	var out []Problem
	add := func(f Fault, format string, args ...any) {
		out = append(out, Problem{f, fmt.Sprintf(format, args...)})
	}
	if len(resp.Head) > r.HeadLimit() {
		add(HeadTooLarge, "%d B, %d fit", len(resp.Head), r.HeadLimit())
	}
	if r.OneRead && resp.Reads > 1 {
		add(HeadInPieces, "%d reads", resp.Reads)
	}
	if r.LosesAfter && len(resp.After) > 0 {
		add(BytesAfterHead, "%d B came with the 101", len(resp.After))
	}
	if !r.NoStatus && (resp.Status != 101 || resp.Proto != "HTTP/1.1") {
		add(NotSwitching, "%s", resp.StatusLine())
	}
	if seen, ok := compare(r.Upgrade, resp, "Upgrade", "websocket"); !ok {
		add(UpgradeHeader, "%s", seen)
	}
	if seen, ok := compare(r.Connection, resp, "Connection", "Upgrade"); !ok {
		add(ConnectionHeader, "%s", seen)
	}
	if v, _ := resp.Header("Sec-WebSocket-Accept"); r.Accept && v != wire.AcceptFor(req.Key) {
		add(AcceptHeader, "%q", v)
	}
	out = append(out, r.form(resp)...)
	return append(out, r.negotiated(offered, extensions, resp)...)
}

// compare returns what stood there and whether the rule is content.
func compare(rule ValueRule, resp *wire.Response, name, want string) (string, bool) {
	v, there := resp.Header(name)
	seen := fmt.Sprintf("%s: %q", name, v)
	if !there {
		seen = "no " + name
	}
	switch rule {
	case Exists:
		return seen, there
	case ContainsFold:
		return seen, strings.Contains(strings.ToLower(v), strings.ToLower(want))
	case WholeFold:
		return seen, strings.EqualFold(v, want)
	case WholeExact:
		return seen, v == want
	}
	return seen, true
}

func (r ResponseRules) form(resp *wire.Response) []Problem {
	var out []Problem
	for _, l := range resp.Lines {
		value := strings.TrimSpace(l.Value)
		switch {
		case r.NeedsValues && (!l.Colon || value == ""):
			out = append(out, Problem{HeaderForm, fmt.Sprintf("line %q has no value", l.Name)})
		case r.NeedsSpace && strings.EqualFold(l.Name, "Connection") && strings.EqualFold(l.Value, "upgrade"),
			r.AcceptSpace && strings.EqualFold(l.Name, "Sec-WebSocket-Accept") && !strings.HasPrefix(l.Value, " "):
			out = append(out, Problem{HeaderForm, fmt.Sprintf("no space in %q", l.Name+":"+l.Value)})
		}
	}
	return out
}

func (r ResponseRules) negotiated(offered []string, extensions string, resp *wire.Response) []Problem {
	var out []Problem
	protocol, there := resp.Header("Sec-WebSocket-Protocol")
	switch {
	case r.Subprotocol == Unchecked || len(offered) == 0:
	case !there:
		out = append(out, Problem{SubprotocolAbsent, "no Sec-WebSocket-Protocol"})
	case r.Subprotocol == Offered && !slices.Contains(offered, protocol),
		r.Subprotocol == PrefixMqtt && !strings.HasPrefix("mqtt", protocol):
		out = append(out, Problem{SubprotocolOther, fmt.Sprintf("offered %q, got %q", strings.Join(offered, ", "), protocol)})
	}
	ext, there := resp.Header("Sec-WebSocket-Extensions")
	if there && (r.Extensions == ExtensionsNeverThere || r.Extensions == ExtensionsUnasked && extensions == "") {
		out = append(out, Problem{ExtensionsHeader, fmt.Sprintf("%q", ext)})
	}
	return out
}
