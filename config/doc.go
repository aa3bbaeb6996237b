// Package config turns defaults, a YAML file, environment variables and command-line flags into one checked [Config].
//
// Later layers win over earlier ones, key by key: defaults < file < environment < flags. A list or a map is one value:
// a later layer replaces it whole.
//
// Every key is written down once, as a field of Config: its name, its documentation and its allowed range are struct
// tags, its default stands in [Default]. The flags, the names of the environment variables, config/example.yaml and the
// tables of docs/configuration.md all come from there.
//
// Loading is strict. A key nobody knows, a value of the wrong type or out of range, and settings that contradict each
// other are [Problems], all of them reported at once, each with the key, where it was set and what to write instead.
// Secrets appear in no problem and no printed value.
package config
