// Package drive runs sessions: with two goroutines, one for each direction, or in an event loop without any (package loop).
//
// A [Driver] knows of what it runs only that it is a [Task] with two directions, each named after the [End] that it reads from. The task
// has one code for both ways of running; the driver decides who calls it. It begins with two goroutines. When the task has settled, or
// falls quiet, both are asked to end (Pause), and the second to do so attaches the task to its [Registration]: the connections are the
// loop's then, and Ready is called for each end that has something to read. Whatever has to wait while the loop serves the task gives it
// its goroutines back first (Block, Blocked): the loop's goroutine stays where it is and becomes one of the two, and the loop gets another.
//
// For each direction at most one goroutine runs, and never one beside the loop. When the task ends, both directions conclude, whether
// they ran, were paused or attached, and the last one to do so finishes the task, once.
//
// The package knows neither MQTT nor WebSocket, and does no I/O of its own.
package drive
