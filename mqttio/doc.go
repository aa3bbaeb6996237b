// Package mqttio finds MQTT control packets in a byte stream and looks at them in place, without copying.
//
// It reads MQTT 3.1, 3.1.1 and 5. A reader of a stream has some bytes and asks three questions:
//
//   - Where does the packet end? [ParseHeader] reads the fixed header, and nothing is believed or allocated before.
//   - May it pass? [CheckHeader] judges the fixed header, as soon as it is there; [Check] judges the whole packet. Of a
//     packet too large to hold, [CheckPublishHead] judges what must be known before it streams through.
//   - What does it say? A view such as [Connect] or [Publish] shows the fields. Its slices point into the packet, and
//     are good for as long as its bytes stay.
//
// All of these run for every packet or may be fed by anyone, so none allocates, and each error is one that exists
// already: [ErrShort] when more bytes are needed, or an [*Error] that names the statement of the specification that the
// packet violates and the MQTT 5 reason code that says so to the other side.
//
// Packets up, from a device, are checked against all that the specifications demand of a single packet. Packets down,
// from a broker, are checked for their shape only and pass as they are. [Check] has the details.
//
// MQTT 3.1 came before the statement numbers; it is held to those of 3.1.1, save for what it allows by itself: DUP on
// packets other than PUBLISH, any value of the reserved connect flag, and a CONNECT that ends before the user name or
// password its flags promise.
//
// The bridge forwards packets byte for byte. What it says itself is made by [AppendConnack], [AppendDisconnect],
// [AppendAck] and [AppendSuback]; and where it has to change a packet, [AppendConnect], [AppendMerged] and
// the methods of [Mount] copy all of it that is not changed.
//
// There is no state: all functions may be called concurrently, and where a function takes a [Version], any that is not
// one of the three counts as 3.1.1.
package mqttio
