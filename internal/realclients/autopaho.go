package realclients

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/url"

	autopaholib "github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// autopaho drives github.com/eclipse/paho.golang/autopaho, with the WebSocket it brings.
type autopaho struct {
	received func(Message)
	manager  *autopaholib.ConnectionManager
}

func newAutopaho(received func(Message)) goClient { return &autopaho{received: received} }

func (a *autopaho) connect(c Command) (bool, error) {
	address, err := url.Parse(c.URL)
	if err != nil {
		return false, err
	}
	secure, err := secure(c)
	if err != nil {
		return false, err
	}
	header, err := header(c)
	if err != nil {
		return false, err
	}
	up := make(chan *paho.Connack, 1)
	failed := make(chan error, 1)
	config := autopaholib.ClientConfig{
		ServerUrls: []*url.URL{address}, TlsCfg: secure, KeepAlive: uint16(c.Keepalive),
		WebSocketCfg:                  &autopaholib.WebSocketConfig{Header: func(*url.URL, *tls.Config) http.Header { return header }},
		CleanStartOnInitialConnection: c.Clean, SessionExpiryInterval: uint32(c.Expiry), ConnectTimeout: driverTimeout,
		OnConnectionUp: func(_ *autopaholib.ConnectionManager, ack *paho.Connack) { up <- ack },
		// One try: what went wrong is the answer.
		OnConnectionDown: func() bool { return false },
		OnConnectError: func(err error) {
			select {
			case failed <- err:
			default:
			}
		},
	}
	config.ClientID = c.Client
	config.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
		a.received(Message{r.Packet.Topic, r.Packet.Payload, int(r.Packet.QoS), r.Packet.Retain})
		return true, nil
	}}
	config.PacketTimeout = driverTimeout
	if c.Will != nil {
		payload, err := hex.DecodeString(c.Will.Payload)
		if err != nil {
			return false, err
		}
		config.WillMessage = &paho.WillMessage{
			Topic: c.Will.Topic, Payload: payload, QoS: byte(c.Will.QoS), Retain: c.Will.Retain,
		}
	}
	// The manager lives until disconnect, or until the driver is killed.
	if a.manager, err = autopaholib.NewConnection(context.Background(), config); err != nil {
		return false, err
	}
	select {
	case ack := <-up:
		return ack.SessionPresent, nil
	case err := <-failed:
		return false, err
	}
}

func (a *autopaho) subscribe(topic string, qos byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), driverTimeout)
	defer cancel()
	_, err := a.manager.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: qos}},
	})
	return err
}

func (a *autopaho) unsubscribe(topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), driverTimeout)
	defer cancel()
	_, err := a.manager.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{topic}})
	return err
}

func (a *autopaho) publish(topic string, payload []byte, qos byte, retain bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), driverTimeout)
	defer cancel()
	_, err := a.manager.Publish(ctx, &paho.Publish{Topic: topic, Payload: payload, QoS: qos, Retain: retain})
	return err
}

func (a *autopaho) disconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), driverTimeout)
	defer cancel()
	return a.manager.Disconnect(ctx)
}
