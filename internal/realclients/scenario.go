package realclients

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// row is one library with one version of MQTT over one transport.
type row struct {
	library Library
	version int
	secure  bool
	target  Target
	start   func(testing.TB) *Device
}

// Scenario is something that every row has to manage.
type Scenario struct {
	Name string
	run  func(*scene)
}

// Scenarios are in the order of the table's columns.
var Scenarios = []Scenario{
	{"connect", connect},
	{"will", will},
	{"subscribe", subscribe},
	{"QoS 0", qos(0)},
	{"QoS 1", qos(1)},
	{"QoS 2", qos(2)},
	{"retained", retained},
	{"1 MiB", large},
	{"keepalive", keepalive},
	{"resume", resume},
}

// scene is one scenario of one row: its names are its own, so that any number may share a broker.
type scene struct {
	*testing.T
	row
	id     string // of the device
	prefix string // of every topic
}

func newScene(t *testing.T, r row) *scene {
	id := strings.NewReplacer("/", "-", " ", "").Replace(t.Name())
	return &scene{T: t, row: r, id: id, prefix: "real/" + id + "/"}
}

// hello is what a connecting device says unless the scenario wants otherwise.
func (s *scene) hello() Command {
	c := Command{Do: "connect", URL: s.target.WS, Client: s.id, Version: s.version, Clean: true, Keepalive: 60}
	if s.secure {
		c.URL, c.CA = s.target.WSS, s.target.Authority.File
	}
	return c
}

// device starts a device and connects it.
func (s *scene) device(hello Command) (d *Device, present bool) {
	s.Helper()
	d = s.start(s)
	return d, d.must(hello).Present
}

func (s *scene) observer() *Observer {
	s.Helper()
	return Observe(s, s.target.Broker.TCP, "observer-of-"+s.id)
}

// logged waits until the broker has said n lines about the device that contain the given part.
func (s *scene) logged(n int, part string) {
	s.Helper()
	s.target.Broker.Log.WaitFor(s, patience, n, part, " "+s.id)
}

// message makes a message on a topic of the scene, with every byte value in its payload.
func (s *scene) message(topic string, qos, size int) Message {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(rand.Uint32())
	}
	for i := range min(size, 256) {
		payload[i] = byte(i)
	}
	return Message{Topic: s.prefix + topic, Payload: payload, QoS: qos}
}

// same fails the test unless the receiver got what the sender sent.
func (s *scene) same(receiver string, got, want Message) {
	s.Helper()
	if got.Topic != want.Topic || got.QoS != want.QoS || got.Retain != want.Retain {
		s.Fatalf("%s got topic %q, QoS %d, retain %t; want %q, %d, %t",
			receiver, got.Topic, got.QoS, got.Retain, want.Topic, want.QoS, want.Retain)
	}
	if !bytes.Equal(got.Payload, want.Payload) {
		s.Fatalf("%s got another payload: %s, want %s", receiver, short(got.Payload), short(want.Payload))
	}
}

func short(payload []byte) string {
	return fmt.Sprintf("%d bytes beginning %x", len(payload), payload[:min(len(payload), 32)])
}

// connect: the broker sees the device with its own name and version, and its DISCONNECT.
func connect(s *scene) {
	d, present := s.device(s.hello())
	if present {
		s.Error("a new device has a session already")
	}
	// Mosquitto numbers the versions 3.1, 3.1.1 and 5 as p1, p2 and p5.
	version := map[int]string{mqtt311: "(p2, c1, k60", mqtt5: "(p5, c1, k60"}[s.version]
	s.target.Broker.Log.WaitFor(s, patience, 1, "New client connected", " as "+s.id+" ", version)
	d.Disconnect()
	s.logged(1, "Received DISCONNECT from")
}

// will: it comes when the device dies, and does not when the device takes its leave.
func will(s *scene) {
	o := s.observer()
	o.Subscribe(s.prefix+"#", 1)
	last := s.message("will", 1, 300)
	hello := s.hello()
	hello.Will = &Will{Topic: last.Topic, Payload: hex.EncodeToString(last.Payload), QoS: 1}
	d, _ := s.device(hello)
	d.Die()
	s.same("the observer", o.Next(), last)

	d, _ = s.device(hello)
	d.Disconnect()
	s.logged(1, "Received DISCONNECT from")
	marker := s.message("marker", 1, 10)
	o.Publish(marker)
	s.same("the observer", o.Next(), marker)
}

// subscribe: a filter with wildcards brings what it names and nothing else, and nothing after it is given up.
func subscribe(s *scene) {
	o := s.observer()
	d, _ := s.device(s.hello())
	d.Subscribe(s.prefix+"+/set/#", 1)
	d.Subscribe(s.prefix+"other", 1)
	wanted := s.message("lamp/set/on", 1, 100)
	o.Publish(s.message("lamp/state", 1, 100))
	o.Publish(wanted)
	s.same("the device", d.Next(), wanted)

	d.Unsubscribe(s.prefix + "+/set/#")
	o.Publish(wanted)
	other := s.message("other", 1, 100)
	o.Publish(other)
	s.same("the device", d.Next(), other)
}

// qos: messages go both ways with their payload and their QoS, once.
func qos(level int) func(*scene) {
	return func(s *scene) {
		o := s.observer()
		d, _ := s.device(s.hello())
		o.Subscribe(s.prefix+"up/#", level)
		d.Subscribe(s.prefix+"down/#", level)
		for i, size := range []int{0, 1, 1000} {
			up := s.message(fmt.Sprintf("up/%d", i), level, size)
			d.Publish(up)
			s.same("the observer", o.Next(), up)
			down := s.message(fmt.Sprintf("down/%d", i), level, size)
			o.Publish(down)
			s.same("the device", d.Next(), down)
		}
	}
}

// retained: what either side leaves at the broker is there for the other that comes later.
func retained(s *scene) {
	d, _ := s.device(s.hello())
	up := s.message("up", 1, 100)
	up.Retain = true
	d.Publish(up)
	o := s.observer()
	o.Subscribe(up.Topic, 1)
	s.same("the observer", o.Next(), up)

	down := s.message("down", 1, 100)
	down.Retain = true
	o.Publish(down)
	d.Subscribe(down.Topic, 1)
	s.same("the device", d.Next(), down)
}

// large: 1 MiB goes both ways.
func large(s *scene) {
	const size = 1 << 20
	o := s.observer()
	d, _ := s.device(s.hello())
	o.Subscribe(s.prefix+"up", 1)
	d.Subscribe(s.prefix+"down", 1)
	up := s.message("up", 1, size)
	d.Publish(up)
	s.same("the observer", o.Next(), up)
	down := s.message("down", 1, size)
	o.Publish(down)
	s.same("the device", d.Next(), down)
}

// keepalive: a device that has nothing to say stays connected by its PINGREQs alone.
func keepalive(s *scene) {
	const seconds = 2
	hello := s.hello()
	hello.Keepalive = seconds
	d, _ := s.device(hello)
	start := time.Now()
	// The broker cuts a silent device after 1.5 times the keepalive.
	for pings := 1; time.Since(start) < 2*seconds*time.Second; pings++ {
		s.logged(pings, "Received PINGREQ from")
	}
	o := s.observer()
	o.Subscribe(s.prefix+"up", 1)
	up := s.message("up", 1, 10)
	d.Publish(up)
	s.same("the observer", o.Next(), up)
	if n := s.target.Broker.Log.Count("New client connected", " as "+s.id+" "); n != 1 {
		s.Errorf("the device connected %d times, want once", n)
	}
}

// resume: what was published while the device was away is there when it comes back.
func resume(s *scene) {
	o := s.observer()
	hello := s.hello()
	hello.Clean, hello.Expiry = false, 300
	d, present := s.device(hello)
	if present {
		s.Error("a new device has a session already")
	}
	d.Subscribe(s.prefix+"down/#", 1)
	d.Disconnect()
	d.Die()
	s.logged(1, "Received DISCONNECT from")
	var queued []Message
	for i := range 3 {
		m := s.message(fmt.Sprintf("down/%d", i), 1, 100)
		o.Publish(m)
		queued = append(queued, m)
	}
	d, present = s.device(hello)
	s.logged(1, "Sending CONNACK to "+s.id+" (1, 0)")
	if !present && s.library.mute != s.version {
		s.Error("the library says that there was no session")
	}
	for _, m := range queued {
		s.same("the device", d.Next(), m)
	}
}
