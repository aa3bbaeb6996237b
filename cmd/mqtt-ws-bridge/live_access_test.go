package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// configured is a program with a configuration file that the test changes.
type configured struct {
	*program
	t    *testing.T
	file string
}

func startConfigured(t *testing.T, text string) *configured {
	t.Helper()
	c := &configured{t: t, file: filepath.Join(t.TempDir(), "bridge.yaml")}
	c.write(text)
	c.program = start(t, "--config", c.file)
	return c
}

func (c *configured) write(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// reload has the program read another configuration, and fails the test unless exactly these keys take effect.
func (c *configured) reload(text, keys string) {
	c.t.Helper()
	c.write(text)
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		c.t.Skipf("no SIGHUP here: %v", err)
	}
	if line := c.wait("configuration loaded"); fmt.Sprint(line["in_effect"]) != keys || line["after_restart"] != nil {
		c.t.Errorf("logged as %v, want %s", line, keys)
	}
}

// connect connects a device with a client library; lost is closed when its connection ends.
func (c *configured) connect(id string) (client mqtt.Client, lost chan struct{}) {
	c.t.Helper()
	lost = make(chan struct{})
	client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(c.device).SetClientID(id).SetAutoReconnect(false).
		SetConnectTimeout(20 * time.Second).SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) }))
	if token := client.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		c.t.Fatal(token.Error())
	}
	c.t.Cleanup(func() { client.Disconnect(100) })
	return client, lost
}

// TestReloadDeniedPublish: what a forbidden PUBLISH leads to changes for devices that connect after the reload.
func TestReloadDeniedPublish(t *testing.T) {
	const rules = "access:\n  rules: [{allow: all, topics: [ok/#]}]\n"
	c := startConfigured(t, rules)
	before, _ := c.connect("before")
	answered := func() {
		t.Helper()
		if token := before.Publish("no", 1, false, "x"); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Errorf("a forbidden message is not answered: %v", token.Error())
		}
	}
	answered()
	c.reload(rules+"  denied-publish: close\n  expiry-will: false\n", "[access.denied-publish access.expiry-will]")
	after, lost := c.connect("after")
	after.Publish("no", 1, false, "x")
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Error("a forbidden message does not end the session")
	}
	answered()
}
