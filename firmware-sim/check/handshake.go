package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mqtt-ws-bridge/firmware-sim/profile"
)

func handshakeAssertions() []Assertion {
	return slices.Concat(responseAssertions(), requestAssertions())
}

// responseAssertions are about the 101.
func responseAssertions() []Assertion {
	strictEcho := those(func(p profile.Profile) bool { return p.Response.Subprotocol == profile.Offered })
	return []Assertion{
		{"101-accepted", "a plain request is answered with HTTP/1.1 101", "RFC 6455 4.2.2",
			[]string{"everybody"}, func(p *probe) (Status, string) {
				resp, _, err := p.shake(plain())
				if err != nil {
					return failed(err)
				}
				return passIf(resp.Proto == "HTTP/1.1", "%s", resp.StatusLine())
			}},
		{"101-size", "the 101 is under 500 bytes", "H7",
			those(func(p profile.Profile) bool { return p.Response.Limit > 0 && p.Response.Limit < 2048 }),
			func(p *probe) (Status, string) {
				resp, _, err := p.shake(plain())
				if err != nil {
					return failed(err)
				}
				return passIf(len(resp.Head) < 500, "%d B", len(resp.Head))
			}},
		{"101-single-write", "the 101 comes in one piece", "H8",
			those(func(p profile.Profile) bool { return p.Response.OneRead }), single101},
		{"101-nothing-after", "nothing follows the 101 until the device has sent something", "H8",
			those(func(p profile.Profile) bool { return p.Response.LosesAfter }), nothingAfter},
		{"101-header-form", "Upgrade: websocket and Connection: Upgrade as whole values, one space after each colon, no empty value", "H4, H5",
			append(those(func(p profile.Profile) bool {
				r := p.Response
				return r.NeedsSpace || r.NeedsValues || r.AcceptSpace || r.Connection == profile.WholeFold
			}), "NNG (exact websocket)"), headerForm},
		{"101-accept", "Sec-WebSocket-Accept is right", "RFC 6455 4.2.2",
			those(func(p profile.Profile) bool { return p.Response.Accept }), func(p *probe) (Status, string) {
				resp, req, err := p.shake(plain())
				if err != nil {
					return failed(err)
				}
				problems := profile.ResponseRules{NoStatus: true, Accept: true}.Verify(req, nil, "", resp)
				return passIf(len(problems) == 0, "%v", resp.Lines)
			}},
		{"echo-mqtt", "mqtt is echoed", "H1, MQTT-6.0.0-4", strictEcho, echo("mqtt", "mqtt")},
		{"echo-casing", "MQTT is echoed in the device's own casing", "H1", []string{"azure-iot-c"}, echo("MQTT", "MQTT")},
		{"echo-mqttv3.1", "mqttv3.1 is accepted and echoed", "H2", []string{"legacy-mqttv31"}, echo("mqttv3.1", "mqttv3.1")},
		{"echo-list", "of a list exactly one offer is echoed", "H2", []string{"flutter-dart"},
			echo("mqtt, mqttv3.1, mqttv3.11", "mqtt", "mqttv3.1", "mqttv3.11")},
		{"echo-list-reversed", "mqtt is found wherever it stands in the list", "attack 38", []string{"flutter-dart"},
			echo("mqttv3.1, mqtt", "mqtt", "mqttv3.1")},
		{"no-subprotocol-invented", "a request without a subprotocol is refused, or answered without one", "RFC 6455 4.2.2", nil, notInvented},
		{"no-extensions-unasked", "no Sec-WebSocket-Extensions unless asked", "H6",
			those(func(p profile.Profile) bool { return p.Response.Extensions != profile.ExtensionsIgnored }), extensions("")},
		{"no-extensions-offered", "offered permessage-deflate is not taken up", "H6", []string{"mqttjs-node (costs memory only)"},
			extensions("permessage-deflate; client_max_window_bits")},
	}
}

// requestAssertions are about what a handshake must be allowed to look like.
func requestAssertions() []Assertion {
	return []Assertion{
		{"origin-file", "Origin: file:// is accepted", "H11",
			those(func(p profile.Profile) bool { return p.Request.Origin == profile.FileOrigin }),
			accepted(func(r *profile.Request) { r.Origin = profile.FileOrigin })},
		{"origin-url", "Origin: http(s)://host:port is accepted", "H11",
			those(func(p profile.Profile) bool { return p.Request.Origin == profile.URLOrigin }),
			accepted(func(r *profile.Request) { r.Origin = profile.URLOrigin })},
		{"host-localhost", "Host: localhost is accepted", "H12",
			those(func(p profile.Profile) bool { return p.Request.Host == profile.HostLocalhost }),
			accepted(func(r *profile.Request) { r.Host = profile.HostLocalhost })},
		{"host-without-port", "Host without a port is accepted", "H12",
			those(func(p profile.Profile) bool { return p.Request.Host == profile.HostOnly }),
			accepted(func(r *profile.Request) { r.Host = profile.HostOnly })},
		{"host-443", "Host: host:443 is accepted", "H12",
			those(func(p profile.Profile) bool { return p.Request.Host == profile.Host443 }),
			accepted(func(r *profile.Request) { r.Host = profile.Host443 })},
		{"long-query", "a request line of 6 KiB is accepted", "H13", []string{"aws-crt"},
			accepted(func(r *profile.Request) { r.QueryBytes = 6 << 10 })},
		{"path-root", "the path / is accepted", "H14",
			those(func(p profile.Profile) bool { return p.Request.Path == "/" }), path("/")},
		{"path-mqtt", "the path /mqtt is accepted", "H14",
			those(func(p profile.Profile) bool { return p.Request.Path == "/mqtt" }), path("/mqtt")},
	}
}

func accepted(change func(*profile.Request)) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		form := plain()
		change(&form)
		resp, _, err := p.shake(form)
		if err != nil {
			return failed(err)
		}
		return Pass, resp.StatusLine()
	}
}

func path(path string) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		req := p.build(plain())
		req.Path = path
		_, resp, err := p.ask(req)
		if err != nil {
			return failed(err)
		}
		return passIf(resp.Status == 101, "%s", resp.StatusLine())
	}
}

// single101 looks five times: TCP may join two writes by chance, but it does not cut a small one.
func single101(p *probe) (Status, string) {
	most := 0
	for range 5 {
		resp, _, err := p.shake(plain())
		if err != nil {
			return failed(err)
		}
		most = max(most, resp.Reads)
	}
	return passIf(most == 1, "%d read(s) at most in 5 handshakes", most)
}

func nothingAfter(p *probe) (Status, string) {
	conn, resp, err := p.ask(p.build(plain()))
	if err != nil {
		return failed(err)
	}
	if resp.Status != 101 || len(resp.After) > 0 {
		return Fail, fmt.Sprintf("%s with %d B behind it", resp.StatusLine(), len(resp.After))
	}
	_ = conn.SetReadDeadline(time.Now().Add(min(p.config.Quiet, 500*time.Millisecond)))
	var b [64]byte
	n, err := conn.Read(b[:])
	if n > 0 {
		return Fail, fmt.Sprintf("%d B: %x", n, b[:n])
	}
	return passIf(timedOut(err), "%v", tidy(err))
}

func headerForm(p *probe) (Status, string) {
	resp, req, err := p.shake(plain())
	if err != nil {
		return failed(err)
	}
	rules := profile.ResponseRules{Upgrade: profile.WholeExact, Connection: profile.WholeExact, AcceptSpace: true,
		NeedsSpace: true, NeedsValues: true}
	var seen []string
	for _, problem := range rules.Verify(req, nil, "", resp) {
		seen = append(seen, problem.Error())
	}
	for _, l := range resp.Lines {
		if l.Colon && (!strings.HasPrefix(l.Value, " ") || strings.HasPrefix(l.Value, "  ")) {
			seen = append(seen, fmt.Sprintf("spacing in %q", l.Name+":"+l.Value))
		}
	}
	if len(seen) > 0 {
		return Fail, strings.Join(seen, "; ")
	}
	upgrade, _ := resp.Header("Upgrade")
	return Pass, "Upgrade: " + upgrade
}

func echo(offer string, want ...string) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		form := plain()
		form.Subprotocols = []string{offer}
		resp, _, err := p.shake(form)
		if err != nil {
			return failed(err)
		}
		got, there := resp.Header("Sec-WebSocket-Protocol")
		if !there {
			return Fail, "no Sec-WebSocket-Protocol"
		}
		return passIf(slices.Contains(want, got), "offered %q, got %q", offer, got)
	}
}

func notInvented(p *probe) (Status, string) {
	form := plain()
	form.Subprotocols = nil
	_, resp, err := p.ask(p.build(form))
	if err != nil {
		return Pass, err.Error()
	}
	got, there := resp.Header("Sec-WebSocket-Protocol")
	return passIf(resp.Status != 101 || !there, "%s, subprotocol %q", resp.StatusLine(), got)
}

func extensions(offer string) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		form := plain()
		form.Extensions = offer
		resp, _, err := p.shake(form)
		if err != nil {
			return failed(err)
		}
		got, there := resp.Header("Sec-WebSocket-Extensions")
		return passIf(!there, "Sec-WebSocket-Extensions: %q", got)
	}
}
