package wsio_test

import "mqtt-ws-bridge/wsio"

// layout is a buffer of consecutive packets with the headroom that WriteFrames wants, and where each ends.
func layout(packets ...string) (buf []byte, ends []int) {
	buf = make([]byte, wsio.Headroom)
	for _, p := range packets {
		buf = append(buf, p...)
		ends = append(ends, len(buf))
	}
	return buf, ends
}
