package brokers

import (
	"fmt"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/loopback"
)

const startTimeout = 2 * time.Minute // RabbitMQ on a busy machine

// Kind is a broker that tests can run.
type Kind struct {
	Name string
	// QoS lists what it grants: RabbitMQ 3 has no QoS 2.
	QoS   []int
	start func(testing.TB, *Broker) []string // returns a command line that serves at b.TCP
}

// Kinds are all of them.
var Kinds = []Kind{
	{Name: "nats", QoS: []int{0, 1, 2}, start: nats},
	{Name: "aedes", QoS: []int{0, 1, 2}, start: aedes},
	{Name: "rabbitmq", QoS: []int{0, 1}, start: rabbitmq},
}

// Broker is a running broker. It ends with the test.
type Broker struct {
	TCP string // host:port

	host string
	dir  string   // of its own
	env  []string // of its processes
}

// Start runs a broker of this kind and returns when it takes connections. The test is skipped where it cannot be had.
func (k Kind) Start(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{host: loopback.Host(), dir: t.TempDir()}
	b.TCP = loopback.Address(t, b.host)
	command := k.start(t, b)
	exited := b.run(t, k.Name, command...)
	b.await(t, k.Name, b.TCP, exited)
	return b
}

// run starts a process that ends with the test; its end closes the channel.
func (b *Broker) run(t testing.TB, name string, command ...string) (exited <-chan struct{}) {
	t.Helper()
	said, end := new(output), make(chan struct{})
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = b.env
	cmd.Stdout, cmd.Stderr = said, said
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go wait(cmd, end)
	t.Cleanup(func() {
		killGroup(cmd)
		<-end
		if t.Failed() {
			t.Logf("what %s said last:\n%s", name, said)
		}
	})
	return end
}

// wait reaps the process; it ends with it.
func wait(cmd *exec.Cmd, exited chan<- struct{}) {
	_ = cmd.Wait() // it is killed
	close(exited)
}

// await returns when address takes connections.
func (b *Broker) await(t testing.TB, name, address string, exited <-chan struct{}) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	last := fmt.Errorf("never asked")
	for {
		select {
		case <-exited:
			t.Fatalf("%s ended at once", name)
		case <-deadline.C:
			t.Fatalf("%s takes no connection after %v: %v", name, startTimeout, last)
		case <-again.C:
		}
		var conn net.Conn
		if conn, last = net.DialTimeout("tcp", address, startTimeout); last == nil {
			_ = conn.Close()
			return
		}
	}
}

// output keeps the end of what a process says.
type output struct {
	mu    sync.Mutex
	bytes []byte // guarded by mu
}

const maxOutput = 4 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes = append(o.bytes, p...)
	if more := len(o.bytes) - maxOutput; more > 0 {
		o.bytes = append(o.bytes[:0], o.bytes[more:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.bytes)
}
