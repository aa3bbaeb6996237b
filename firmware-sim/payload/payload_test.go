package payload_test

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/payload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMarkersComeBack(t *testing.T) {
	m := payload.Marker{Device: "dev-1", Seq: 42, Time: 1700000000123456789}
	for _, format := range []string{"json", "cbor", "template"} {
		for _, name := range payload.Models() {
			for _, size := range []int{0, 200} {
				c, err := payload.NewCodec(format, `<{id}|{seq}|{time}|{value}>`, size)
				if err != nil {
					t.Fatal(err)
				}
				rng := rand.New(rand.NewPCG(1, 2))
				model, err := payload.NewModel(name, 0, rng)
				if err != nil {
					t.Fatal(err)
				}
				body := c.Encode(m, model(rng, time.Now()))
				if got, err := c.Decode(body); err != nil || got != m {
					t.Errorf("%s %s: %+v %v from %q", format, name, got, err, body)
				}
				if format != "template" && size > 0 && (len(body) < size-2 || len(body) > size+2) {
					t.Errorf("%s padded to %d: %d bytes", format, size, len(body))
				}
			}
		}
	}
}

func TestTemplatesMustCarryTheMarker(t *testing.T) {
	for _, bad := range []string{"", "{id} {seq}", "{id} {seq} {time} {seq}"} {
		if _, err := payload.NewCodec("template", bad, 0); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	c, _ := payload.NewCodec("template", "{id} {seq} {time}", 0)
	if _, err := c.Decode([]byte("something else")); err == nil {
		t.Error("a foreign payload was taken")
	}
}

func TestSameSeedSameValues(t *testing.T) {
	values := func(seed uint64) (out []any) {
		for i, name := range payload.Models() {
			rng := rand.New(rand.NewPCG(seed, 1))
			model, err := payload.NewModel(name, i, rng)
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				out = append(out, model(rng, time.Time{}))
			}
		}
		return out
	}
	if !reflect.DeepEqual(values(1), values(1)) {
		t.Error("the same seed says different things")
	}
	if reflect.DeepEqual(values(1), values(2)) {
		t.Error("another seed says the same")
	}
}
