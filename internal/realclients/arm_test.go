package realclients

import (
	"runtime"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestARM runs the builds for ARM gateways under an emulator that plays the least processor each is for, so that an
// instruction it does not have ends the program. Each carries a QoS 1 message to the broker and one back.
func TestARM(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs qemu-user, which is for Linux alone")
	}
	if testing.Short() {
		t.Skip("-short: compiling for four processors takes minutes the first time")
	}
	install.Debian(t, "qemu-user-static")
	for _, c := range []struct {
		name     string
		build    []string
		emulator []string
	}{
		{"arm v5", []string{"GOARCH=arm", "GOARM=5"}, []string{"qemu-arm-static", "-cpu", "arm926"}},
		{"arm v6", []string{"GOARCH=arm", "GOARM=6"}, []string{"qemu-arm-static", "-cpu", "arm1176"}},
		{"arm v7", []string{"GOARCH=arm", "GOARM=7"}, []string{"qemu-arm-static", "-cpu", "cortex-a7"}},
		{"arm64", []string{"GOARCH=arm64"}, []string{"qemu-aarch64-static", "-cpu", "cortex-a53"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			broker := mosquitto.Start(t, mosquitto.Options{})
			bridge := bridgeproc.Start(t, bridgeproc.Options{
				Binary:  bridgeproc.Build(t, append(c.build, "GOOS=linux", "CGO_ENABLED=0")...),
				Wrapper: c.emulator, Upstream: "tcp://" + broker.TCP, TLS: true,
			})
			for _, secure := range []bool{false, true} {
				target := Target{
					WS: bridge.WS + "/mqtt", WSS: bridge.WSS + "/mqtt", Authority: bridge.Authority, Leaf: bridge.Leaf,
					Broker: broker,
				}
				r := row{version: mqtt311, secure: secure, target: target}
				r.start = goLibrary("paho.mqtt.golang")(t, target)
				t.Run(r.transport(), func(t *testing.T) { qos(1)(newScene(t, r)) })
			}
		})
	}
}
