package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
)

// stage is what a test is to the helpers of this repository, for a program: they install packages, make certificates and start
// brokers for a testing.TB, and clean up behind it. Whatever would skip a test ends the program.
type stage struct {
	testing.TB // nil: the helpers use no method but those below
	stderr     io.Writer
	cleanups   []func()
	err        error
}

func newStage(stderr io.Writer) *stage { return &stage{stderr: stderr} }

// fatal is how Fatalf leaves perform.
type fatal struct{ error }

// perform runs play, cleans up and returns what went wrong.
func (s *stage) perform(play func()) (err error) {
	defer func() {
		for _, cleanup := range slices.Backward(s.cleanups) {
			cleanup()
		}
		err = errors.Join(err, s.err)
	}()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fatal:
			err = r.error
		default:
			panic(r)
		}
	}()
	play()
	return nil
}

func (s *stage) Helper() {}

func (s *stage) Logf(format string, args ...any) { fmt.Fprintf(s.stderr, format+"\n", args...) }

func (s *stage) Errorf(format string, args ...any) {
	s.err = errors.Join(s.err, fmt.Errorf(format, args...))
}

func (s *stage) Error(args ...any) { s.Errorf("%s", fmt.Sprint(args...)) }

func (s *stage) Fatalf(format string, args ...any) { panic(fatal{fmt.Errorf(format, args...)}) }

func (s *stage) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

func (s *stage) Skipf(format string, args ...any) { s.Fatalf(format, args...) }

func (s *stage) Failed() bool { return s.err != nil }

func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "benchpeers")
	if err != nil {
		s.Fatalf("make a directory: %v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
