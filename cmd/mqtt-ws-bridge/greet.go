package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"mqtt-ws-bridge/config"
)

// greet says what runs and, with the embedded broker, how to try it.
func (p *process) greet(out io.Writer) {
	var urls []string
	for i, l := range p.deviceListeners {
		urls = append(urls, deviceURL(p.deviceListeners[i].address, l.Addr().String(), p.path()))
	}
	p.log.Info("serving", "listen", urls, "brokers", p.brokerNames, "admin", p.cfg.Admin.Listen)
	if p.embedded == nil {
		return
	}
	fmt.Fprint(out, "\nmqtt-ws-bridge takes MQTT devices over WebSocket at\n\n")
	open := p.greetDevices(out)
	fmt.Fprint(out, "\nand serves them with a broker of its own, which keeps nothing. Name yours with --upstream tcp://HOST:1883.\n")
	if open != "" && len(p.cfg.Access.Sources) == 0 {
		fmt.Fprintf(out, "Whoever reaches this machine may publish and subscribe; --listen 127.0.0.1:%s keeps others out.\n", open)
	}
	fmt.Fprintln(out)
	if address := p.embedded.Addr(); address != nil {
		host, port := local(address)
		fmt.Fprintf(out, "  watch:    mosquitto_sub -h %s -p %s -t \"#\" -v\n", host, port)
	}
	if line := p.publishLine(); line != "" {
		fmt.Fprintf(out, "  publish:  %s\n", line)
	}
	if p.adminListener != nil {
		fmt.Fprintf(out, "  look:     %s\n", adminURL(p.adminListener.Addr()))
	}
	fmt.Fprint(out, "  stop:     Ctrl-C\n\n")
}

// greetDevices prints the URLs at which devices reach the bridge: from this machine and, where it listens everywhere, from others. It
// returns the port of the first listener that listens everywhere.
func (p *process) greetDevices(out io.Writer) (open string) {
	for i, l := range p.deviceListeners {
		a, path := p.deviceListeners[i].address, p.path()
		if a.Network == "unix" {
			fmt.Fprintf(out, "  %s\n", deviceURL(a, "", path))
			continue
		}
		host, port := local(l.Addr())
		fmt.Fprintf(out, "  %s\n", deviceURL(a, net.JoinHostPort(host, port), path))
		if !everywhere(l.Addr()) {
			continue
		}
		if open == "" {
			open = port
		}
		if lan := lanAddress(); lan != "" {
			fmt.Fprintf(out, "  %s    from other machines\n", deviceURL(a, net.JoinHostPort(lan, port), path))
		}
	}
	return open
}

// publishLine is a command for a shell that publishes through the first listener with an address; "" if there is none, or if devices
// have to show what no such line can.
func (p *process) publishLine() string {
	i := slices.IndexFunc(p.deviceListeners, func(l *deviceListener) bool { return l.address.Network != "unix" })
	if i < 0 || len(p.cfg.Access.Sources) > 0 {
		return ""
	}
	host, port := local(p.deviceListeners[i].Addr())
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // mqtt.js puts it into a URL
	}
	line := fmt.Sprintf("npx mqtt pub -h %s -p %s -l ws", host, port)
	if p.deviceListeners[i].address.TLS {
		line = fmt.Sprintf("npx mqtt pub -h %s -p %s -l wss --insecure", host, port) // a certificate for this address would be rare
		if p.cfg.TLS.ClientAuth == "require" {
			line += " --cert FILE --key FILE"
		}
	}
	if !slices.Contains(p.cfg.Paths, "/") { // which is what it asks for by itself
		line += " --path " + quoted(p.path())
	}
	return line + " -t hello -m world"
}

// quoted is a word as a POSIX shell reads it.
func quoted(word string) string {
	plain := strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-%")
	if plain == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func adminURL(a net.Addr) string {
	if a.Network() == "unix" {
		return "curl --unix-socket " + quoted(a.String()) + " http://bridge/"
	}
	host, port := local(a)
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// everywhere reports whether a listener takes connections to every address of the machine.
func everywhere(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsUnspecified()
}

// local is where a program on this machine reaches a listener.
func local(a net.Addr) (host, port string) {
	host, port, _ = net.SplitHostPort(a.String())
	if everywhere(a) {
		host = "127.0.0.1" // a listener on :: takes IPv4 too
	}
	return host, port
}

// lanAddress is the address from which this machine talks to others, "" if it has none. Nothing is sent.
func lanAddress() string {
	for _, somewhere := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // RFC 5737, RFC 3849
		nc, err := net.Dial("udp", somewhere)
		if err != nil {
			continue
		}
		nc.Close()
		if udp, ok := nc.LocalAddr().(*net.UDPAddr); ok && !udp.IP.IsLoopback() && !udp.IP.IsUnspecified() {
			return udp.IP.String()
		}
	}
	return ""
}

// deviceURL is what a device opens at this address.
func deviceURL(a config.Address, address, path string) string {
	if a.Network == "unix" {
		return "unix://" + a.Address
	}
	if a.TLS {
		return "wss://" + address + path
	}
	return "ws://" + address + path
}

// path is one at which devices are accepted.
func (p *process) path() string { return strings.TrimSuffix(p.cfg.Paths[0], "*") }
