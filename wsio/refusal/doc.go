// Package refusal has the causes for which wsio refuses a device or ends its connection, and the HTTP answer to one.
//
// It is below the other parts of wsio, which share its words; what is said for a cause its user decides (the bridge's table of reasons).
package refusal
