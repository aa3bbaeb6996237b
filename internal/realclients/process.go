package realclients

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"testing"
	"time"
)

// process is the link to a driver that is a child process.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr *bytes.Buffer // read only after exited is closed
	exited chan struct{}
}

// startProcess starts a driver as a child process, which ends with the test at the latest.
func startProcess(t testing.TB, cmd *exec.Cmd) *Device {
	t.Helper()
	d := newDevice(t)
	p := &process{cmd: cmd, stderr: new(bytes.Buffer), exited: make(chan struct{})}
	cmd.Stderr = p.stderr
	ownGroup(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("make the pipe: %v", err)
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatalf("make the pipe: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the driver: %v", err)
	}
	d.link = p
	go p.read(d, stdout)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && p.stderr.Len() > 0 {
			t.Logf("what the driver said: %s", p.stderr)
		}
	})
	return d
}

// read hands the driver's lines to the device until the driver ends, then reaps it.
func (p *process) read(d *Device, stdout io.Reader) {
	defer close(p.exited)
	lines := bufio.NewReaderSize(stdout, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		d.hear(line)
	}
	err := p.cmd.Wait()
	if err == nil {
		err = errors.New("it exited with 0")
	}
	d.hangUp(err)
}

func (p *process) send(line []byte) error {
	_, err := p.stdin.Write(append(line, '\n'))
	return err
}

func (p *process) kill() {
	select {
	case <-p.exited: // its number may belong to another process by now
	default:
		killGroup(p.cmd)
	}
	_ = p.stdin.Close() // the killed process reads no more
	select {
	case <-p.exited:
	case <-time.After(patience):
		panic("realclients: a killed driver does not end")
	}
}
