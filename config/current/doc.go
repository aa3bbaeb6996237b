// Package current holds values that are replaced while others read them, and replaces several of them together or not at all.
//
// A reload has two steps. First every part that the new configuration concerns prepares what it needs, checks it and registers with a
// [Change] what puts it into use, and what releases it if it is not used. Only if all have succeeded, [Change.Commit] puts everything into
// use; otherwise [Change.Abort] releases it, and nothing has changed. What can fail belongs in the first step: the functions of the second
// return no error.
package current
