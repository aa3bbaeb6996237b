package realclients

import (
	"crypto/x509/pkix"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// certificateFields makes all that the broker hears of a device from what its certificate says.
const certificateFields = `
tls: {client-auth: require, client-ca: "%s"}
access:
  sources: [{type: certificate, name: cn}]
  connect:
    client-id: "{{.Claims.serial}}"
    username: "{{.Claims.ou}}-{{.Claims.issuer}}"
    password: "%s"
    user-properties: {fingerprint: "{{.Claims.fingerprint}}"}
  mount: "tenants/{{.Claims.o}}/"
  rules: [{allow: all, topics: ["{{.Claims.dns}}/#"]}]
`

// certificated is a bridge with that, before a Mosquitto that knows one user and the topics of one tenant.
type certificated struct {
	broker  *mosquitto.Broker
	bridge  *bridgeproc.Bridge
	devices *certs.Authority
}

// TestCertificateFields: a device with nothing but a certificate is to a real Mosquitto what the fields of it say: its client identifier,
// its user name and the place of its topics; and one whose certificate lacks a field is nobody.
func TestCertificateFields(t *testing.T) {
	t.Parallel()
	r, dir := certificated{devices: certs.New(t)}, t.TempDir()
	acl, file := filepath.Join(dir, "acl"), filepath.Join(dir, "bridge.yaml")
	write(t, acl, "user eu-test authority\ntopic readwrite tenants/acme/#\n")
	r.broker = mosquitto.Start(t, mosquitto.Options{Users: map[string]string{"eu-test authority": brokerPassword}, Config: []string{"acl_file " + acl}})
	write(t, file, fmt.Sprintf(certificateFields, r.devices.File, brokerPassword))
	r.bridge = bridgeproc.Start(t, bridgeproc.Options{
		Binary: bridgeproc.Build(t), Upstream: "tcp://" + r.broker.TCP, TLS: true, Args: []string{"--config", file},
	})
	for _, library := range Libraries {
		if library.Slug == "mqttjs-chromium" || library.Slug == "paho-c" {
			continue // a page cannot choose a certificate, and the driver of Paho C shows none
		}
		start := library.prepare(t, Target{})
		for _, version := range library.Versions {
			t.Run(fmt.Sprintf("%s-v%d", library.Slug, version), func(t *testing.T) {
				r.served(t, start(t), version)
				r.limited(t, start, version)
			})
		}
	}
	if strings.Contains(r.bridge.Said(), "CANARY") || r.broker.Log.Count("made-up") > 0 {
		t.Error("a secret is logged, or the broker heard of a name that the device made up")
	}
}

// connect connects a device with a new certificate, whose serial number it returns as claims have it.
func (r *certificated) connect(t *testing.T, d *Device, version int, subject pkix.Name, dns ...string) (serial string, err error) {
	pair := r.devices.Device(t, subject, dns...)
	_, err = d.do(Command{Do: "connect", URL: r.bridge.WSS + "/mqtt", Client: "made-up", Version: version, Clean: true, Keepalive: 60,
		CA: r.bridge.Authority.File, Cert: pair.CertFile, Key: pair.KeyFile})
	return pair.Leaf.SerialNumber.Text(16), err
}

func subjectOf(o string, ou ...string) pkix.Name {
	return pkix.Name{CommonName: "device", Organization: []string{o}, OrganizationalUnit: ou}
}

// served: who has all the fields exchanges messages in its place.
func (r *certificated) served(t *testing.T, d *Device, version int) {
	serial, err := r.connect(t, d, version, subjectOf("acme", "eu"), "pump.test")
	if err != nil {
		t.Fatal(err)
	}
	r.broker.Log.WaitFor(t, patience, 1, " as "+serial+" ", "u'eu-test authority'")
	d.Subscribe("pump.test/#", 1)
	d.Publish(Message{Topic: "pump.test/x", Payload: []byte("x"), QoS: 1})
	if m := d.Next(); m.Topic != "pump.test/x" || string(m.Payload) != "x" {
		t.Errorf("received %s %q", m.Topic, m.Payload)
	}
	r.broker.Log.WaitFor(t, patience, 1, "Received PUBLISH from "+serial, "'tenants/acme/pump.test/x'")
	d.Disconnect()
}

// limited: other fields are another user, another place, or nobody.
func (r *certificated) limited(t *testing.T, start func(testing.TB) *Device, version int) {
	for _, subject := range []pkix.Name{subjectOf("acme"), subjectOf("acme", "us"), subjectOf("a/b", "eu"), subjectOf("#", "eu")} {
		if _, err := r.connect(t, start(t), version, subject, "pump.test"); err == nil {
			t.Errorf("%s is let in", subject)
		}
	}
	other := start(t)
	serial, err := r.connect(t, other, version, subjectOf("other", "eu"), "pump.test")
	if err != nil {
		t.Fatal(err)
	}
	other.Publish(Message{Topic: "pump.test/x", Payload: []byte("y")})
	r.broker.Log.WaitFor(t, patience, 1, "Denied PUBLISH from "+serial, "'tenants/other/pump.test/x'")
	other.Disconnect()

	mute := start(t) // without a DNS name there are no topics that it may use
	if serial, err = r.connect(t, mute, version, subjectOf("acme", "eu")); err != nil {
		t.Fatal(err)
	}
	mute.Publish(Message{Topic: "pump.test/x", Payload: []byte("z")})
	mute.Disconnect()
	r.broker.Log.WaitFor(t, patience, 1, "Received DISCONNECT from "+serial)
	if r.broker.Log.Count("Received PUBLISH from "+serial) > 0 {
		t.Error("a certificate without a DNS name may use topics")
	}
}
