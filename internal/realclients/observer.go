package realclients

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// Observer watches and feeds the broker over plain TCP: the other side of every scenario.
type Observer struct {
	t        testing.TB
	client   *paho.Client
	messages chan Message
}

// Observe connects an observer to the broker at the TCP address; it leaves at the end of the test.
func Observe(t testing.TB, address, id string) *Observer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatalf("the observer dials the broker: %v", err)
	}
	o := &Observer{t: t, messages: make(chan Message, 256)}
	o.client = paho.NewClient(paho.ClientConfig{
		Conn:              conn,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){o.receive},
		PacketTimeout:     patience,
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := o.client.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 60, CleanStart: true}); err != nil {
		_ = conn.Close()
		t.Fatalf("the observer connects: %v", err)
	}
	t.Cleanup(func() {
		_ = o.client.Disconnect(&paho.Disconnect{}) // a broker that is gone already is fine
		<-o.client.Done()
		_ = conn.Close()
	})
	return o
}

func (o *Observer) receive(p paho.PublishReceived) (bool, error) {
	o.messages <- Message{p.Packet.Topic, p.Packet.Payload, int(p.Packet.QoS), p.Packet.Retain}
	return true, nil
}

// Subscribe subscribes and waits for the broker's answer.
func (o *Observer) Subscribe(filter string, qos int) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := o.client.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: byte(qos)}},
	})
	if err != nil {
		o.t.Fatalf("the observer subscribes to %s: %v", filter, err)
	}
}

// Publish publishes and waits for the acknowledgement that the QoS has.
func (o *Observer) Publish(m Message) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := o.client.Publish(ctx, &paho.Publish{
		Topic: m.Topic, Payload: m.Payload, QoS: byte(m.QoS), Retain: m.Retain,
	})
	if err != nil {
		o.t.Fatalf("the observer publishes to %s: %v", m.Topic, err)
	}
}

// Next is the next message the broker sends to the observer.
func (o *Observer) Next() Message {
	o.t.Helper()
	select {
	case m := <-o.messages:
		return m
	case <-time.After(patience):
		o.t.Fatalf("the observer received no message within %v", patience)
		return Message{}
	}
}
