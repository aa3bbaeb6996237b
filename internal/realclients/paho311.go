package realclients

import (
	"encoding/hex"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// paho311 drives github.com/eclipse/paho.mqtt.golang, with the WebSocket it brings.
type paho311 struct {
	received func(Message)
	client   mqtt.Client
}

func newPaho311(received func(Message)) goClient { return &paho311{received: received} }

func (p *paho311) connect(c Command) (bool, error) {
	secure, err := secure(c)
	if err != nil {
		return false, err
	}
	header, err := header(c)
	if err != nil {
		return false, err
	}
	o := mqtt.NewClientOptions().AddBroker(c.URL).SetClientID(c.Client).SetCleanSession(c.Clean).
		SetProtocolVersion(uint(c.Version)).SetKeepAlive(time.Duration(c.Keepalive) * time.Second).
		SetAutoReconnect(false).SetConnectTimeout(driverTimeout).SetTLSConfig(secure).SetHTTPHeaders(header)
	if c.Will != nil {
		payload, err := hex.DecodeString(c.Will.Payload)
		if err != nil {
			return false, err
		}
		o.SetBinaryWill(c.Will.Topic, payload, byte(c.Will.QoS), c.Will.Retain)
	}
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		p.received(Message{m.Topic(), m.Payload(), int(m.Qos()), m.Retained()})
	})
	p.client = mqtt.NewClient(o)
	token := p.client.Connect()
	if err := await(token); err != nil {
		return false, err
	}
	return token.(*mqtt.ConnectToken).SessionPresent(), nil
}

func (p *paho311) subscribe(topic string, qos byte) error {
	return await(p.client.Subscribe(topic, qos, nil))
}

func (p *paho311) unsubscribe(topic string) error { return await(p.client.Unsubscribe(topic)) }

func (p *paho311) publish(topic string, payload []byte, qos byte, retain bool) error {
	return await(p.client.Publish(topic, qos, retain, payload))
}

func (p *paho311) disconnect() error {
	p.client.Disconnect(250)
	return nil
}

func await(token mqtt.Token) error {
	if !token.WaitTimeout(driverTimeout) {
		return errTimeout
	}
	return token.Error()
}
