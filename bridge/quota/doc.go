// Package quota says how much devices may use: one session, all sessions of one identity or address, and all together.
//
// A [Book] counts sessions and the rates of connections, messages and bytes. Each session has a [Share], a [bridge.Quota]: what it moves
// is taken from token buckets (golang.org/x/time/rate), and where one is empty the session is told how long to read nothing. Nothing is
// dropped, and nothing here waits.
//
// An address or identity is remembered while it has sessions, whose number others bound. Of those without sessions at most 65,536
// are remembered: beyond that those go first whose buckets are full again.
package quota
