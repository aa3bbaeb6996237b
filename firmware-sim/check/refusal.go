package check

import (
	"fmt"
	"strings"

	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// refusalAssertions look at what comes instead of a 101.
func refusalAssertions() []Assertion {
	small := those(func(p profile.Profile) bool { return p.Response.Limit > 0 && p.Response.Limit < 2048 })
	return []Assertion{
		{"error-size", "an error answer fits 1,023 bytes with its body", "H9", small, errorAnswer(func(total int, resp *wire.Response) (Status, string) {
			return passIf(total < 1024, "%s, %d B in all", resp.StatusLine(), total)
		})},
		{"error-close", "an error answer says Connection: close", "H9", small, errorAnswer(func(_ int, resp *wire.Response) (Status, string) {
			v, _ := resp.Header("Connection")
			return passIf(strings.EqualFold(v, "close"), "%s, Connection: %q", resp.StatusLine(), v)
		})},
		{"error-no-redirect", "an unknown path is refused with 4xx or 5xx, not redirected or upgraded", "H10", []string{"everybody"},
			errorAnswer(func(_ int, resp *wire.Response) (Status, string) {
				return passIf(resp.Status >= 400, "%s", resp.StatusLine())
			})},
		{"version-426", "a wrong Sec-WebSocket-Version gets 426 and the right one", "RFC 6455 4.4", nil, func(p *probe) (Status, string) {
			resp, err := p.altered("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8")
			if err != nil {
				return failed(err)
			}
			v, _ := resp.Header("Sec-WebSocket-Version")
			return passIf(resp.Status == 426 && v == "13", "%s, Sec-WebSocket-Version: %q", resp.StatusLine(), v)
		}},
		{"key-400", "a Sec-WebSocket-Key that is not 16 bytes is refused", "RFC 6455 4.2.1, attack 35", nil, func(p *probe) (Status, string) {
			resp, err := p.altered("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: c2hvcnQ=")
			if err != nil {
				return Pass, err.Error()
			}
			return passIf(resp.Status >= 400 && resp.Status < 500, "%s", resp.StatusLine())
		}},
		{"not-an-upgrade", "a plain GET is refused", "RFC 6455 4.2.1", nil, func(p *probe) (Status, string) {
			resp, err := p.altered("Upgrade: ", "X-Nothing: x")
			if err != nil {
				return Pass, err.Error()
			}
			return passIf(resp.Status >= 400 && resp.Status < 500, "%s", resp.StatusLine())
		}},
	}
}

// errorAnswer asks for a path that should not exist.
func errorAnswer(judge func(total int, resp *wire.Response) (Status, string)) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		req := p.build(plain())
		req.Path = "/no/such/path"
		conn, resp, err := p.ask(req)
		if err != nil {
			return Fail, "no HTTP answer: " + err.Error()
		}
		if resp.Status == 101 {
			return Fail, fmt.Sprintf("%s for an unknown path", resp.StatusLine())
		}
		body, _ := resp.ReadBody(conn, 64<<10) // a peer that keeps the connection open has sent what it had
		return judge(len(resp.Head)+len(body), resp)
	}
}

// altered sends a plain request in which the line with that prefix is replaced.
func (p *probe) altered(prefix, line string) (*wire.Response, error) {
	req := p.build(plain())
	for i, l := range req.Lines {
		if strings.HasPrefix(l, prefix) {
			req.Lines[i] = line
		}
	}
	_, resp, err := p.ask(req)
	return resp, err
}
