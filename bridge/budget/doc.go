// Package budget knows how much memory and how many file descriptors the process may have, and says before they run out that
// no further session can be afforded: then new devices are refused, and those there are notice nothing.
//
// Descriptors are shared out at the start, see [PlanDescriptors], and counted where the system can do that without listing
// them. Memory is what the Go runtime holds that is not garbage; what the kernel holds for sockets is not in it, which is why
// [MemoryLimit] leaves a part of the machine alone. Both are looked at four times a second and never for a handshake.
package budget
