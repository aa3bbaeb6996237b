package upstream

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// dialError says that a broker could not be reached. What package net repeats of its address is left out; errors.Is and errors.As find
// the same as in err.
func dialError(t *target, err error) error {
	return fmt.Errorf("dial %s: %w", t.name, withoutAddress(t.address, err))
}

func withoutAddress(address string, err error) error {
	switch e := err.(type) {
	case *net.OpError:
		switch {
		case e.Op != "dial":
		case e.Addr == nil || e.Addr.String() == address:
			return e.Err
		default: // one of the addresses of a name
			return fmt.Errorf("%s: %w", e.Addr, e.Err)
		}
	case interface{ Unwrap() []error }:
		var all []error
		for _, err := range e.Unwrap() {
			all = append(all, withoutAddress(address, err))
		}
		return together(all)
	}
	return err
}

// attempts are errors of several addresses, on one line.
type attempts []error

func (a attempts) Error() string {
	texts := make([]string, len(a))
	for i, err := range a {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets errors.Is and errors.As look into all of them.
func (a attempts) Unwrap() []error { return a }

// together is one error of those that are errors, nil if none is.
func together(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	return attempts(errs)
}
