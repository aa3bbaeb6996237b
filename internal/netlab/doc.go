// Package netlab makes networks of the kernel for tests: a line whose rate can be bounded and which can be unplugged, from the test's process
// to another network namespace. What a test opens in that namespace stays there, whichever goroutine uses it. The process itself runs in
// a namespace of its own, which [Main] sees to: nothing that a test sends leaves the machine.
//
// It needs Linux, root and the Debian package iproute2; where one is missing the tests are skipped.
package netlab
