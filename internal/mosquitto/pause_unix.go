//go:build unix

package mosquitto

import "syscall"

// Pause stops the broker from doing anything while its connections stay open, until Resume.
func (b *Broker) Pause() {
	b.t.Helper()
	b.signal(syscall.SIGSTOP)
}

// Resume ends a Pause.
func (b *Broker) Resume() {
	b.t.Helper()
	b.signal(syscall.SIGCONT)
}

func (b *Broker) signal(s syscall.Signal) {
	b.t.Helper()
	if b.cmd == nil {
		b.t.Fatal("the broker does not run")
	}
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatalf("signal Mosquitto: %v", err)
	}
}
