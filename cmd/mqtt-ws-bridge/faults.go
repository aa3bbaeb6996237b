package main

import (
	"errors"
	"log/slog"
	"strings"

	"mqtt-ws-bridge/config"
)

// faults are all that is wrong with what access says, each with its key.
type faults []fault

type fault struct {
	key string
	err error
}

// add notes an error, if it is one.
func (fs *faults) add(key string, err error) {
	if err != nil {
		*fs = append(*fs, fault{key, err})
	}
}

// Error is one line.
func (fs faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.key + ": " + f.err.Error()
	}
	return strings.Join(texts, "; ")
}

// accessProblems are all that keep access control from being built.
func accessProblems(cfg *config.Config, origins config.Origins) config.Problems {
	_, err := newAccessControl(cfg, slog.New(slog.DiscardHandler), nil)
	if wrong, ok := errors.AsType[faults](err); ok {
		return wrong.Problems(origins)
	}
	if err != nil {
		return config.Problems{{Key: "access", Text: err.Error()}}
	}
	return nil
}

// Problems says of each where it was set.
func (fs faults) Problems(origins config.Origins) config.Problems {
	ps := make(config.Problems, len(fs))
	for i, f := range fs {
		ps[i] = config.Problem{Key: f.key, Source: origins.Of(f.key), Text: f.err.Error()}
	}
	return ps
}
