package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/admin"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/mqttio"
)

// checkOnline tries what the configuration reaches over the network, as the bridge would, and says of each on a line what came of it. It
// reports whether all of it answered. What failed has on its line what to do about it.
func checkOnline(ctx context.Context, cfg *config.Config, out io.Writer) bool {
	good := true
	say := func(what, answer string, err error, a advice) {
		if err != nil {
			good = false
			answer = "failed: " + strings.ReplaceAll(err.Error(), "\n", "; ") + ": " + a.of(err)
		}
		fmt.Fprintf(out, "%s: %s\n", what, answer)
	}
	for i := range cfg.Upstream.URLs {
		name, answer, err := tryBroker(ctx, cfg, i)
		say(name, answer, err, brokerAdvice)
	}
	d, err := newAccessControl(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return good // what is wrong was said by the check before
	}
	byURL := func(a, b keySet) int { return strings.Compare(a.url, b.url) }
	for _, set := range slices.SortedFunc(maps.Keys(d.remotes), byURL) {
		say("key set "+withoutQuery(set.url), "ok", d.remotes[set].Check(ctx), keySetAdvice)
	}
	for i := range cfg.Access.Sources {
		if s := &cfg.Access.Sources[i]; s.Type == "callback" {
			say("callback "+withoutQuery(s.URL), "ok: takes connections", tryService(ctx, s.URL, cfg.Upstream.DialTimeout), callbackAdvice)
		}
	}
	return good
}

// tryBroker connects to one of the brokers as for a device, and asks it with CONNECT whether it speaks MQTT.
func tryBroker(ctx context.Context, cfg *config.Config, i int) (name, answer string, err error) {
	one := *cfg
	one.Upstream.URLs = cfg.Upstream.URLs[i : i+1]
	p := &process{cfg: &one, log: slog.New(slog.DiscardHandler), registry: admin.NewRegistry("")}
	p.tlsMetrics = tlsfiles.NewMetrics(p.registry)
	name = fmt.Sprintf("upstream.urls[%d]", i)
	if err := p.wireUpstream(); err != nil {
		return name, "", err
	}
	name += " " + p.brokerNames[0]
	packet := checkConnect(&cfg.Access.Connect)
	connect, err := mqttio.ParseConnect(packet)
	if err != nil {
		return name, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Upstream.DialTimeout)
	defer cancel()
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	broker, err := p.pool.Dial(ctx, bridge.DeviceInfo{Connect: &connect, Addr: here, Local: here})
	if err != nil {
		return name, "", err
	}
	defer broker.Close()
	_ = broker.SetDeadline(time.Now().Add(cfg.Upstream.ConnackTimeout))
	if _, err := broker.Write(packet); err != nil {
		return name, "", fmt.Errorf("send CONNECT: %w", err)
	}
	pkt := make([]byte, 4) // as long as CONNACK is in MQTT 3.1.1
	if _, err := io.ReadFull(bufio.NewReader(broker), pkt); err != nil {
		return name, "", fmt.Errorf("await CONNACK: %w", err)
	}
	ack, err := mqttio.ParseConnack(pkt, mqttio.V311)
	if err != nil {
		return name, "", fmt.Errorf("the answer to CONNECT is not CONNACK: %w", err)
	}
	if ack.Code != 0 { // who is asked with no name of a device may well say no
		return name, "ok: CONNACK " + mqttio.ConnackText(ack.Code, mqttio.V311), nil
	}
	_, _ = broker.Write([]byte{byte(mqttio.TypeDisconnect) << 4, 0})
	return name, "ok: CONNACK accepted", nil
}

// checkConnect is a CONNECT of MQTT 3.1.1 with the user name and password that every device gets, if there are such.
func checkConnect(c *config.AccessConnect) []byte {
	text := func(b []byte, s string) []byte { return append(append(b, byte(len(s)>>8), byte(len(s))), s...) }
	flags := byte(0x02)                                                  // clean session
	payload := text(nil, "check"+strings.ToLower(rand.Text())[:12])      // within what MQTT 3.1 allows
	if name := c.Username; name != "" && !strings.Contains(name, "{{") { // the same for all
		flags |= 0x80
		payload = text(payload, name)
		if password := string(c.Password); password != "" && !strings.Contains(password, "{{") {
			flags |= 0x40
			payload = text(payload, password)
		}
	}
	body := append(append(text(nil, "MQTT"), 4, flags, 0, 10), payload...)
	packet := []byte{byte(mqttio.TypeConnect) << 4}
	for n := len(body); ; n >>= 7 {
		if n < 0x80 {
			packet = append(packet, byte(n))
			break
		}
		packet = append(packet, byte(n)|0x80)
	}
	return append(packet, body...)
}

// tryService connects to an HTTP service, and asks nothing: the answer would be about a device.
func tryService(ctx context.Context, at string, timeout time.Duration) error {
	u, err := url.Parse(at)
	if err != nil {
		return fmt.Errorf("not a URL") // err would repeat it
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	port := u.Port()
	var dial func(ctx context.Context, network, address string) (net.Conn, error)
	switch u.Scheme {
	case "https":
		dial = (&tls.Dialer{}).DialContext
		port = orElse(port, "443")
	default:
		dial = (&net.Dialer{}).DialContext
		port = orElse(port, "80")
	}
	nc, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return nc.Close()
}

func orElse(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// withoutQuery is a URL for people: what is left out may be secret.
func withoutQuery(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "***"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
