// Package police is the inspector of a session: it looks at each packet, or part of one, and says what becomes of it, as data.
//
// An [Inspector] knows the policy of one device, what is below its mount, and what it has subscribed to. It knows no session, no connection
// and no goroutine: whoever moves the packets does what a [Verdict] says. A nil Inspector passes everything.
package police
