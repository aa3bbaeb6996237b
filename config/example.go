package config

import _ "embed"

// Example is the shipped example file: every key with its documentation and default.
//
//go:embed example.yaml
var Example string
