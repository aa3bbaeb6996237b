// Package examples holds the configurations in examples/ to what they promise: each is accepted by check-config and lets the
// devices in that it is about. It is tests alone.
package examples
