package realclients

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// patience is how long anything may take that is expected to happen; only a failing test waits that long.
const patience = 30 * time.Second

// Message is an application message as a device or the observer received it.
type Message struct {
	Topic   string
	Payload []byte
	QoS     int
	Retain  bool
}

// link carries lines to a driver and can end it without a word.
type link interface {
	send(line []byte) error
	kill()
}

// Device is a running driver. It belongs to one test and its methods are called by that test's goroutine alone.
type Device struct {
	t    testing.TB
	link link
	next int // id of the last command

	// filled by the link's reader
	hello    chan Event
	done     chan Event
	messages chan Message
	ended    chan error // why no further line will come
}

// newDevice makes a device that has no link yet; the caller sets it before using the device.
func newDevice(t testing.TB) *Device {
	return &Device{
		t:     t,
		hello: make(chan Event, 1),
		done:  make(chan Event, 64),
		// Far more than any scenario sends, so that the link's reader never waits for the test.
		messages: make(chan Message, 256),
		ended:    make(chan error, 1),
	}
}

// hear takes one line from the driver. It is called by the link's reader.
func (d *Device) hear(line []byte) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		d.done <- Event{Error: fmt.Sprintf("not a line of the protocol: %.200q", line)}
		return
	}
	switch e.Event {
	case "hello":
		d.hello <- e
	case "message":
		payload, err := hex.DecodeString(e.Payload)
		if err != nil {
			payload = []byte("payload is not hexadecimal")
		}
		d.messages <- Message{e.Topic, payload, e.QoS, e.Retain}
	default:
		d.done <- e
	}
}

// hangUp says that no further line will come. It is called once, by the link's reader.
func (d *Device) hangUp(err error) { d.ended <- err }

// do carries out a command and returns its answer.
func (d *Device) do(c Command) (Event, error) {
	d.t.Helper()
	d.next++
	c.ID = d.next
	line, err := json.Marshal(c)
	if err != nil {
		d.t.Fatalf("encode the command: %v", err)
	}
	if err := d.link.send(line); err != nil {
		d.t.Fatalf("tell the driver to %s: %v", c.Do, err)
	}
	select {
	case e := <-d.done:
		if e.Error != "" {
			return e, fmt.Errorf("%s: %s", c.Do, e.Error)
		}
		if e.ID != c.ID {
			return e, fmt.Errorf("%s: answer to command %d, want %d", c.Do, e.ID, c.ID)
		}
		return e, nil
	case err := <-d.ended:
		return Event{}, fmt.Errorf("%s: the driver has ended: %w", c.Do, err)
	case <-time.After(patience):
		return Event{}, fmt.Errorf("%s: no answer within %v", c.Do, patience)
	}
}

// must is do for a command that has to succeed.
func (d *Device) must(c Command) Event {
	d.t.Helper()
	e, err := d.do(c)
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// Subscribe subscribes and waits for the answer.
func (d *Device) Subscribe(filter string, qos int) {
	d.t.Helper()
	d.must(Command{Do: "subscribe", Topic: filter, QoS: qos})
}

// Unsubscribe unsubscribes and waits for the answer.
func (d *Device) Unsubscribe(filter string) {
	d.t.Helper()
	d.must(Command{Do: "unsubscribe", Topic: filter})
}

// Publish publishes and waits until the library says that it is done: written for QoS 0, acknowledged above.
func (d *Device) Publish(m Message) {
	d.t.Helper()
	d.must(Command{
		Do: "publish", Topic: m.Topic, Payload: hex.EncodeToString(m.Payload), QoS: m.QoS, Retain: m.Retain,
	})
}

// Disconnect takes leave with an MQTT DISCONNECT.
func (d *Device) Disconnect() {
	d.t.Helper()
	d.must(Command{Do: "disconnect"})
}

// Die ends the device in the middle, without any word to the other side.
func (d *Device) Die() { d.link.kill() }

// Next is the next message the device receives.
func (d *Device) Next() Message {
	d.t.Helper()
	select {
	case m := <-d.messages:
		return m
	case err := <-d.ended:
		d.t.Fatalf("wait for a message: the driver has ended: %v", err)
	case <-time.After(patience):
		d.t.Fatalf("the device received no message within %v", patience)
	}
	return Message{}
}
