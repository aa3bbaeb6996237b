package realclients

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// driverVariable names the Go library that the test binary, started again as a driver, is to drive.
const driverVariable = "MQTT_WS_BRIDGE_TEST_DRIVER"

// goClient is a Go library under the commands of the protocol.
type goClient interface {
	connect(Command) (present bool, err error)
	subscribe(topic string, qos byte) error
	unsubscribe(topic string) error
	publish(topic string, payload []byte, qos byte, retain bool) error
	disconnect() error
}

// goLibraries open a client of each Go library, by name.
var goLibraries = map[string]func(received func(Message)) goClient{
	"autopaho":         newAutopaho,
	"paho.mqtt.golang": newPaho311,
}

// drive is the main function of a Go driver: it carries out the commands of in until in ends.
func drive(name string, in io.Reader, out io.Writer) error {
	open, ok := goLibraries[name]
	if !ok {
		return fmt.Errorf("no Go library %q", name)
	}
	w := &eventWriter{w: out}
	w.write(Event{Event: "hello", Library: name})
	client := open(func(m Message) {
		w.write(Event{
			Event: "message", Topic: m.Topic, Payload: hex.EncodeToString(m.Payload), QoS: m.QoS, Retain: m.Retain,
		})
	})
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var c Command
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("read a command: %w", err)
		}
		answer := Event{Event: "done", ID: c.ID}
		if answer.Present, err = carryOut(client, c); err != nil {
			answer.Error = err.Error()
		}
		w.write(answer)
	}
}

func carryOut(client goClient, c Command) (present bool, err error) {
	switch c.Do {
	case "connect":
		return client.connect(c)
	case "subscribe":
		return false, client.subscribe(c.Topic, byte(c.QoS))
	case "unsubscribe":
		return false, client.unsubscribe(c.Topic)
	case "publish":
		payload, err := hex.DecodeString(c.Payload)
		if err != nil {
			return false, err
		}
		return false, client.publish(c.Topic, payload, byte(c.QoS), c.Retain)
	case "disconnect":
		return false, client.disconnect()
	}
	return false, fmt.Errorf("no command %q", c.Do)
}

// eventWriter writes whole lines from several goroutines.
type eventWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (w *eventWriter) write(e Event) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // plain fields only: cannot happen
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.w.Write(append(line, '\n')) // nobody listens any more: the driver is about to end
}

// secure is the TLS configuration that trusts the command's authority alone and shows its certificate; nil without an authority.
func secure(c Command) (*tls.Config, error) {
	if c.CA == "" {
		return nil, nil
	}
	content, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("no certificate in %s", c.CA)
	}
	config := &tls.Config{RootCAs: pool}
	if c.Cert != "" {
		own, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// header is what the command adds to the handshake. Go's libraries offer the subprotocol of MQTT and no other.
func header(c Command) (http.Header, error) {
	if len(c.Subprotocols) > 0 {
		return nil, errors.New("this library cannot offer other subprotocols")
	}
	h := make(http.Header)
	for name, value := range c.Headers {
		h.Set(name, value)
	}
	return h, nil
}

// driverTimeout ends a library's call before the test loses patience, so that its own error is heard.
const driverTimeout = 2 * patience / 3

var errTimeout = fmt.Errorf("no result within %v", time.Duration(driverTimeout))
